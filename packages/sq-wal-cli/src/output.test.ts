import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { jsonOf, rendered } from './output.ts'

/** The files that may write: they escape their output, or write no text from outside. */
const WRITERS = ['demo/progress.ts', 'output.ts', 'progress.ts']

test('only code that escapes its output writes to the terminal', () => {
  const source = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(source, { recursive: true })
    .map(String)
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
  const writing = files.filter((name) => {
    const text = readFileSync(`${source}/${name}`, 'utf8')
    return /\bconsole\.|std(out|err)\.write\(|stream = process\.std|Terminal = process\.std/.test(text)
  })
  expect(writing.toSorted()).toEqual(WRITERS)
  // These write bytes as they are: values, and rendered text.
  const raw = files.filter((name) => /\bprintBytes\(/.test(readFileSync(`${source}/${name}`, 'utf8')))
  expect(raw.toSorted()).toEqual(['output.ts', 'run/dump.ts', 'run/get.ts', 'run/record-writer.ts'])
})

test('a piece is escaped, with and without a colour', () => {
  expect(rendered(['a\u001B\n', { text: '\u202E\u009B', paint: (text) => `<${text}>` }])).toBe(
    String.raw`a\u001b\n<\u202e\u009b>`,
  )
})

test('offsets are numbers in JSON', () => {
  expect(jsonOf({ offset: 7n })).toBe('{"offset":7}')
})
