/** Compares a place with segments that are the ones that were read, and with others. */
import { describe, expect, it, test } from 'vitest'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { frameEnd, FrameType, nextOffsetAfter } from '../format/frame.ts'
import { decodeSegmentHead, segmentName } from '../segment.ts'
import type { SegmentLink } from '../segment.ts'
import { placeAfterHead } from '../segments/segment-file.ts'
import type { LocatedFrame, SegmentHead } from '../segments/segment-file.ts'
import { segmentsAmong } from '../segments/segment-listing.ts'
import { ReadPlace } from './read-place.ts'
import type { LogAsListed } from './read-place.ts'

function headOf(segment: SegmentBytes): SegmentHead {
  const decoded = decodeSegmentHead(segment.bytes)
  if ('kind' in decoded) throw new Error(decoded.reason)
  const { frame, open } = decoded
  const { baseOffset, headBytes, bytes } = segment
  return { path: segmentName(baseOffset), baseOffset, open, frame, bytes: bytes.subarray(0, headBytes) }
}

/** A log of these segments. `heads` collects the base offset of each segment whose head is requested. */
function logOf(segments: readonly SegmentBytes[], heads: number[] = []): LogAsListed {
  const segmentAt = (baseOffset: number): SegmentBytes => {
    const found = segments.find((segment) => segment.baseOffset === baseOffset)
    if (found === undefined) throw new RangeError(`there is no segment ${baseOffset}`)
    return found
  }
  return {
    listed: segmentsAmong(
      segments.map(({ baseOffset }) => segmentName(baseOffset)),
      '/log',
    ),
    headOf: async ({ baseOffset }) => {
      heads.push(baseOffset)
      return headOf(segmentAt(baseOffset))
    },
    frameAt: async ({ baseOffset }, position) =>
      segmentAt(baseOffset).frames.find((frame) => frame.position === position) ?? null,
  }
}

/** Advances over frames of a segment, by default all. */
function advance(place: ReadPlace, segment: SegmentBytes, frames: readonly FrameHeader[] = segment.frames): void {
  const { path, baseOffset, frame } = headOf(segment)
  for (const header of frames) place.advance({ path, baseOffset, salt: frame.headerCrc }, header)
}

/** Enters a segment at its beginning, and advances over its frames. */
function read(place: ReadPlace, segment: SegmentBytes, frames?: readonly FrameHeader[]): void {
  const head = headOf(segment)
  place.enter(head, placeAfterHead(head), 0)
  advance(place, segment, frames)
}

function placeBehind(segment: SegmentBytes, header: FrameHeader): FramePlace {
  const { salt } = segment
  return { position: frameEnd(header), nextOffset: nextOffsetAfter(header), previousCrc: header.headerCrc, salt }
}

function located(segment: SegmentBytes, header: FrameHeader): LocatedFrame {
  const { path, baseOffset, frame } = headOf(segment)
  const bytes = Buffer.alloc(0)
  return { segment: { path, baseOffset, salt: frame.headerCrc }, frame: { header, body: bytes, bytes } }
}

/** The place to continue at in a segment, of which by default all bytes count. */
function placeIn(
  place: ReadPlace,
  segment: SegmentBytes,
  { segments = [segment], limit = Infinity }: { segments?: readonly SegmentBytes[]; limit?: number } = {},
): Promise<FramePlace | 'diverged' | null> {
  const log = logOf(segments)
  const listed = log.listed.find(({ baseOffset }) => baseOffset === segment.baseOffset)
  if (listed === undefined) throw new RangeError('the segment is not among those listed')
  return place.placeIn({ head: headOf(segment), segment: listed, limit }, log)
}

const A = new SegmentBytes({ segmentId: 1n }).records('a').records('b')
const A_LINK = A.link

/** A segment without records that links to the one before. */
function next(previous: SegmentLink | null, baseOffset = 2): SegmentBytes {
  return new SegmentBytes({ baseOffset, previous, segmentId: 7n })
}

describe('in the segment that was read, reading continues', () => {
  it('nowhere if nothing was read', async () => {
    expect(await placeIn(new ReadPlace(0), A)).toBeNull()
  })

  it('after its last records, whatever followed them', async () => {
    const place = new ReadPlace(0)
    read(place, new SegmentBytes({ segmentId: 1n }).records('a').records('b').mark())
    expect(await placeIn(place, A)).toEqual(placeBehind(A, A.at(1)))
  })

  it.each([
    ['as far as they count', A.place.position, placeBehind(A, A.at(1))],
    ['but not where fewer bytes count', A.place.position - 1, 'diverged'],
  ])('after its last records, %s', async (_, limit, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    expect(await placeIn(place, A, { limit })).toEqual(expected)
  })

  it.each([
    ['something was returned: the log has diverged', 0, 'diverged'],
    ['nothing was returned: it does not matter', 9, null],
  ])('where the last records differ, and %s', async (_, from, expected) => {
    const place = new ReadPlace(from)
    read(place, A)
    expect(await placeIn(place, new SegmentBytes({ segmentId: 1n }).records('a').records('c'))).toBe(expected)
  })

  it('from where it was entered again, without what was read after that', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    place.enter(headOf(A), placeBehind(A, A.at(0)), 0)
    expect(await placeIn(place, A)).toBeNull()
  })

  it('regardless of what was read of another segment', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    const empty = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 2n }).mark()
    advance(place, empty)
    expect(await placeIn(place, empty)).toBeNull()
  })

  it('with what was read, if it is entered where it was left', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    place.enter(headOf(A), placeBehind(A, A.at(1)), 0)
    expect(await placeIn(place, A)).toEqual(placeBehind(A, A.at(1)))
  })
})

describe('another segment continues where reading stopped', () => {
  const link = (changes: Partial<SegmentLink>): SegmentLink => ({ ...A_LINK, ...changes })

  it.each([
    ['it states the end that was read', next(A_LINK), null],
    ['it states that end with a different checksum', next(link({ lastCrc: 1 })), 'diverged'],
    ['it begins with a different offset', next(A_LINK, 3), 'diverged'],
    ['it states a different segment before it', next(link({ baseOffset: 1 })), 'diverged'],
    ['it states none', next(null), 'diverged'],
    ['it states an earlier end', next(link({ end: A.at(1).position, lastCrc: A.at(0).headerCrc })), 'diverged'],
  ])('if %s', async (_, segment, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    expect(await placeIn(place, segment, { segments: [A, segment] })).toBe(expected)
  })

  it('if it states the end before the MARK that was read', async () => {
    const place = new ReadPlace(0)
    read(place, new SegmentBytes({ segmentId: 1n }).records('a').records('b').mark())
    const segment = next(A_LINK)
    expect(await placeIn(place, segment, { segments: [A, segment] })).toBeNull()
  })

  const longer = new SegmentBytes({ segmentId: 1n }).records('a').records('b').mark()
  const other = new SegmentBytes({ segmentId: 1n }).records('a').records('c').mark()
  it.each([
    ['what was read is there', [longer], null],
    ['what was read is not there', [other], 'diverged'],
    ['nothing shows whether it is there', [], null],
  ])('if it states a later end, and %s', async (_, before, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    const segment = next(longer.link)
    expect(await placeIn(place, segment, { segments: [...before, segment] })).toBe(expected)
  })

  it('if it states a later end of a segment of which no records were read', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    const empty = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 2n })
    // Entered in its middle, at the position from an index.
    place.enter(headOf(empty), { ...empty.place, nextOffset: 4 }, 0)
    const behind = new SegmentBytes({ baseOffset: 4, previous: empty.mark().link, segmentId: 3n })
    expect(await placeIn(place, behind, { segments: [A, empty, behind] })).toBeNull()
  })

  const B = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 2n }).mark()
  it.each([
    ['follows the same', next(A_LINK), null],
    ['follows a different one', next(link({ lastCrc: 1 })), 'diverged'],
    ['follows none', next(null), 'diverged'],
  ])('in place of a segment without records, if it %s', async (_, segment, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    read(place, B)
    expect(await placeIn(place, segment, { segments: [A, segment] })).toBe(expected)
  })

  it('in place of a segment without records, even of one without a previous segment', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    read(place, next(null))
    const again = new SegmentBytes({ baseOffset: 2, segmentId: 8n })
    expect(await placeIn(place, again)).toBeNull()
    expect(await placeIn(place, next(A_LINK))).toBe('diverged')
  })
})

describe('the offset from which the log differs', () => {
  const B = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 2n }).records('c').records('d')
  const replaced = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 9n }).records('c').records('d')
  const changed = new SegmentBytes({ baseOffset: 2, previous: A_LINK, segmentId: 2n }).records('c').records('e')
  const changedFirst = new SegmentBytes({ segmentId: 1n }).records('a').records('x')
  const emptied = new SegmentBytes({ baseOffset: 1, segmentId: 5n })
  const another = new SegmentBytes({ segmentId: 3n }).records('a').records('b')

  it.each([
    ['is the next one where all that was read is there', [A, B], 4],
    ['is the base offset of a segment that was replaced', [A, replaced], 2],
    ['is the base offset of a segment that is gone', [A], 2],
    ['is that of the first frame that differs', [A, changed], 3],
    ['is the base offset of an earlier segment whose last frame differs', [changedFirst, replaced], 0],
    ['is the base offset of a segment that begins before it', [A, emptied], 1],
    ['is the first one where no segment is the same', [another, replaced], 0],
  ])('%s', async (_, segments, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    read(place, B)
    expect(await place.divergedFrom(logOf(segments))).toBe(expected)
  })

  it('is given for the segment that was read last', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    read(place, B)
    expect(await place.divergedFrom(logOf([A, changed]), placeAfterHead(headOf(B)))).toBe(2)
    expect(await place.divergedFrom(logOf([changedFirst, replaced]), placeBehind(B, B.at(0)))).toBe(0)
  })

  it('is 0 if nothing was read', async () => {
    expect(await new ReadPlace(null).divergedFrom(logOf([A]))).toBe(0)
  })

  it('is searched once in each segment, however many frames of it were read', async () => {
    const place = new ReadPlace(0)
    read(place, A)
    read(place, B)
    const heads: number[] = []
    await place.divergedFrom(logOf([another, replaced], heads))
    expect(heads).toEqual([2, 0])
  })
})

describe('the place up to which a segment is the one that was read', () => {
  const [listed] = logOf([A]).listed
  if (listed === undefined) throw new RangeError('there is no segment')

  it.each([
    ['is after all that was read', A, Infinity, placeBehind(A, A.at(1))],
    ['is the last one within the bytes that count', A, A.place.position - 1, placeBehind(A, A.at(0))],
    [
      'is before the first frame that differs',
      new SegmentBytes({ segmentId: 1n }).records('a').records('x'),
      Infinity,
      placeBehind(A, A.at(0)),
    ],
    ['does not exist if its first frame differs', new SegmentBytes({ segmentId: 1n }).records('x'), Infinity, null],
  ])('%s', async (_, segment, limit, expected) => {
    const place = new ReadPlace(0)
    read(place, A)
    expect(await place.agreedPlaceIn(listed, limit, logOf([segment]))).toEqual(expected)
  })

  it('is null if nothing was read', async () => {
    expect(await new ReadPlace(0).agreedPlaceIn(listed, Infinity, logOf([A]))).toBeNull()
  })
})

test('a frame follows what was read if it is of the same segment and states the checksum of the frame before', () => {
  const place = new ReadPlace(0)
  const other = new SegmentBytes({ segmentId: 9n }).records('a').records('b')
  read(place, A, [A.at(0)])
  expect(place.isFollowedBy(located(A, A.at(1)))).toBe(true)
  expect(place.isFollowedBy(located(A, A.at(0)))).toBe(false)
  expect(place.isFollowedBy(located(other, { ...other.at(1), previousCrc: A.at(0).headerCrc }))).toBe(false)
})

test('any frame follows if nothing was read', () => {
  const place = new ReadPlace(1)
  expect(place.isFollowedBy(located(A, A.at(1)))).toBe(true)
})

test('a frame is wanted if it holds records from the next offset on', () => {
  const place = new ReadPlace(1)
  const header = { ...A.at(0), baseOffset: 0 }
  expect(place.wants({ ...header, recordCount: 1 })).toBe(false)
  expect(place.wants({ ...header, recordCount: 2 })).toBe(true)
  expect(place.wants({ ...header, recordCount: 0, baseOffset: 5, type: FrameType.SEAL })).toBe(false)
})

test('what is read from memory alone is a place, too', () => {
  const place = new ReadPlace(0)
  advance(place, A)
  expect(place.nextToRead).toBe(2)
})
