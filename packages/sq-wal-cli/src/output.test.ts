import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { jsonOf, rendered } from './output.ts'

/** These may: they escape what they write, or write nothing from outside. */
const WRITERS = ['demo/progress.ts', 'output.ts', 'progress.ts']

test('nothing writes to the terminal but what escapes it', () => {
  const source = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(source, { recursive: true })
    .map(String)
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
  const writing = files.filter((name) => {
    const text = readFileSync(`${source}/${name}`, 'utf8')
    return /\bconsole\.|std(out|err)\.write\(|stream = process\.std|Terminal = process\.std/.test(text)
  })
  expect(writing.toSorted()).toEqual(WRITERS)
  // Bytes that are written as they are: values, and what was rendered.
  const raw = files.filter((name) => /\bprintBytes\(/.test(readFileSync(`${source}/${name}`, 'utf8')))
  expect(raw.toSorted()).toEqual(['output.ts', 'run/dump.ts', 'run/record-writer.ts'])
})

test('what a piece holds is escaped, painted or not', () => {
  expect(rendered(['a\u001B\n', { text: '\u202E\u009B', paint: (text) => `<${text}>` }])).toBe(
    String.raw`a\u001b\n<\u202e\u009b>`,
  )
})

test('JSON has offsets as numbers', () => {
  expect(jsonOf({ offset: 7n })).toBe('{"offset":7}')
})
