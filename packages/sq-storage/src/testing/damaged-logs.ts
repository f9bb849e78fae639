/** Logs with one or two faults: changed bytes in a good log, and the problems that verification must report. */
import type { ProblemKind } from '../index.ts'
import { encodeFrameHeader, FrameType } from '../wal/format/frame.ts'
import { joined } from './hand-bytes.ts'
import type { LogFixture } from './log-fixture.ts'
import { SegmentBytes } from './segment-bytes.ts'

/** Kind, name of the file, bytes from and to, first and last offset. */
export type ProblemRange = readonly [ProblemKind, string, number, number, bigint, bigint | null]

/** Three segments, from offsets 0, 3 and 7, with ten records. The last one is active. */
export function threeSegments(): [SegmentBytes, SegmentBytes, SegmentBytes] {
  const first = new SegmentBytes().records('a').records('b', 'c').seal()
  const second = new SegmentBytes({ baseOffset: 3, previous: first.link })
  second.records('d').records('e', 'f').records('g').seal()
  const third = new SegmentBytes({ baseOffset: 7, previous: second.link }).records('h').records('i').records('j')
  return [first, second, third]
}

const NAMES = ['00000000000000000000.wal', '00000000000000000003.wal', '00000000000000000007.wal'] as const
export const [FIRST, SECOND, THIRD] = NAMES
export const [first, second, third] = threeSegments()
const { headBytes } = first

/** The bytes of a segment with one frame, found by its index, changed so that its checksums fit. */
function forged(segment: SegmentBytes, nth: number, fields: { type?: number; attributes?: number }): Buffer {
  const bytes = Buffer.from(segment.bytes)
  const header = { ...segment.at(nth), ...fields }
  encodeFrameHeader(header, bytes, { at: header.position, salt: segment.salt })
  return bytes
}

/** A copy with every bit of some bytes inverted. */
export function inverted(bytes: Uint8Array, { from, to }: { from: number; to: number }): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = from; at < to; at++) copy[at] = 0xff ^ (copy[at] ?? 0)
  return copy
}

/** Files by name; null for a missing file. */
export type Files = Record<string, Buffer | null>

export interface DamagedLog {
  readonly name: string
  /** The files that differ from `threeSegments`. */
  readonly files: Files
  readonly expected: readonly ProblemRange[]
  /** The number of records that verify. */
  readonly records: number
}

const sealed = (segment: SegmentBytes) => segment.at(-1)
const endOf = (segment: SegmentBytes) => segment.bytes.length

const behindSeal = new SegmentBytes({ baseOffset: 7, previous: second.link }).records('h').seal().mark().mark()

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

const severalFrames = new SegmentBytes({ baseOffset: 7, previous: second.link })
severalFrames.write(['h'], ['i'], ['j', 'k'], ['l']).records('m')

/** Every kind of problem. */
export const DAMAGED: readonly DamagedLog[] = [
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
    name: 'a segment under the name of a different one',
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
    name: 'a frame replaced by a different one at its position',
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
    name: 'a SEAL with a different summary',
    files: {
      [FIRST]: falseSummary.bytes,
      [SECOND]: new SegmentBytes({ baseOffset: 3, previous: falseSummary.link }).records('d', 'e', 'f', 'g').bytes,
      [THIRD]: null,
    },
    expected: [['summary', FIRST, sealed(first).position, endOf(first), 3n, 2n]],
    records: 7,
  },
  {
    name: 'a frame that is not made of records, confirmed by the next',
    files: { [THIRD]: notRecords.bytes },
    expected: [['records', THIRD, notRecords.at(1).position, notRecords.at(2).position, 8n, 9n]],
    records: 9,
  },
  {
    name: 'a frame of an unknown type',
    files: { [SECOND]: forged(second, 1, { type: 9 }) },
    expected: [['unsupported', SECOND, second.at(1).position, endOf(second), 4n, 6n]],
    records: 7,
  },
  {
    name: 'a last frame with unknown attributes',
    files: { [THIRD]: forged(third, 2, { attributes: 8 }) },
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
    name: 'a segment replaced by one with the same offsets',
    files: { [SECOND]: new SegmentBytes({ baseOffset: 3, previous: first.link, segmentId: 2n }).records('d').bytes },
    expected: [['short', SECOND, headBytes + 72, endOf(second), 4n, 6n]],
    records: 7,
  },
  {
    name: 'a last frame other than the one its successor states',
    files: {
      [THIRD]: new SegmentBytes({ baseOffset: 7, previous: { ...second.link, lastCrc: 1 } }).records('h', 'i', 'j')
        .bytes,
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
    name: 'a successor that begins before the last commit',
    files: {
      [SECOND]: null,
      [THIRD]: null,
      '00000000000000000001.wal': new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b').bytes,
    },
    expected: [['link', FIRST, sealed(first).position, endOf(first), 1n, 0n]],
    records: 2,
  },
  {
    name: 'the head of a segment, behind one with an ignored tail',
    files: {
      [SECOND]: joined(second.bytes, Buffer.alloc(72, 1)),
      [THIRD]: inverted(third.bytes, { from: 0, to: 1 }),
    },
    expected: [['head', THIRD, 0, 32, 7n, null]],
    records: 7,
  },
  {
    name: 'the head of a segment, behind one with a rejected commit',
    files: {
      [SECOND]: new SegmentBytes({ baseOffset: 3, previous: first.link }).records('d', 'e', 'f', 'g').records('x')
        .bytes,
      [THIRD]: inverted(third.bytes, { from: 0, to: 1 }),
    },
    expected: [['head', THIRD, 0, 32, 7n, null]],
    records: 7,
  },
  {
    name: 'a segment named by an offset inside the one before it',
    files: { [SECOND]: null, '00000000000000000002.wal': second.bytes },
    expected: [['head', '00000000000000000002.wal', 0, headBytes, 2n, 6n]],
    records: 6,
  },
  {
    name: 'a commit before a segment of another version',
    files: {
      [SECOND]: inverted(second.bytes, { from: second.at(1).position + 60, to: second.at(1).position + 70 }),
      [THIRD]: joined(third.bytes.subarray(0, 4), Buffer.from([2]), third.bytes.subarray(5)),
    },
    expected: [
      ['frame', SECOND, second.at(1).position, second.at(2).position, 4n, 5n],
      ['unsupported', THIRD, 4, 512, 7n, null],
    ],
    records: 5,
  },
  {
    name: 'a frame behind a SEAL',
    files: { [THIRD]: behindSeal.bytes },
    expected: [['frame', THIRD, behindSeal.at(-2).position, behindSeal.at(-1).position, 8n, 7n]],
    records: 8,
  },
  {
    name: 'a commit in the middle of the last segment',
    files: { [THIRD]: inverted(third.bytes, { from: third.at(1).position, to: third.at(1).position + 60 }) },
    expected: [['frame', THIRD, third.at(1).position, third.at(2).position, 8n, 8n]],
    records: 9,
  },
  {
    name: 'the header of the third of four frames in one write',
    files: {
      [THIRD]: inverted(severalFrames.bytes, {
        from: severalFrames.at(2).position + 10,
        to: severalFrames.at(2).position + 12,
      }),
    },
    expected: [['frame', THIRD, severalFrames.at(2).position, severalFrames.at(3).position, 9n, 10n]],
    records: 11,
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

/** Creates the log durably, with some files other than in `threeSegments`. */
export async function makeDamaged(log: LogFixture, files: Files): Promise<void> {
  const good: Files = { [FIRST]: first.bytes, [SECOND]: second.bytes, [THIRD]: third.bytes }
  await log.makeSegments()
  for (const [name, bytes] of Object.entries({ ...good, ...files })) {
    if (bytes !== null) await log.make(`${log.directory}/${name}`, bytes)
  }
}
