import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../defects/workspace.ts'
import { EQUIVALENT } from './equivalent.ts'
import { judge, tableOf } from './judgement.ts'
import { readReport } from './stryker.ts'

/** Two lines, and Stryker's results for four changes of them. Its positions count from 1. */
const REPORT = JSON.stringify({
  files: {
    'src/wal/a.ts': {
      source: 'if (x < 1) {\n  return 2\n}',
      mutants: [
        {
          status: 'Killed',
          replacement: 'true',
          location: { start: { line: 1, column: 5 }, end: { line: 1, column: 10 } },
        },
        {
          status: 'Survived',
          replacement: 'x <= 1',
          location: { start: { line: 1, column: 5 }, end: { line: 1, column: 10 } },
        },
        {
          status: 'NoCoverage',
          replacement: '{}',
          location: { start: { line: 1, column: 12 }, end: { line: 3, column: 2 } },
        },
        {
          status: 'Timeout',
          replacement: '3',
          location: { start: { line: 2, column: 10 }, end: { line: 2, column: 11 } },
        },
        {
          status: 'CompileError',
          replacement: '4',
          location: { start: { line: 2, column: 10 }, end: { line: 2, column: 11 } },
        },
      ],
    },
  },
})

test('a report has the position, the original text and the replacement of each mutant', () => {
  expect(readReport(REPORT)).toEqual([
    {
      file: 'src/wal/a.ts',
      line: 1,
      text: 'if (x < 1) {',
      range: 'src/wal/a.ts:1:4-1:9',
      original: 'x < 1',
      replacement: 'true',
      survived: false,
    },
    {
      file: 'src/wal/a.ts',
      line: 1,
      text: 'if (x < 1) {',
      range: 'src/wal/a.ts:1:4-1:9',
      original: 'x < 1',
      replacement: 'x <= 1',
      survived: true,
    },
    {
      file: 'src/wal/a.ts',
      line: 1,
      text: 'if (x < 1) {',
      range: 'src/wal/a.ts:1:11-3:1',
      original: '{\n  return 2\n}',
      replacement: '{}',
      survived: true,
    },
    {
      file: 'src/wal/a.ts',
      line: 2,
      text: 'return 2',
      range: 'src/wal/a.ts:2:9-2:10',
      original: '2',
      replacement: '3',
      survived: false,
    },
  ])
})

test('a survivor that is listed as equivalent does not count', () => {
  const equivalent = [{ file: 'a.ts', original: 'x < 1', replacement: 'x <= 1', why: 'x is never 1' }]
  const judged = judge(readReport(REPORT), equivalent)
  expect(judged.files).toEqual([{ file: 'src/wal/a.ts', mutants: 4, noticed: 2, equivalent: 1 }])
  expect(judged.unexplained.map(({ replacement }) => replacement)).toEqual(['{}'])
  expect(tableOf(judged)).toBe('src/wal/a.ts   66.7 %  2 of 3 noticed, 1 equivalent')
})

test.each([
  { file: 'b.ts', original: 'x < 1', replacement: 'x <= 1', why: '' },
  { file: 'a.ts', original: 'x < 2', replacement: 'x <= 1', why: '' },
  { file: 'a.ts', original: 'x < 1', replacement: 'true', why: '' },
])('an entry for $file, $original, $replacement explains no other mutant', (entry) => {
  expect(judge(readReport(REPORT), [entry]).unexplained).toHaveLength(2)
})

test('an entry with a line explains only the mutants that begin in that line', () => {
  const entry = { file: 'a.ts', original: 'x < 1', replacement: 'x <= 1', why: '' }
  const unexplained = (line: string): number => judge(readReport(REPORT), [{ ...entry, line }]).unexplained.length
  expect([unexplained('if (x < 1) {'), unexplained('return 2')]).toEqual([1, 2])
})

test('the original text of each equivalent mutant is in its file once, or once in the given line', async () => {
  for (const { file, line, original } of EQUIVALENT) {
    const source = await readFile(join(ROOT, 'packages/sq-storage/src/wal', file), 'utf8')
    const lines = source.split('\n').map((text) => text.trim())
    expect(occurrences(line ?? source, original), `${file}: ${original}`).toBe(1)
    if (line !== undefined) expect(lines.filter((text) => text === line)).toHaveLength(1)
  }
})

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1
}
