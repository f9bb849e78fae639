import { beforeEach, describe, expect, it } from 'vitest'
import {
  CorruptLogError,
  DivergedError,
  OffsetOutOfRangeError,
  UnsupportedFormatError,
  WalIoError,
} from '../../errors.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { frameEnd, FrameType } from '../format/frame.ts'
import { locatePartition } from '../segments/partition.ts'
import { SegmentIndexes } from '../shared/segment-index.ts'
import { SharedFiles } from '../shared/shared-files.ts'
import { LogCursor } from './log-cursor.ts'
import type { CursorContext } from './log-cursor.ts'

const PARTITION = locatePartition('/data', 'orders', 0)

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

/** Creates the files of some segments. */
async function make(...segments: { baseOffset: number; bytes: Buffer }[]): Promise<void> {
  for (const { baseOffset, bytes } of segments) await log.make(log.path(baseOffset), bytes)
}

/** The context of a cursor, after this thread has opened that many writers. */
function contextOf(highWatermark: () => number, openings = 0): CursorContext {
  const shared = {
    files: new SharedFiles(),
    indexes: new SegmentIndexes(),
    openings,
    firstOffset: null,
    get highWatermark() {
      return highWatermark()
    },
  }
  return {
    fs: log.fs,
    partition: PARTITION,
    shared,
    durableOnly: false,
    wantedBytes: () => Infinity,
    checkDirectory: async () => {},
  }
}

/** The base offsets of the frames that a cursor finds before it finds none. */
async function* walked(from: number | null, highWatermark: () => number): AsyncGenerator<number, void> {
  const cursor = new LogCursor(contextOf(highWatermark), from)
  try {
    for (let frames = await cursor.next(); frames.length > 0; frames = await cursor.next()) {
      for (const { frame } of frames) yield frame.header.baseOffset
    }
  } finally {
    await cursor.close()
  }
}

/** The base offsets of the frames that a walk returns, and how it ended. */
async function walk(from: number | null = null, bound = Infinity): Promise<{ found: number[]; error: unknown }> {
  const found: number[] = []
  let error: unknown = null
  try {
    for await (const baseOffset of walked(from, () => bound)) found.push(baseOffset)
  } catch (caught) {
    error = caught
  }
  expect(log.fs.openHandles).toBe(0)
  return { found, error }
}

/**
 * Three segments with two commits each (one of them of two records): offsets 0 to 2, 3 to 5, 6 to 8; all sealed but the
 * last.
 */
function threeSegments(): [SegmentBytes, SegmentBytes, SegmentBytes] {
  const first = new SegmentBytes().records('a').records('b', 'c').seal()
  const second = new SegmentBytes({ baseOffset: 3, previous: first.link }).records('d').records('e', 'f').seal()
  const third = new SegmentBytes({ baseOffset: 6, previous: second.link }).records('g').records('h', 'i')
  return [first, second, third]
}

describe('a walk', () => {
  it.each([
    [null, [0, 1, 3, 4, 6, 7]],
    [0, [0, 1, 3, 4, 6, 7]],
    [1, [1, 3, 4, 6, 7]],
    [2, [1, 3, 4, 6, 7]],
    [3, [3, 4, 6, 7]],
    [5, [4, 6, 7]],
    [8, [7]],
    [9, []],
  ])('from offset %o returns the frames that hold it and what follows', async (from, found) => {
    await make(...threeSegments())
    expect(await walk(from)).toEqual({ found, error: null })
  })

  it.each([
    [0, []],
    [1, [0]],
    [3, [0, 1]],
    [4, [0, 1, 3]],
    [9, [0, 1, 3, 4, 6, 7]],
  ])('stops before the bound %d', async (bound, found) => {
    await make(...threeSegments())
    expect(await walk(null, bound)).toEqual({ found, error: null })
  })

  it.each([
    [7, [0, 1, 3, 4, 6]],
    [6, [0, 1, 3, 4]],
  ])('stops before %d, the high watermark of a writer that is opened meanwhile', async (durable, expected) => {
    await make(...threeSegments())
    let bound = Infinity
    log.fs.operations.observe(({ operation, phase, path }) => {
      // All segments but the last have been read, and the size of the last one has been determined.
      if (operation === 'size' && phase === 'end' && path === log.path(6)) bound = durable
    })
    const found: number[] = []
    for await (const baseOffset of walked(null, () => bound)) found.push(baseOffset)
    expect(found).toEqual(expected)
  })

  it('begins with the first existing segment', async () => {
    const [, second, third] = threeSegments()
    await make(second, third)
    expect(await walk()).toEqual({ found: [3, 4, 6, 7], error: null })
  })

  it('of a log without segments returns nothing', async () => {
    expect(await walk()).toEqual({ found: [], error: null })
    expect(await walk(0, 0)).toEqual({ found: [], error: null })
  })

  it('from an offset of a log without segments is refused', async () => {
    const { error } = await walk(5, 0)
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject({ offset: 5n, firstOffset: 0n, nextOffset: 0n })
  })

  it.each([
    ['before the first', 2, Infinity, { offset: 2n, firstOffset: 3n, nextOffset: 9n }],
    ['before the first, with a writer', 2, 10, { offset: 2n, firstOffset: 3n, nextOffset: 10n }],
    ['after the last', 11, Infinity, { offset: 11n, firstOffset: 3n, nextOffset: 10n }],
    ['after the last, with a writer', 11, 10, { offset: 11n, firstOffset: 3n, nextOffset: 10n }],
    ['far away', Number.MAX_SAFE_INTEGER, Infinity, { offset: 2n ** 53n - 1n, firstOffset: 3n, nextOffset: 10n }],
  ])('from an offset %s is refused', async (_, from, bound, fields) => {
    const [, second, third] = threeSegments()
    const fourth = new SegmentBytes({ baseOffset: 9, previous: third.seal().link }).records('j')
    await make(second, third, fourth)
    const { found, error } = await walk(from, bound)
    expect(found).toEqual([])
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject(fields)
  })

  it('skips the ignored tail of an abandoned segment', async () => {
    const broken = new SegmentBytes().records('a')
    const { link } = broken
    await make(broken.records('rejected'), new SegmentBytes({ baseOffset: 1, previous: link }).records('b'))
    expect(await walk()).toEqual({ found: [0, 1], error: null })
  })

  it('returns nothing after a SEAL, even at the second call', async () => {
    await make(new SegmentBytes().records('a').seal().records('b'))
    expect(await walk()).toEqual({ found: [0], error: null })
  })

  it('takes bytes after a SEAL for damage if something confirms that they were durable', async () => {
    await make(new SegmentBytes().records('a').seal().records('b').mark().mark())
    const { found, error } = await walk()
    expect(found).toEqual([0])
    expect(error).toBeInstanceOf(CorruptLogError)
  })

  it('ends at a torn end if no writer knows of more', async () => {
    const segment = new SegmentBytes().records('a').records('b')
    for (let cut = 8; cut < 72; cut += 8) {
      await make({ baseOffset: 0, bytes: segment.bytes.subarray(0, -cut) })
      expect(await walk()).toEqual({ found: [0], error: null })
      await log.fs.unlink(log.path(0))
    }
  })

  it('continues in segments that are created meanwhile', async () => {
    const [first, second, third] = threeSegments()
    await make(first)
    const found: number[] = []
    for await (const baseOffset of walked(null, () => Infinity)) {
      found.push(baseOffset)
      if (baseOffset === 0) await make(second)
      if (baseOffset === 4) await make(third)
    }
    expect(found).toEqual([0, 1, 3, 4, 6, 7])
  })

  it('gets an error if a commit that it returned has failed', async () => {
    const broken = new SegmentBytes().records('a')
    const { link } = broken
    await make(broken.records('rejected', 'rejected'))
    const walking = walked(null, () => Infinity)
    expect([await walking.next(), await walking.next()].map(({ value }) => value)).toEqual([0, 1])
    await make(new SegmentBytes({ baseOffset: 1, previous: link }).records('b'))
    const error: unknown = await walking.next().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 1n })
  })
})

/** Acts when the size of the first segment is read for the second time: it was listed as the last segment. */
function atSecondLook(act: () => Promise<unknown>): void {
  let looks = 0
  log.fs.operations.observe(({ operation, phase, path }) => {
    if (operation === 'size' && phase === 'start' && path === log.path(0) && ++looks === 2) void act()
  })
}

describe('a walk over a log that changes', () => {
  it('continues in a segment that is created while the end of the last one is read', async () => {
    const [first, second] = threeSegments()
    await make(first)
    atSecondLook(() => make(second))
    expect(await walk()).toEqual({ found: [0, 1, 3, 4], error: null })
  })

  it('reports that all segments disappeared while the end of the last one was read', async () => {
    await make(threeSegments()[0])
    atSecondLook(() => log.fs.unlink(log.path(0)))
    const { found, error } = await walk()
    expect(found).toEqual([0, 1])
    expect(error).toBeInstanceOf(DivergedError)
  })

  it('reports damage if all segments disappear and a writer knows of more', async () => {
    await make(new SegmentBytes().records('a'))
    const walking = walked(null, () => 2)
    await walking.next()
    await log.fs.unlink(log.path(0))
    await expect(walking.next()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', path: log.directory })
  })

  it('reports that fewer records are durable than it returned', async () => {
    await make(...threeSegments())
    let bound = 9
    const walking = walked(null, () => bound)
    expect([await walking.next(), await walking.next()].map(({ value }) => value)).toEqual([0, 1])
    bound = 2
    await expect(walking.next()).rejects.toMatchObject({ code: 'SQ_WAL_DIVERGED' })
  })
})

describe('a cursor', () => {
  it('compares what it returned with the directory that it is moved to, however many writers were opened there', async () => {
    await make(...threeSegments())
    const cursor = new LogCursor(
      contextOf(() => 9),
      null,
    )
    await cursor.next()
    await cursor.close()
    for (const openings of [0, 1, 2]) expect(cursor.movedTo(contextOf(() => 9, openings)).isCompared).toBe(false)
  })

  it('that has returned frames of two segments reports the offset from which the first segment differs', async () => {
    const [first, second] = threeSegments()
    const cursor = new LogCursor(
      contextOf(() => Infinity),
      1,
    )
    const located = [first, second].flatMap(({ baseOffset, salt, frames }) =>
      frames
        .filter(({ type }) => type === FrameType.RECORDS)
        .map((header) => {
          const frame = { header, body: Buffer.alloc(0), bytes: Buffer.alloc(0) }
          return { segment: { path: log.path(baseOffset), baseOffset, salt }, frame }
        }),
    )
    cursor.skip(located.slice(1))
    expect(cursor.nextOffset).toBe(6)
    const another = new SegmentBytes({ segmentId: 8n }).records('x', 'y', 'z')
    const last = new SegmentBytes({ baseOffset: 3, segmentId: 9n, previous: another.link }).records('x', 'y', 'z')
    await make(another, last, new SegmentBytes({ baseOffset: 6, previous: last.link }))
    await expect(cursor.next()).rejects.toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 0n })
  })
})

describe('damage', () => {
  it.each([
    ['first', 0, 0, []],
    ['first', 1, 0, [0]],
    ['middle', 0, 1, [0, 1]],
    ['middle', 1, 1, [0, 1, 3]],
    ['last', 0, 2, [0, 1, 3, 4]],
  ] as const)(
    'in the %s segment, frame %d, ends the walk after all frames before it',
    async (_, index, at, expected) => {
      const segments = threeSegments()
      const { path, position, firstOffset, lastOffset } = (() => {
        const frame = segments[at].at(index)
        const next = segments[at].at(index + 1)
        const last = BigInt(frame.baseOffset + frame.recordCount - 1)
        expect(next.position).toBe(frameEnd(frame))
        return {
          path: log.path(segments[at].baseOffset),
          position: frame.position,
          firstOffset: BigInt(frame.baseOffset),
          lastOffset: last,
        }
      })()
      await make(...segments)
      await log.overwrite(path, flipped(segments[at].bytes, 8 * (position + 64)))
      const { found, error } = await walk()
      expect(found).toEqual(expected)
      expect(error).toBeInstanceOf(CorruptLogError)
      expect(error).toMatchObject({ path, from: position, firstOffset, lastOffset })
    },
  )

  it('in the last frame is a torn write if nothing confirms the frame, and damage if a writer knows of the frame', async () => {
    const segments = threeSegments()
    await make(...segments)
    await log.overwrite(log.path(6), flipped(segments[2].bytes, 8 * (segments[2].at(1).position + 64)))
    expect(await walk()).toEqual({ found: [0, 1, 3, 4, 6], error: null })
    const { found, error } = await walk(null, 9)
    expect(found).toEqual([0, 1, 3, 4, 6])
    expect(error).toBeInstanceOf(CorruptLogError)
    const { position: from } = segments[2].at(1)
    expect(error).toMatchObject({ from, to: segments[2].bytes.length, firstOffset: 7n, lastOffset: 8n })
  })

  it('in the frames that end a segment loses no records, so the walk continues', async () => {
    const segments = threeSegments()
    await make(...segments)
    const [first, second] = segments
    await log.overwrite(log.path(0), flipped(first.bytes, 8 * (first.at(3).position + 41)))
    await log.overwrite(log.path(3), flipped(second.bytes, 8 * (second.at(2).position + 20)))
    expect(await walk()).toEqual({ found: [0, 1, 3, 4, 6, 7], error: null })
  })

  it('before the offset at which a walk begins is still reported', async () => {
    const [first, second, third] = threeSegments()
    await make(first, second, { baseOffset: 6, bytes: flipped(third.bytes, 8 * (third.at(0).position + 64)) })
    const { error } = await walk(8, 9)
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(6), from: third.at(0).position })
  })

  it.each([
    ['cut between two frames', (bytes: Buffer, at: number) => bytes.subarray(0, at)],
    ['cut after OPEN', (bytes: Buffer) => bytes.subarray(0, new SegmentBytes().headBytes)],
  ])('is a last segment %s, where a writer knows of more', async (_, change) => {
    const segment = new SegmentBytes().records('a').records('b')
    const bytes = change(segment.bytes, segment.at(1).position)
    await make({ baseOffset: 0, bytes })
    const { found, error } = await walk(null, 2)
    expect(error).toBeInstanceOf(CorruptLogError)
    const where = { path: log.path(0), from: bytes.length, firstOffset: BigInt(found.length), lastOffset: 1n }
    expect(error).toMatchObject(where)
  })

  it('is a directory without segments, if a writer knows of some', async () => {
    const { error } = await walk(null, 2)
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.directory, firstOffset: 0n, lastOffset: 1n })
  })

  it('is a missing last segment, if a writer knows of it', async () => {
    const [first, second] = threeSegments()
    await make(first, second)
    const { found, error } = await walk(null, 9)
    expect(found).toEqual([0, 1, 3, 4])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ firstOffset: 6n, lastOffset: 8n })
  })

  it('is a middle segment that is missing', async () => {
    const [first, , third] = threeSegments()
    await make(first, third)
    const { error } = await walk()
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(6), firstOffset: 3n, lastOffset: 5n })
  })

  it('is checked twice: bytes and the frame that confirms them may be written between two reads', async () => {
    const segment = new SegmentBytes().records('a').records('b').records('c')
    const { position } = segment.at(1)
    await make({ baseOffset: 0, bytes: flipped(segment.bytes, 8 * (position + 64)) })
    const writing: Promise<void>[] = []
    log.fs.operations.observe(({ operation, phase, position: at }) => {
      // The search for a confirming frame begins where the scan stopped. The writer has reached that position
      // meanwhile.
      if (operation !== 'read' || phase !== 'end' || at !== position || writing.length > 0) return
      writing.push(log.overwrite(log.path(0), segment.bytes))
    })
    expect(await walk()).toEqual({ found: [0, 1, 2], error: null })
    expect(writing).toHaveLength(1)
  })
})

describe('what is not damage but ends a walk', () => {
  it('is a segment of another version, which alone states where the one before it ends', async () => {
    const [first, second, third] = threeSegments()
    second.bytes.writeUInt16LE(2, 4)
    await make(first, second, third)
    const { found, error } = await walk()
    expect(found).toEqual([])
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ path: log.path(3), position: 4 })
  })

  it.each(['open', 'read', 'size', 'readdir'] as const)(
    'is a failed %s, the first or a later one',
    async (operation) => {
      await make(...threeSegments())
      for (let nth = 1; ; nth++) {
        const rule = log.fs.faults.add({ on: operation, when: { nth }, fault: { error: 'EIO' } })
        const { error } = await walk()
        rule.remove()
        if (rule.hits === 0) {
          expect(nth).toBeGreaterThan(2)
          return
        }
        expect(error).toBeInstanceOf(WalIoError)
      }
    },
  )
})
