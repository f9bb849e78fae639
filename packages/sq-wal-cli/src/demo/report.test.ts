import { describe, expect, it } from 'vitest'
import { formatKills, formatRate, formatSegments, formatTable } from './report.ts'

it('a table aligns its first column to the left and the others to the right', () => {
  expect(
    formatTable([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
  ).toBe('a    bb\nccc   d\n')
})

describe('the table of kills', () => {
  const life = { from: 0, acknowledged: 1000, discardedBytes: 0, elapsedMs: 1 }

  it('the table shows the acknowledged records before a kill, and what the next child recovered and truncated', () => {
    const lives = [life, { ...life, from: 1100, acknowledged: 2000, discardedBytes: 4096 }, { ...life, from: 2000 }]
    expect(formatKills(lives).split('\n').slice(1, 3)).toEqual([
      '1            1,000      1,100  4,096 bytes',
      '2            2,000      2,000         none',
    ])
  })

  it('the table is empty without kills', () => {
    expect(formatKills([life])).toBe('')
  })
})

it('the table of very many segments omits the middle ones', () => {
  const counts = { baseOffset: 0n, nextOffset: 9n, records: 9, bytes: 999, minTimestampMs: 1, maxTimestampMs: 2 }
  const place = { path: '/a/0.wal', topic: 'a', partition: 0 }
  const link = { baseOffset: 0, end: 999, lastPosition: 900, lastCrc: 1 }
  const segment = { ...place, createdMs: 1, lastOffset: 8n, ...counts, state: 'sealed', link } as const
  expect(formatSegments([segment])).toMatch(/^segment .*\n0\.wal +9 +999 +sealed\n$/)
  const rows = formatSegments(Array.from({ length: 50 }, () => segment))
    .trimEnd()
    .split('\n')
  expect(rows).toHaveLength(22)
  expect(rows[11]).toMatch(/^\(30 more\)/)
})

it('a rate is in records and in megabytes', () => {
  expect(formatRate(3000, 6_000_000, 1500)).toBe('2,000 records/s, 4.0 MB/s (1.50 s)')
})
