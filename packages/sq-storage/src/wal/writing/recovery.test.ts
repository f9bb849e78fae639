import { beforeEach, describe, expect, it, vi } from 'vitest'
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import { flipped, joined } from '../../testing/hand-bytes.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType } from '../format/frame.ts'
import { encodeEnding } from '../format/seal.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

/** Expects that the log cannot be opened, and that every byte and name stays the same. */
async function refusal(): Promise<unknown> {
  const before = await log.files()
  const error: unknown = await log.open().then(
    () => expect.unreachable('it should have been refused'),
    (caught: unknown) => caught,
  )
  expect(await log.files()).toEqual(before)
  expect(log.fs.openHandles).toBe(0)
  return error
}

/** Opens the log, appends one record to it, and returns what recovery said and all values. */
async function recovered() {
  const writer = await log.open()
  const { recovery } = writer
  expect(writer.nextOffset).toBe(recovery.nextOffset)
  expect(await append(writer, 'next')).toBe(recovery.nextOffset)
  await writer.close()
  return { recovery, values: await log.values() }
}

/** The segment and the pair of MARKs that a writer ends it with. */
function marked(segment: SegmentBytes): Buffer {
  return joined(segment.bytes, encodeEnding(segment.place, null).bytes)
}

type SegmentFile = Pick<SegmentBytes, 'baseOffset' | 'bytes'>

function namedAs(baseOffset: number, { bytes }: SegmentFile): SegmentFile {
  return { baseOffset, bytes }
}

function cut({ baseOffset, bytes }: SegmentFile, end: number): SegmentFile {
  return { baseOffset, bytes: bytes.subarray(0, end) }
}

function commits(): SegmentBytes {
  return new SegmentBytes().records('a').records('b', 'c').records('d')
}

describe('zeros from p to the end of the file: whole', () => {
  const good = new SegmentBytes().records('a').records('b')
  it.each([8, 40, 1000, 5_000, 700_000])(
    '%d zeros are truncated, and everything is kept and confirmed',
    async (zeros) => {
      await log.makeSegments({ baseOffset: 0, bytes: joined(good.bytes, Buffer.alloc(zeros)) })
      const writer = await log.open()
      expect(writer.recovery).toEqual({ kind: 'clean', nextOffset: 2n, segments: 1, torn: null, markError: null })
      log.fs.crash()
      expect(await log.file(log.path(0))).toEqual(marked(good))
      expect(await recovered()).toMatchObject({ recovery: { kind: 'clean' }, values: ['a', 'b', 'next'] })
    },
  )
})

describe('the end of the file at p: whole', () => {
  it.each([
    ['nothing but OPEN', new SegmentBytes(), []],
    ['one commit', new SegmentBytes().records('a'), ['a']],
    ['commits', commits(), ['a', 'b', 'c', 'd']],
    ['a MARK that confirms nothing yet', commits().mark(64), ['a', 'b', 'c', 'd']],
    ['a large commit', new SegmentBytes().records('a').records('b'.repeat(300_000)), ['a', 'b'.repeat(300_000)]],
  ])('after %s: everything is kept and confirmed', async (_, segment, values) => {
    await log.makeSegments(segment)
    const writer = await log.open()
    const nextOffset = BigInt(values.length)
    expect(writer.recovery).toEqual({ kind: 'clean', nextOffset, segments: 1, torn: null, markError: null })
    await writer.close()
    expect((await log.file(log.path(0))).equals(marked(segment))).toBe(true)
    expect(await recovered()).toMatchObject({ values: [...values, 'next'] })
  })

  it('after a pair of MARKs: not a byte changes', async () => {
    const segment = commits()
    await log.makeSegments({ baseOffset: 0, bytes: marked(segment) })
    const before = await log.files()
    await (await log.open()).close()
    expect(await log.files()).toEqual(before)
  })

  it('with damage in the body of a MARK: nothing is lost', async () => {
    const segment = new SegmentBytes().records('a').mark(64).records('b')
    const bytes = Buffer.from(segment.bytes).fill(0xff, segment.at(1).position + 40, segment.at(2).position)
    await log.makeSegments({ baseOffset: 0, bytes })
    expect(await recovered()).toMatchObject({ values: ['a', 'b', 'next'], recovery: { kind: 'clean' } })
  })

  it('after a SEAL: not a byte changes, and the next commit opens a new segment', async () => {
    const segment = commits().seal()
    await log.makeSegments(segment)
    const before = await log.files()
    await (await log.open()).close()
    expect(await log.files()).toEqual(before)
    const { recovery, values } = await recovered()
    expect(recovery).toEqual({ kind: 'clean', nextOffset: 4n, segments: 1, torn: null, markError: null })
    expect(values).toEqual(['a', 'b', 'c', 'd', 'next'])
    expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000004.wal'])
    expect(await log.file(log.path(0))).toEqual(segment.bytes)
  })

  it('in an empty directory: the log begins at offset 0', async () => {
    await log.makeSegments()
    const { recovery, values } = await recovered()
    expect(recovery).toEqual({ kind: 'clean', nextOffset: 0n, segments: 0, torn: null, markError: null })
    expect(values).toEqual(['next'])
  })
})

describe('the verified header of an unknown kind of frame at p: refuse', () => {
  const known = { recordCount: 1, type: FrameType.RECORDS }
  it.each([
    ['type 5', commits().frame({ type: 5 }, Buffer.from('new')), 0],
    ['type 0', commits().frame({ type: 0 }, Buffer.alloc(0)), 0],
    ['attributes', commits().frame({ ...known, attributes: 8 }, Buffer.from('packed')), 0],
    ['type 5, and commits after it', commits().frame({ type: 5 }, Buffer.from('new')).records('e').records('f'), 0],
    ['type 5, cut', commits().frame({ type: 5 }, Buffer.alloc(80)), 8],
  ])('%s', async (_, segment, missing) => {
    const bytes = segment.bytes.subarray(0, segment.bytes.length - missing)
    await log.makeSegments({ baseOffset: 0, bytes })
    const error = await refusal()
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path: log.path(0), position: segment.at(3).position })
  })
})

describe('anything at p, and a later frame that confirms more than p: damage', () => {
  const segment = commits()
  const [first, second, third] = [segment.at(0).position, segment.at(1).position, segment.at(2).position]
  const zeroed = Buffer.from(segment.bytes).fill(0, first, second + 8)
  const remarked = new SegmentBytes().records('a').mark(64).records('b')
  it.each([
    ['a bit of a body', flipped(segment.bytes, 8 * (second + 70)), second, third, 1n, 2n],
    ['a bit of a header', flipped(segment.bytes, 8 * (second + 5)), second, third, 1n, 2n],
    ['a bit of the padding', flipped(segment.bytes, 8 * (first + 71)), first, second, 0n, 0n],
    ['the marker of the first frame', flipped(segment.bytes, 8 * first), first, second, 0n, 0n],
    ['two commits, which are zeros', zeroed, first, third, 0n, 2n],
    [
      'the last commit, which MARKs confirm',
      flipped(marked(segment), 8 * (third + 66)),
      third,
      segment.bytes.length,
      3n,
      3n,
    ],
    ['the last commit, which only a second MARK confirms', secondMarkOnly(), third, 4096, 3n, 3n],
    [
      'a MARK between commits',
      flipped(remarked.bytes, 8 * (remarked.at(1).position + 10)),
      second,
      remarked.at(2).position,
      1n,
      0n,
    ],
  ])('%s', async (_, bytes, from, to, firstOffset, lastOffset) => {
    await log.makeSegments({ baseOffset: 0, bytes })
    const error = await refusal()
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ code: 'SQ_WAL_CORRUPT', path: log.path(0), from, to, firstOffset, lastOffset })
    expect(error).toHaveProperty('reason', expect.stringContaining(`the frame at ${to} confirms that it was durable`))
  })

  /** Nothing is left of the last sector that holds records, nor of the first MARK's header. */
  function secondMarkOnly(): Buffer {
    return marked(segment).fill(0, third, 4096)
  }
})

describe('the verified header of a SEAL at p, with a damaged or short body: seal', () => {
  const segment = new SegmentBytes().records('a').records('b'.repeat(70_000)).records('c').seal()
  const seal = segment.at(-1).position
  const { length } = segment.bytes
  it.each([
    ['its first byte damaged', flipped(segment.bytes, 8 * (seal + 40))],
    ['its last byte damaged', flipped(segment.bytes, 8 * length - 1)],
    ['its body all zeros', Buffer.from(segment.bytes).fill(0, seal + 40)],
    ['one byte short', segment.bytes.subarray(0, -1)],
    ['its body missing', segment.bytes.subarray(0, seal + 40)],
  ])('%s: the SEAL is written again, with the same bytes, durably', async (_, bytes) => {
    await log.makeSegments({ baseOffset: 0, bytes })
    const writer = await log.open()
    expect(writer.recovery).toEqual({ kind: 'clean', nextOffset: 3n, segments: 1, torn: null, markError: null })
    log.fs.crash()
    expect((await log.file(log.path(0))).equals(segment.bytes)).toBe(true)
    expect(await recovered()).toMatchObject({ values: ['a', 'b'.repeat(70_000), 'c', 'next'] })
    expect(await log.segmentNames()).toHaveLength(2)
  })
})

describe('anything else at p, never acknowledged: torn', () => {
  const good = new SegmentBytes().records('a').records('b')
  const p = good.bytes.length
  const sealed = new SegmentBytes().records('a').records('b').seal()
  const last = new SegmentBytes().records('a').records('b').records('x'.repeat(1000))
  const ending = encodeEnding(good.place, null).bytes
  const holed = Buffer.from(last.bytes).fill(0, p + 512, p + 1024)
  it.each([
    ['one byte', last.bytes.subarray(0, p + 1)],
    ['a part of a header', last.bytes.subarray(0, p + 39)],
    ['a header alone', last.bytes.subarray(0, p + 40)],
    ['a part of a body', last.bytes.subarray(0, p + 512)],
    ['a commit without its last byte', last.bytes.subarray(0, -1)],
    ['a commit with a sector of zeros', holed],
    ['the last commit with a bit flipped, which nothing confirms', flipped(last.bytes, 8 * (p + 100))],
    ['garbage', joined(good.bytes, Buffer.alloc(5000, 0xa5))],
    ['a frame of another segment', joined(good.bytes, new SegmentBytes({ segmentId: 2n }).records('z').bytes)],
    ['MARKs of which the first is gone', joined(good.bytes, Buffer.from(ending).fill(0, 0, 512))],
    ['a SEAL and its MARK, both damaged', flipped(flipped(sealed.bytes, 8 * p + 60), 8 * (p + 40) + 60)],
  ])('%s', async (_, bytes) => {
    await log.makeSegments({ baseOffset: 0, bytes })
    const writer = await log.open()
    const torn = { path: log.path(0), position: p, discardedBytes: bytes.length - p }
    expect(writer.recovery).toEqual({ kind: 'torn', nextOffset: 2n, segments: 1, torn, markError: null })
    log.fs.crash()
    expect(await log.file(log.path(0))).toEqual(marked(good))
    expect(await recovered()).toMatchObject({ recovery: { kind: 'clean' }, values: ['a', 'b', 'next'] })
  })

  it.each([1, 2, 3])(
    'a write of several frames that was torn in the middle is cut after its last whole frame (%d)',
    async (whole) => {
      const values = ['a', 'b', 'c', 'd', 'e']
      const segment = new SegmentBytes().records('a').write(['b'], ['c'], ['d'], ['e'])
      const { position } = segment.at(whole)
      // The frames behind the torn one have reached the disk whole.
      await log.makeSegments({ baseOffset: 0, bytes: flipped(segment.bytes, 8 * (position + 64)) })
      const writer = await log.open()
      expect(writer.recovery.torn).toMatchObject({ position, discardedBytes: segment.bytes.length - position })
      log.fs.crash()
      const kept = values.slice(0, whole)
      expect(await recovered()).toMatchObject({ recovery: { kind: 'clean' }, values: [...kept, 'next'] })
    },
  )

  it('a write of several frames that was not synced is made durable from its first frame on', async () => {
    const segment = new SegmentBytes().records('a').write(['b'], ['c'], ['d'])
    const { position } = segment.at(1)
    await log.makeSegments(cut(segment, position))
    const handle = await log.fs.open(log.path(0), 'read-write')
    await handle.write([segment.bytes.subarray(position)], position)
    await handle.close()
    await log.open()
    log.fs.crash()
    expect((await recovered()).values).toEqual(['a', 'b', 'c', 'd', 'next'])
  })

  it('a SEAL with a damaged header: the segment is open again', async () => {
    const segment = new SegmentBytes().records('a').seal()
    const { position } = segment.at(-1)
    await log.makeSegments({ baseOffset: 0, bytes: flipped(segment.bytes, 8 * position + 60) })
    const { recovery, values } = await recovered()
    const discardedBytes = segment.bytes.length - position
    expect(recovery).toMatchObject({ kind: 'torn', torn: { position, discardedBytes } })
    expect(values).toEqual(['a', 'next'])
    expect(await log.segmentNames()).toHaveLength(1)
  })

  it('bytes after a SEAL: they are cut off, and the segment stays closed', async () => {
    const segment = new SegmentBytes().records('a').seal()
    await log.makeSegments({ baseOffset: 0, bytes: joined(segment.bytes, Buffer.alloc(100, 1)) })
    const { recovery, values } = await recovered()
    expect(recovery).toMatchObject({ kind: 'torn', torn: { position: segment.bytes.length, discardedBytes: 100 } })
    expect(values).toEqual(['a', 'next'])
    expect(await log.segmentNames()).toHaveLength(2)
    expect(await log.file(log.path(0))).toEqual(segment.bytes)
  })
})

describe('segments before the last', () => {
  const first = new SegmentBytes().records('a').records('b').seal()
  const abandoned = new SegmentBytes({ baseOffset: 2, previous: first.link }).records('c')
  const { link } = abandoned
  abandoned.records('rejected')
  const last = new SegmentBytes({ baseOffset: 3, previous: link }).records('d')
  const all = [first, abandoned, last]

  it('are sealed or abandoned, and the bytes of an abandoned one after its stated end are ignored', async () => {
    await log.makeSegments(...all)
    const { recovery, values } = await recovered()
    expect(recovery).toEqual({ kind: 'clean', nextOffset: 4n, segments: 3, torn: null, markError: null })
    expect(values).toEqual(['a', 'b', 'c', 'd', 'next'])
  })

  it('are opened for reading only', async () => {
    await log.makeSegments(...all)
    const opening = vi.spyOn(log.fs, 'open')
    await log.open()
    const modes = opening.mock.calls.filter(([path]) => path.endsWith('.wal')).map(([path, mode]) => [path, mode])
    expect(modes).toEqual([
      [log.path(0), 'read'],
      [log.path(2), 'read'],
      [log.path(3), 'read-write'],
    ])
  })

  it('can be missing if they were the oldest', async () => {
    await log.makeSegments(abandoned, last)
    expect(await recovered()).toMatchObject({ recovery: { segments: 2 }, values: ['c', 'd', 'next'] })
  })

  it('may end with a damaged SEAL body, which is left as it is', async () => {
    const damaged = flipped(first.bytes, 8 * (first.at(-1).position + 41))
    await log.makeSegments({ baseOffset: 0, bytes: damaged }, abandoned, last)
    expect(await recovered()).toMatchObject({ values: ['a', 'b', 'c', 'd', 'next'] })
    expect(await log.file(log.path(0))).toEqual(damaged)
  })

  const foreign = new SegmentBytes({ baseOffset: 2, previous: first.link, topic: 'others' }).records('c')
  const foreignPartition = new SegmentBytes({ baseOffset: 2, previous: first.link, partition: 1 }).records('c')
  const otherLast = new SegmentBytes({ baseOffset: 3, segmentId: 9n, previous: link, topic: 'others' }).records('d')
  it.each([
    ['missing in the middle', [first, last], 3, 0, last.headBytes, 2n, 2n],
    ['shortened by a frame', [first, cut(abandoned, link.lastPosition), last], 2, link.lastPosition, link.end, 2n, 2n],
    ['shortened by a byte', [first, cut(abandoned, link.end - 1), last], 2, link.lastPosition, link.end, 2n, 2n],
    [
      'shortened to OPEN',
      [cut(first, first.headBytes), abandoned, last],
      0,
      first.at(-1).position,
      first.bytes.length,
      0n,
      1n,
    ],
    ['of no bytes', [cut(first, 0), abandoned, last], 0, 0, 32, 0n, 1n],
    ['of no bytes, the last one', [first, abandoned, cut(last, 0)], 3, 0, 32, 3n, null],
    ['of a header alone, the last one', [first, abandoned, cut(last, 32)], 3, 0, 32, 3n, null],
    [
      'of a part of OPEN, the last one',
      [first, abandoned, cut(last, last.headBytes - 8)],
      3,
      0,
      last.headBytes - 8,
      3n,
      null,
    ],
    ['swapped', [namedAs(0, abandoned), namedAs(2, first), last], 0, 0, abandoned.headBytes, 0n, 1n],
    ['under another name', [namedAs(1, abandoned), last], 1, 0, abandoned.headBytes, 1n, 2n],
    ['twice', [first, namedAs(1, first), abandoned, last], 1, 0, first.headBytes, 1n, 1n],
    ['of another topic', [first, foreign, last], 2, 0, foreign.headBytes, 2n, 2n],
    ['of another topic, the last one', [first, abandoned, otherLast], 3, 0, otherLast.headBytes, 3n, null],
    ['of another partition', [first, foreignPartition, last], 2, 0, foreignPartition.headBytes, 2n, 2n],
    ['without a header', [{ baseOffset: 0, bytes: Buffer.alloc(4096) }, abandoned, last], 0, 0, 32, 0n, 1n],
  ])('are refused: one %s', async (_, segments, base, from, to, firstOffset, lastOffset) => {
    await log.makeSegments(...segments)
    const error = await refusal()
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(base), from, to, firstOffset, lastOffset })
  })

  it.each([0, 2, 3])('are refused: one of another version, with base offset %d', async (base) => {
    const ofVersion2 = all.map(({ baseOffset, bytes }) => ({ baseOffset, bytes: Buffer.from(bytes) }))
    ofVersion2.find(({ baseOffset }) => baseOffset === base)?.bytes.writeUInt16LE(2, 4)
    await log.makeSegments(...ofVersion2)
    const error = await refusal()
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ path: log.path(base), position: 4 })
  })
})
