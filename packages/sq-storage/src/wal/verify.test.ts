import { beforeEach, describe, expect, it } from 'vitest'
import { LogNotFoundError, verify, WalError } from '../index.ts'
import type { LogProblem, LogReport, NoteKind } from '../index.ts'
import {
  DAMAGED,
  first,
  FIRST,
  inverted,
  makeDamaged,
  SECOND,
  second,
  THIRD,
  third,
  threeSegments,
} from '../testing/damaged-logs.ts'
import type { Files, ProblemRange } from '../testing/damaged-logs.ts'
import { joined } from '../testing/hand-bytes.ts'
import { LogFixture } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function check(): Promise<LogReport> {
  return verify(log.fs, log.config, 'orders', 0)
}

function shown({ kind, path, from, to, firstOffset, lastOffset }: LogProblem): ProblemRange {
  return [kind, path.slice(log.directory.length + 1), from, to, firstOffset, lastOffset]
}

function make(files: Files): Promise<void> {
  return makeDamaged(log, files)
}

const { headBytes } = first
const sealed = second.at(-1)
const endOf = (segment: SegmentBytes) => segment.bytes.length

describe('verify reports', () => {
  it('a good log', async () => {
    await make({})
    expect(await check()).toEqual({
      topic: 'orders',
      partition: 0,
      directory: log.directory,
      firstOffset: 0n,
      nextOffset: 10n,
      segments: 3,
      records: 10,
      bytes: endOf(first) + endOf(second) + endOf(third),
      problems: [],
      notes: [],
    })
    expect(log.fs.openHandles).toBe(0)
  })

  it.each(DAMAGED)('$name', async ({ files, expected, records }) => {
    await make(files)
    const before = await log.files()
    const report = await check()
    expect(report.problems.map(shown)).toEqual(expected)
    expect(report.records).toBe(records)
    expect([await log.files(), log.fs.openHandles]).toEqual([before, 0])
  })
})

interface NoteCase {
  readonly name: string
  readonly files: Files
  readonly expected: readonly [NoteKind, string, number, number][]
  readonly nextOffset: bigint
}

const NOTES: NoteCase[] = [
  {
    name: 'a torn end',
    files: { [THIRD]: joined(third.bytes, Buffer.alloc(100, 1)) },
    expected: [['torn', THIRD, endOf(third), endOf(third) + 100]],
    nextOffset: 10n,
  },
  {
    name: 'a damaged last commit, which nothing confirms',
    files: { [THIRD]: inverted(third.bytes, { from: third.at(2).position + 60, to: third.at(2).position + 61 }) },
    expected: [['torn', THIRD, third.at(2).position, endOf(third)]],
    nextOffset: 9n,
  },
  {
    name: 'a SEAL half written, at the end of the log',
    files: { [SECOND]: second.bytes.subarray(0, -8), [THIRD]: null },
    expected: [['torn', SECOND, sealed.position, endOf(second) - 8]],
    nextOffset: 7n,
  },
  {
    name: 'a rejected commit behind the end of an abandoned segment',
    files: {
      [THIRD]: Buffer.from(third.bytes),
      '00000000000000000009.wal': new SegmentBytes({
        baseOffset: 9,
        previous: {
          baseOffset: 7,
          end: third.at(2).position,
          lastPosition: third.at(1).position,
          lastCrc: third.at(1).headerCrc,
        },
      }).records('j').bytes,
    },
    expected: [['ignored-tail', THIRD, third.at(2).position, endOf(third)]],
    nextOffset: 10n,
  },
  {
    name: 'a MARK whose body is not all zeros',
    files: { [THIRD]: joined(third.bytes, marked().subarray(0, -4), Buffer.from([1, 2, 3, 4])) },
    expected: [['mark', THIRD, endOf(third), endOf(third) + 48]],
    nextOffset: 10n,
  },
  {
    name: 'files that do not belong to the log',
    files: {
      'readme.txt': Buffer.from('hands off'),
      'next.tmp': Buffer.from('half'),
      '00000000000000000000.wal.quarantined-1': first.bytes,
    },
    expected: [
      ['quarantined', '00000000000000000000.wal.quarantined-1', 0, 0],
      ['unknown-file', 'readme.txt', 0, 0],
    ],
    nextOffset: 10n,
  },
]

/** A MARK that continues the third segment. */
function marked(): Buffer {
  const segment = threeSegments()[2].mark(8)
  return segment.bytes.subarray(segment.at(-1).position)
}

describe('verify notes, without a problem,', () => {
  it.each(NOTES)('$name', async ({ files, expected, nextOffset }) => {
    await make(files)
    const report = await check()
    expect(report.problems).toEqual([])
    const notes = report.notes.map(({ kind, path, from, to }) => [kind, path.slice(log.directory.length + 1), from, to])
    expect(notes).toEqual(expected)
    expect(report.nextOffset).toBe(nextOffset)
  })
})

describe('verify of', () => {
  it('a directory of very many other files names the first of each kind, and counts the others', async () => {
    const unknown = Array.from({ length: 250 }, (_, at) => `file-${String((at * 97) % 250).padStart(3, '0')}`)
    const quarantined = Array.from({ length: 130 }, (_, at) => `00000000000000000007.wal.quarantined-${at + 101}`)
    await make(Object.fromEntries([...unknown, ...quarantined].map((name) => [name, Buffer.alloc(0)])))
    const { notes } = await check()
    const named = (names: readonly string[], kind: string) =>
      names
        .toSorted()
        .slice(0, 100)
        .map((name) => ({ kind, path: `${log.directory}/${name}`, files: 1 }))
    expect(notes).toMatchObject([
      ...named(quarantined, 'quarantined'),
      { kind: 'quarantined', path: log.directory, text: '30 more files quarantined by repairs', files: 30 },
      ...named(unknown, 'unknown-file'),
      {
        kind: 'unknown-file',
        path: log.directory,
        text: '150 more files with names that the log does not use',
        files: 150,
      },
    ])
  })

  it('a log without segments finds none', async () => {
    await log.makeSegments()
    expect(await check()).toMatchObject({ nextOffset: 0n, segments: 0, records: 0, problems: [], notes: [] })
  })

  it('a directory that is not a log is refused, and none is created', async () => {
    await expect(check()).rejects.toThrow(LogNotFoundError)
    expect(await log.fs.readdir('/')).toEqual([])
    await log.make('/data', Buffer.alloc(0))
    await expect(check()).rejects.toThrow(LogNotFoundError)
  })

  it('a bad name is refused', async () => {
    await expect(verify(log.fs, log.config, '..', 0)).rejects.toThrow(RangeError)
    await expect(verify(log.fs, { dataDir: '' }, 'orders', 0)).rejects.toThrow(RangeError)
  })

  it('a log whose first segments were removed begins where it begins', async () => {
    await make({ [FIRST]: null })
    expect(await check()).toMatchObject({ firstOffset: 3n, nextOffset: 10n, records: 7, problems: [] })
  })

  it('a disk that cannot read some bytes has them reported, and the next segment is verified', async () => {
    await make({})
    log.fs.faults.add({ on: 'read', path: log.path(3), when: 'always', fault: { error: 'EIO' } })
    expect((await check()).problems.map(shown)).toEqual([['unreadable', SECOND, 0, 512, 3n, 6n]])
  })

  it('a disk that fails to read once causes no problem: the read is retried', async () => {
    await make({})
    for (let nth = 1; ; nth++) {
      const rule = log.fs.faults.add({ on: 'read', when: { nth }, fault: { error: 'EIO' } })
      expect((await check()).problems).toEqual([])
      rule.remove()
      if (rule.hits === 0) break
    }
  })

  it('a disk that repeatedly fails to read a part of a segment has the rest of it reported', async () => {
    const lone = new SegmentBytes().records('a').records('b')
    await log.makeSegments(lone)
    for (const nth of [2, 4]) log.fs.faults.add({ on: 'read', when: { nth }, fault: { error: 'EIO' } })
    expect((await check()).problems.map(shown)).toEqual([['unreadable', FIRST, headBytes, endOf(lone), 0n, null]])
  })

  it.each(['readdir', 'stat', 'open', 'read', 'size'] as const)('a log where %s fails is refused', async (on) => {
    await make({})
    for (const error of ['EACCES', 'ENOENT']) {
      const rule = log.fs.faults.add({ on, when: 'always', fault: { error } })
      await expect(check()).rejects.toThrow(WalError)
      expect(log.fs.openHandles).toBe(0)
      rule.remove()
    }
  })
})
