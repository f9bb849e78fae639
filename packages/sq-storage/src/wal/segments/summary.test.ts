import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import { encodeSealBody } from '../format/seal.ts'
import type { IndexEntry, SegmentSummary } from '../format/seal.ts'
import { locatePartition } from './partition.ts'
import { openSegment } from './segment-file.ts'
import type { OpenSegment } from './segment-file.ts'
import { readSummary } from './summary.ts'

const PARTITION = locatePartition('/data', 'orders', 0)
const LARGE = 'x'.repeat(70_000)
const TIMES = { minTimestampMs: TIMESTAMP_MS, maxTimestampMs: TIMESTAMP_MS }

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

async function open(content: Buffer, baseOffset = 0): Promise<OpenSegment> {
  await log.makeSegments({ baseOffset, bytes: content })
  const listed = { path: log.path(baseOffset), baseOffset, successor: null }
  return openSegment(log.fs, listed, { partition: PARTITION, mode: 'read' })
}

/** The summary of a segment whose file may have other content. */
async function summaryOf(segment: SegmentBytes, file: Buffer = segment.bytes): Promise<SegmentSummary> {
  return readSummary(await open(file, segment.baseOffset), segment.at(-1))
}

/** Three commits, of which the second and third have entries in the index. */
function threeCommits(): SegmentBytes {
  return new SegmentBytes().records(LARGE).records(LARGE, LARGE).records('c')
}

/** Three commits, and a frame of a type whose body is a false summary. */
function withSummary(type: number, attributes = 0): SegmentBytes {
  const segment = threeCommits()
  const body = encodeSealBody({ ...TIMES, index: [] }, segment.place.position)
  return segment.frame({ type, attributes }, body)
}

type Entries = [IndexEntry, IndexEntry]

function entriesOf(segment: SegmentBytes): Entries {
  return [entryOf(segment.at(1)), entryOf(segment.at(2))]
}

function entryOf({ baseOffset, position }: FrameHeader): IndexEntry {
  return { offsetDelta: baseOffset, position, maxTimestampMs: TIMESTAMP_MS }
}

describe('readSummary', () => {
  it('takes the summary from the SEAL, and reads nothing else', async () => {
    const segment = threeCommits().seal()
    const opened = await open(segment.bytes)
    const trace = log.fs.operations.trace()
    expect(await readSummary(opened, segment.at(-1))).toEqual({ ...TIMES, index: entriesOf(segment) })
    const { position, bodyLength } = segment.at(-1)
    expect(trace.lines).toEqual([`read '${log.path(0)}' ${position + 40}+${bodyLength}`])
  })

  it.each([
    ['a commit', () => threeCommits()],
    ['a MARK', () => threeCommits().mark()],
    ['a MARK with the body of a SEAL', () => withSummary(FrameType.MARK)],
    ['a SEAL of a different shape', () => threeCommits().frame({ type: FrameType.SEAL }, Buffer.alloc(24))],
  ])('scans a segment that ends with %s', async (_, make) => {
    const segment = make()
    expect(await summaryOf(segment)).toMatchObject({ ...TIMES, records: 4, index: entriesOf(segment) })
  })

  it('trusts a SEAL with an entry for the first commit', async () => {
    const segment = threeCommits()
    const index = [entryOf(segment.at(0))]
    const { position } = segment.place
    segment.frame({ type: FrameType.SEAL }, encodeSealBody({ ...TIMES, index }, position))
    expect(await summaryOf(segment)).toEqual({ ...TIMES, index })
  })

  it('counts offsets from the beginning of the segment', async () => {
    const segment = new SegmentBytes({ baseOffset: 5 }).records(LARGE).records(LARGE, LARGE)
    const [entry] = (await summaryOf(segment)).index
    expect(entry).toEqual({ ...entryOf(segment.at(1)), offsetDelta: 1 })
  })

  it('scans a segment whose SEAL is damaged or cut short', async () => {
    const segment = threeCommits().seal()
    const { bytes } = segment
    const expected = { ...TIMES, records: 4, index: entriesOf(segment) }
    expect(await summaryOf(segment, flipped(bytes, 8 * bytes.length - 8 * 20))).toMatchObject(expected)
    log = new LogFixture()
    expect(await summaryOf(segment, bytes.subarray(0, -8))).toMatchObject(expected)
  })

  it('scans a segment whose damaged SEAL still states possible values', async () => {
    const segment = threeCommits().seal()
    const expected = await summaryOf(segment)
    const latest = segment.at(-1).position + 40 + 8
    const damaged = Buffer.from(segment.bytes)
    damaged.writeUInt32LE(damaged.readUInt32LE(latest) + 1, latest)
    log = new LogFixture()
    expect(await summaryOf(segment, damaged)).toMatchObject(expected)
  })

  it('reads nothing after the stated end', async () => {
    const segment = threeCommits()
    const ended = segment.at(-1)
    const opened = await open(segment.records('void').bytes)
    expect(await readSummary(opened, ended)).toMatchObject({ records: 4 })
  })

  it('has no records for a segment that holds none', async () => {
    const opened = await open(new SegmentBytes().bytes)
    const summary = await readSummary(opened, opened.head.frame)
    expect(summary).toMatchObject({ records: 0, index: [] })
    expect(summary.minTimestampMs).toBeGreaterThan(summary.maxTimestampMs)
  })

  const wrong: [string, (entries: Entries, sealPosition: number) => Partial<SegmentSummary>][] = [
    ['entries in the wrong order', (entries) => ({ index: entries.toReversed() })],
    ['the same entry twice', ([entry]) => ({ index: [entry, entry] })],
    ['offsets that do not grow', ([first, second]) => ({ index: [first, { ...second, offsetDelta: 1 }] })],
    ['an offset past its end', ([first, second]) => ({ index: [first, { ...second, offsetDelta: 4 }] })],
    ['a position in the head', ([first]) => ({ index: [{ ...first, position: 112 }] })],
    ['a position of the SEAL', ([first], position) => ({ index: [{ ...first, position }] })],
    ['a position where no frame can be', ([first]) => ({ index: [{ ...first, position: first.position + 4 }] })],
    ['times that go back', ([first, second]) => ({ index: [first, { ...second, maxTimestampMs: 0 }] })],
    ['a time past the largest', ([first]) => ({ index: [{ ...first, maxTimestampMs: TIMESTAMP_MS + 1 }] })],
    ['no time at all', () => ({ minTimestampMs: TIMESTAMP_MS + 1, index: [] })],
    ['a time over 2^53 - 1', () => ({ maxTimestampMs: 2 ** 53, index: [] })],
  ]
  it.each(wrong)('does not trust a SEAL with %s', async (_, change) => {
    const segment = threeCommits()
    const { position } = segment.place
    const entries = entriesOf(segment)
    const summary = { ...TIMES, index: entries, ...change(entries, position) }
    segment.frame({ type: FrameType.SEAL }, encodeSealBody(summary, position))
    expect(await summaryOf(segment)).toMatchObject({ ...TIMES, records: 4, index: entries })
  })

  it('rejects for a damaged commit, confirmed or not', async () => {
    const segment = threeCommits().mark()
    const damaged = flipped(segment.bytes, 8 * (segment.at(1).position + 60))
    const error: unknown = await summaryOf(segment, damaged).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(CorruptLogError)
    const [from, to] = [segment.at(1).position, segment.at(2).position]
    expect(error).toMatchObject({ from, to, firstOffset: 1n, lastOffset: 2n })
    log = new LogFixture()
    const unconfirmed = threeCommits()
    const last = flipped(unconfirmed.bytes, 8 * (unconfirmed.at(2).position + 60))
    await expect(summaryOf(unconfirmed, last)).rejects.toMatchObject({ firstOffset: 3n, lastOffset: 3n })
  })

  it('rejects for a frame that verifies and holds no records, and for one of an unknown kind', async () => {
    const strange = new SegmentBytes().frame({ type: FrameType.RECORDS, recordCount: 1 }, Buffer.alloc(24))
    await expect(summaryOf(strange)).rejects.toThrow('does not hold exactly 1 records')
    log = new LogFixture()
    await expect(summaryOf(withSummary(FrameType.SEAL, 1))).rejects.toThrow(UnsupportedFormatError)
  })
})
