import { expect, test } from 'vitest'
import { tableToMarkdown } from './markdown.ts'

test('names are aligned to the left, figures to the right', () => {
  const columns = ['', 'values/s']
  const rows = [
    ['sq', '1,234'],
    ['others', '9'],
  ]
  expect(tableToMarkdown({ title: 'Appending', columns, rows, figures: null })).toBe(
    [
      'Appending',
      '',
      '|        | values/s |',
      '| ------ | -------: |',
      '| sq     |    1,234 |',
      '| others |        9 |',
      '',
    ].join('\n'),
  )
})
