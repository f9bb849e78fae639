import { beforeEach, describe, expect, it } from 'vitest'
import { LogNotFoundError, verify, WalIoError } from '../index.ts'
import type { LogProblem, LogReport, NoteKind, ProblemKind } from '../index.ts'
import { joined } from '../testing/hand-bytes.ts'
import { LogFixture } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'
import { checksum, encodeFrameHeader, FrameType } from './frame.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function check(): Promise<LogReport> {
  return verify(log.fs, log.config, 'orders', 0)
}

/** Three segments, from offsets 0, 3 and 7, with ten records; the last one goes on. */
function threeSegments(): [SegmentBytes, SegmentBytes, SegmentBytes] {
  const first = new SegmentBytes().records('a').records('b', 'c').seal()
  const second = new SegmentBytes({ baseOffset: 3, previous: first.link })
  second.records('d').records('e', 'f').records('g').seal()
  const third = new SegmentBytes({ baseOffset: 7, previous: second.link }).records('h').records('i').records('j')
  return [first, second, third]
}

/** Kind, name of the file, bytes, and offsets. */
type Shown = [ProblemKind, string, number, number, bigint, bigint | null]

function shown({ kind, path, from, to, firstOffset, lastOffset }: LogProblem): Shown {
  return [kind, path.slice(log.directory.length + 1), from, to, firstOffset, lastOffset]
}

const NAMES = ['00000000000000000000.wal', '00000000000000000003.wal', '00000000000000000007.wal'] as const
const [FIRST, SECOND, THIRD] = NAMES
const [first, second, third] = threeSegments()
const { headBytes } = first

/** The bytes with those of one frame, found by its number, changed by hand so that its checksums fit. */
function forged(segment: SegmentBytes, nth: number, fields: { type?: number; attributes?: number }): Buffer {
  const bytes = Buffer.from(segment.bytes)
  const header = { ...segment.at(nth), ...fields }
  encodeFrameHeader(header, bytes, { at: header.position, salt: segment.salt })
  bytes[header.position + 3] = header.attributes
  const crc = checksum(bytes.subarray(header.position, header.position + 36), segment.salt)
  bytes.writeUInt32LE(crc, header.position + 36)
  return bytes
}

/** Every bit of some bytes the other way. */
function inverted(bytes: Uint8Array, { from, to }: { from: number; to: number }): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = from; at < to; at++) copy[at] = 0xff ^ (copy[at] ?? 0)
  return copy
}

type Files = Record<string, Buffer | null>

interface Case {
  readonly name: string
  /** The files that are not as in `threeSegments`; null is missing. */
  readonly files: Files
  readonly expected: readonly Shown[]
  readonly records: number
}

const sealed = (segment: SegmentBytes) => segment.at(-1)
const endOf = (segment: SegmentBytes) => segment.bytes.length

const notRecords = (() => {
  const segment = new SegmentBytes({ baseOffset: 7, previous: second.link }).records('h')
  return segment.frame({ type: FrameType.RECORDS, recordCount: 2 }, Buffer.alloc(50, 1)).records('k')
})()

const falseSummary = (() => {
  const segment = new SegmentBytes().records('a').records('b', 'c')
  const body = Buffer.from(first.bytes.subarray(sealed(first).position + 40))
  body.writeUInt32LE(1, 0)
  return segment.mark().frame({ type: FrameType.SEAL, durablePosition: segment.at(-1).position }, body)
})()

const CASES: Case[] = [
  {
    name: 'the magic',
    files: { [SECOND]: inverted(second.bytes, { from: 0, to: 4 }) },
    expected: [['head', SECOND, 0, 32, 3n, 6n]],
    records: 6,
  },
  {
    name: 'the body of OPEN, of the last segment',
    files: { [THIRD]: inverted(third.bytes, { from: 75, to: 76 }) },
    expected: [['head', THIRD, 0, headBytes, 7n, null]],
    records: 7,
  },
  {
    name: 'a segment of another topic',
    files: { [THIRD]: new SegmentBytes({ topic: 'others', baseOffset: 7, previous: second.link }).bytes },
    expected: [['head', THIRD, 0, headBytes, 7n, null]],
    records: 7,
  },
  {
    name: 'a segment of another partition',
    files: { [THIRD]: new SegmentBytes({ partition: 1, baseOffset: 7, previous: second.link }).bytes },
    expected: [['head', THIRD, 0, headBytes, 7n, null]],
    records: 7,
  },
  {
    name: 'a segment under the name of another',
    files: { [SECOND]: first.bytes },
    expected: [['head', SECOND, 0, headBytes, 3n, 6n]],
    records: 6,
  },
  {
    name: 'an empty file',
    files: { [SECOND]: Buffer.alloc(0) },
    expected: [['head', SECOND, 0, 32, 3n, 6n]],
    records: 6,
  },
  {
    name: 'a segment of another version',
    files: { [SECOND]: joined(second.bytes.subarray(0, 4), Buffer.from([2]), second.bytes.subarray(5)) },
    expected: [['unsupported', SECOND, 4, 512, 3n, 6n]],
    records: 6,
  },
  {
    name: 'the header of a frame',
    files: { [SECOND]: inverted(second.bytes, { from: second.at(1).position + 10, to: second.at(1).position + 12 }) },
    expected: [['frame', SECOND, second.at(1).position, second.at(2).position, 4n, 5n]],
    records: 8,
  },
  {
    name: 'the body of a frame',
    files: { [SECOND]: inverted(second.bytes, { from: second.at(1).position + 60, to: second.at(1).position + 70 }) },
    expected: [['frame', SECOND, second.at(1).position, second.at(2).position, 4n, 5n]],
    records: 8,
  },
  {
    name: 'the padding of a frame',
    files: { [SECOND]: inverted(second.bytes, { from: second.at(0).position + 71, to: second.at(0).position + 72 }) },
    expected: [['frame', SECOND, second.at(0).position, second.at(1).position, 3n, 3n]],
    records: 9,
  },
  {
    name: 'the header of one frame and the body of another, not next to it',
    files: {
      [SECOND]: inverted(inverted(second.bytes, { from: headBytes, to: headBytes + 8 }), {
        from: second.at(2).position + 50,
        to: second.at(2).position + 51,
      }),
    },
    expected: [
      ['frame', SECOND, headBytes, second.at(1).position, 3n, 3n],
      ['frame', SECOND, second.at(2).position, second.at(3).position, 6n, 6n],
    ],
    records: 8,
  },
  {
    name: 'the bodies of two frames next to each other',
    files: {
      [SECOND]: inverted(inverted(second.bytes, { from: headBytes + 50, to: headBytes + 51 }), {
        from: second.at(1).position + 50,
        to: second.at(1).position + 51,
      }),
    },
    expected: [
      ['frame', SECOND, headBytes, second.at(1).position, 3n, 3n],
      ['frame', SECOND, second.at(1).position, second.at(2).position, 4n, 5n],
    ],
    records: 7,
  },
  {
    name: 'a sector, over several frames',
    files: { [SECOND]: inverted(second.bytes, { from: headBytes + 30, to: second.at(2).position + 20 }) },
    expected: [['frame', SECOND, headBytes, second.at(3).position, 3n, 6n]],
    records: 6,
  },
  {
    name: 'a frame in the place of another, of the same segment',
    files: {
      [SECOND]: (() => {
        const other = new SegmentBytes({ baseOffset: 3, previous: first.link }).records('x').records('y', 'z')
        const { position } = other.at(1)
        const bytes = Buffer.from(second.bytes)
        other.bytes.copy(bytes, position, position)
        return bytes
      })(),
    },
    expected: [['frame', SECOND, second.at(1).position, second.at(2).position, 4n, 5n]],
    records: 8,
  },
  {
    name: 'the header of a MARK',
    files: { [FIRST]: inverted(first.bytes, { from: first.at(2).position, to: first.at(2).position + 1 }) },
    expected: [['frame', FIRST, first.at(2).position, first.at(3).position, 3n, 2n]],
    records: 10,
  },
  {
    name: 'the header of a SEAL',
    files: { [FIRST]: inverted(first.bytes, { from: sealed(first).position, to: sealed(first).position + 1 }) },
    expected: [['frame', FIRST, sealed(first).position, endOf(first), 3n, 2n]],
    records: 10,
  },
  {
    name: 'the body of a SEAL',
    files: { [FIRST]: inverted(first.bytes, { from: endOf(first) - 1, to: endOf(first) }) },
    expected: [['seal', FIRST, sealed(first).position, endOf(first), 3n, 2n]],
    records: 10,
  },
  {
    name: 'a SEAL whose summary is another one',
    files: {
      [FIRST]: falseSummary.bytes,
      [SECOND]: new SegmentBytes({ baseOffset: 3, previous: falseSummary.link }).records('d', 'e', 'f', 'g').bytes,
      [THIRD]: null,
    },
    expected: [['summary', FIRST, sealed(first).position, endOf(first), 3n, 2n]],
    records: 7,
  },
  {
    name: 'a frame that is not made of records, proven by the next',
    files: { [THIRD]: notRecords.bytes },
    expected: [['records', THIRD, notRecords.at(1).position, notRecords.at(2).position, 8n, 9n]],
    records: 9,
  },
  {
    name: 'a frame of an unknown type',
    files: { [SECOND]: forged(second, 1, { type: 9 }) },
    expected: [['unsupported', SECOND, second.at(1).position, second.at(2).position, 4n, 5n]],
    records: 8,
  },
  {
    name: 'a last frame with unknown attributes',
    files: { [THIRD]: forged(third, 2, { attributes: 1 }) },
    expected: [['unsupported', THIRD, third.at(2).position, endOf(third), 9n, null]],
    records: 9,
  },
  {
    name: 'a middle segment cut between two frames',
    files: { [SECOND]: second.bytes.subarray(0, second.at(1).position) },
    expected: [['short', SECOND, second.at(1).position, endOf(second), 4n, 6n]],
    records: 7,
  },
  {
    name: 'a middle segment cut inside a frame',
    files: { [SECOND]: second.bytes.subarray(0, second.at(1).position + 50) },
    expected: [['short', SECOND, second.at(1).position, endOf(second), 4n, 6n]],
    records: 7,
  },
  {
    name: 'a middle segment without its SEAL',
    files: { [SECOND]: second.bytes.subarray(0, -8) },
    expected: [['short', SECOND, sealed(second).position, endOf(second), 7n, 6n]],
    records: 10,
  },
  {
    name: 'a middle segment that is missing',
    files: { [SECOND]: null },
    expected: [['missing', THIRD, 0, headBytes, 3n, 6n]],
    records: 6,
  },
  {
    name: 'a segment that claims to be the first',
    files: { [SECOND]: new SegmentBytes({ baseOffset: 3 }).records('d', 'e', 'f', 'g').bytes, [THIRD]: null },
    expected: [['missing', SECOND, 0, headBytes, 3n, 2n]],
    records: 7,
  },
  {
    name: 'another segment in the place of one, with the same offsets',
    files: { [SECOND]: new SegmentBytes({ baseOffset: 3, previous: first.link, segmentId: 2n }).records('d').bytes },
    expected: [['short', SECOND, headBytes + 72, endOf(second), 4n, 6n]],
    records: 7,
  },
  {
    name: 'a last frame other than the one its successor states',
    files: {
      [THIRD]: new SegmentBytes({ baseOffset: 7, previous: { ...second.link, lastCrc: 1 } }).records('h', 'i', 'j').bytes,
    },
    expected: [['link', SECOND, sealed(second).position, endOf(second), 7n, 6n]],
    records: 10,
  },
  {
    name: 'an end that is stated before the first frame',
    files: {
      [THIRD]: new SegmentBytes({ baseOffset: 7, previous: { ...second.link, end: 40 } }).records('h', 'i', 'j').bytes,
    },
    expected: [['frame', SECOND, headBytes, headBytes, 3n, 6n]],
    records: 6,
  },
  {
    name: 'more records than the successor leaves room for',
    files: {
      [SECOND]: null,
      [THIRD]: null,
      '00000000000000000002.wal': new SegmentBytes({ baseOffset: 2, previous: first.link }).records('c').bytes,
    },
    expected: [['link', FIRST, sealed(first).position, endOf(first), 3n, 2n]],
    records: 4,
  },
  {
    name: 'a commit in the middle of the last segment',
    files: { [THIRD]: inverted(third.bytes, { from: third.at(1).position, to: third.at(1).position + 60 }) },
    expected: [['frame', THIRD, third.at(1).position, third.at(2).position, 8n, 8n]],
    records: 9,
  },
  {
    name: 'a segment and the one after it',
    files: {
      [FIRST]: inverted(first.bytes, { from: headBytes + 50, to: headBytes + 51 }),
      [SECOND]: inverted(second.bytes, { from: 40, to: 41 }),
    },
    expected: [
      ['frame', FIRST, headBytes, first.at(1).position, 0n, 0n],
      ['head', SECOND, 0, endOf(second), 3n, 6n],
    ],
    records: 5,
  },
  {
    name: 'a name that no offset has',
    files: { '99999999999999999999.wal': first.bytes },
    expected: [['unsupported', '99999999999999999999.wal', 0, 0, 2n ** 53n, null]],
    records: 10,
  },
]

async function make(files: Files): Promise<void> {
  const good: Files = { [FIRST]: first.bytes, [SECOND]: second.bytes, [THIRD]: third.bytes }
  await log.makeSegments()
  for (const [name, bytes] of Object.entries({ ...good, ...files })) {
    if (bytes !== null) await log.make(`${log.directory}/${name}`, bytes)
  }
}

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

  it.each(CASES)('$name', async ({ files, expected, records }) => {
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
    name: 'a damaged last commit, which nothing proves',
    files: { [THIRD]: inverted(third.bytes, { from: third.at(2).position + 60, to: third.at(2).position + 61 }) },
    expected: [['torn', THIRD, third.at(2).position, endOf(third)]],
    nextOffset: 9n,
  },
  {
    name: 'a SEAL half written, at the end of the log',
    files: { [SECOND]: second.bytes.subarray(0, -8), [THIRD]: null },
    expected: [['torn', SECOND, sealed(second).position, endOf(second) - 8]],
    nextOffset: 7n,
  },
  {
    name: 'a rejected commit behind the end of a healed segment',
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
    expected: [['void', THIRD, third.at(2).position, endOf(third)]],
    nextOffset: 10n,
  },
  {
    name: 'a MARK that is not all zero',
    files: { [THIRD]: joined(third.bytes, marked().subarray(0, -4), Buffer.from([1, 2, 3, 4])) },
    expected: [['mark', THIRD, endOf(third), endOf(third) + 48]],
    nextOffset: 10n,
  },
  {
    name: 'files that are none of the log',
    files: {
      'readme.txt': Buffer.from('hands off'),
      'next.tmp': Buffer.from('half'),
      '00000000000000000000.wal.kept-1': first.bytes,
    },
    expected: [
      ['kept', '00000000000000000000.wal.kept-1', 0, 0],
      ['strange', 'readme.txt', 0, 0],
    ],
    nextOffset: 10n,
  },
]

/** A MARK that goes on the third segment. */
function marked(): Buffer {
  const segment = threeSegments()[2].mark(8)
  return segment.bytes.subarray(segment.at(-1).position)
}

describe('verify notes, and calls no problem,', () => {
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
  it('a log without segments finds none', async () => {
    await log.makeSegments()
    expect(await check()).toMatchObject({ firstOffset: 0n, nextOffset: 0n, segments: 0, records: 0, problems: [], notes: [] })
  })

  it('what is no log is refused, and makes none', async () => {
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

  it('a disk that cannot read some bytes says which, and goes on with the next segment', async () => {
    await make({})
    log.fs.faults.add({ on: 'read', path: log.path(3), when: 'always', fault: { error: 'EIO' } })
    expect((await check()).problems.map(shown)).toEqual([['unreadable', SECOND, 0, 512, 3n, 6n]])
  })

  it('a disk that fails to read once finds no problem: it is asked again', async () => {
    await make({})
    for (let nth = 1; ; nth++) {
      const rule = log.fs.faults.add({ on: 'read', when: { nth }, fault: { error: 'EIO' } })
      expect((await check()).problems).toEqual([])
      rule.remove()
      if (rule.hits === 0) break
    }
  })

  it('a disk that fails to read a part of a segment, again, reports the rest of it', async () => {
    const lone = new SegmentBytes().records('a').records('b')
    await log.makeSegments(lone)
    for (const nth of [2, 4]) log.fs.faults.add({ on: 'read', when: { nth }, fault: { error: 'EIO' } })
    expect((await check()).problems.map(shown)).toEqual([['unreadable', FIRST, headBytes, endOf(lone), 0n, null]])
  })

  it.each(['readdir', 'stat', 'open', 'read', 'size'] as const)('a log where %s is not allowed is refused', async (on) => {
    await make({})
    log.fs.faults.add({ on, when: 'always', fault: { error: 'EACCES' } })
    await expect(check()).rejects.toThrow(WalIoError)
    expect(log.fs.openHandles).toBe(0)
  })
})
