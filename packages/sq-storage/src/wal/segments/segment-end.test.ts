import { beforeEach, describe, expect, it, vi } from 'vitest'
import { CorruptLogError, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType, MAX_POSITION } from '../format/frame.ts'
import type { SegmentLink } from '../segment.ts'
import { locatePartition } from './partition.ts'
import { endOf, statedEnd } from './segment-end.ts'
import { openSegment, readHead } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'

const PARTITION = locatePartition('/data', 'orders', 0)

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

/** A segment of two commits. */
function commits(): SegmentBytes {
  return new SegmentBytes().records('a').records('b')
}

/** Makes the file of the first segment, and opens it. */
async function open(bytes: Buffer): Promise<OpenSegment> {
  const segment = { path: log.path(0), baseOffset: 0, successor: null }
  await log.make(segment.path, bytes)
  return openSegment(log.fs, segment, { partition: PARTITION, mode: 'read' })
}

/** Makes a successor of that segment with this link, and reads its head. */
async function successor(previous: SegmentLink | null): Promise<SegmentHead> {
  const segment = { path: log.path(2), baseOffset: 2, successor: null }
  await log.make(segment.path, new SegmentBytes({ baseOffset: 2, previous }).bytes)
  return readHead(log.fs, segment, PARTITION)
}

/** The end of a segment whose successor has this link. */
async function check(segment: SegmentBytes, previous: SegmentLink | null, bytes: Buffer = segment.bytes) {
  return endOf(await open(bytes), await successor(previous))
}

async function caught(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => expect.unreachable('it should have rejected'),
    (error: unknown) => error,
  )
}

describe('the end of a segment with a successor', () => {
  it.each([
    ['a commit', commits(), FrameType.RECORDS],
    ['a MARK', commits().mark(8).mark(), FrameType.MARK],
    ['a SEAL', commits().seal(), FrameType.SEAL],
  ])('is that of its last frame, %s', async (_, segment, lastType) => {
    const { end, lastPosition } = segment.link
    expect(await check(segment, segment.link)).toEqual({
      limit: end,
      last: expect.objectContaining({ type: lastType, position: lastPosition }),
      fileBytes: segment.bytes.length,
    })
  })

  it('is the stated one, even if the file continues: those bytes are ignored', async () => {
    const { link } = commits()
    const { bytes } = commits().records('ignored')
    expect(await check(commits().records('ignored'), link)).toMatchObject({ limit: link.end, fileBytes: bytes.length })
  })

  it('is found by reading one frame header', async () => {
    const opened = await open(commits().bytes)
    const next = await successor(commits().link)
    const read = vi.spyOn(opened.handle, 'read')
    await endOf(opened, next)
    expect(read.mock.calls.map(([buffer]) => buffer.length)).toEqual([40])
  })

  it.each([
    ['none', null, 'none', 0n],
    ['a different segment', { ...commits().link, baseOffset: 1 }, 'one with base offset 1', 1n],
  ])('refuses a successor that states %s before it', async (_, link, stated, firstOffset) => {
    const error = await caught(check(commits(), link))
    expect(error).toBeInstanceOf(CorruptLogError)
    const reason = `${log.path(2)} states ${stated} as the segment before it, found 0: a segment is missing or does not belong to this log`
    expect(error).toMatchObject({ path: log.path(2), from: 0, firstOffset, lastOffset: 1n, reason })
  })

  const { link } = commits()
  const others = new SegmentBytes({ segmentId: 2n }).records('a').records('b')
  it.each([
    ['that is shorter', commits(), link, commits().bytes.subarray(0, -8), /, but the file has \d+ bytes$/],
    [
      'that ends before its last frame',
      commits(),
      link,
      commits().bytes.subarray(0, 200),
      /, but the file has 200 bytes$/,
    ],
    [
      'with a damaged last frame',
      commits(),
      link,
      flipped(commits().bytes, 8 * link.lastPosition + 70),
      /but that last frame is not there/,
    ],
    ['that is a different one of the same shape', others, link, undefined, /, but that last frame is not there$/],
    [
      'with another end',
      commits().mark(),
      { ...link, end: link.end + 8 },
      undefined,
      /, but the last frame ends at \d+$/,
    ],
    ['without records', new SegmentBytes(), 'its own', undefined, /ends before offset 0, not 2$/],
    ['with other records', new SegmentBytes().records('a'), 'its own', undefined, /ends before offset 1, not 2$/],
  ] as const)('refuses a segment %s', async (_, segment, stated, bytes, reason) => {
    const previous = stated === 'its own' ? segment.link : stated
    const error = await caught(check(segment, previous, bytes))
    expect(error).toBeInstanceOf(CorruptLogError)
    const { lastPosition: from, end: to } = previous
    expect(error).toMatchObject({ path: log.path(0), from, to, lastOffset: 1n, reason: expect.stringMatching(reason) })
  })

  it.each(['read', 'size'] as const)('names the segment if its %s fails', async (operation) => {
    const opened = await open(commits().bytes)
    const next = await successor(link)
    log.fs.faults.failNext(operation, 'EIO')
    const error = await caught(endOf(opened, next))
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ path: log.path(0) })
  })
})

describe('the end of the last segment', () => {
  it('lies within its file, and no frame is read to find it', async () => {
    const opened = await open(commits().bytes)
    const read = vi.spyOn(opened.handle, 'read')
    expect(await endOf(opened, null)).toEqual({ limit: commits().bytes.length, last: null })
    expect(read).not.toHaveBeenCalled()
  })

  it('is not looked for in a file that is longer than the largest position', async () => {
    const opened = await open(commits().bytes)
    const size = vi.spyOn(opened.handle, 'size')
    size.mockResolvedValueOnce(MAX_POSITION)
    expect(await endOf(opened, null)).toEqual({ limit: MAX_POSITION, last: null })
    size.mockResolvedValueOnce(MAX_POSITION + 1)
    const error = await caught(endOf(opened, null))
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ path: log.path(0), position: MAX_POSITION })
  })
})

describe('the stated end', () => {
  const { link } = commits()

  it('is what the successor states, whether it is true or not', async () => {
    const opened = await open(commits().bytes.subarray(0, 200))
    expect(await statedEnd(opened, await successor(link))).toEqual({ link, fileBytes: 200, end: link.end })
  })

  it.each([
    ['without a successor that can be read', undefined],
    ['with a successor that states none', null],
    ['with a successor that states a different segment', { ...link, baseOffset: 1 }],
  ])('is that of the file %s', async (_, stated) => {
    const opened = await open(commits().bytes)
    const fileBytes = commits().bytes.length
    const next = stated === undefined ? null : await successor(stated)
    expect(await statedEnd(opened, next)).toEqual({ link: null, fileBytes, end: fileBytes })
  })

  it('may lie in a file that is longer than the largest position', async () => {
    const opened = await open(commits().bytes)
    vi.spyOn(opened.handle, 'size').mockResolvedValue(MAX_POSITION + 1)
    const next = await successor(link)
    expect(await statedEnd(opened, next)).toEqual({ link, fileBytes: MAX_POSITION + 1, end: link.end })
    await expect(statedEnd(opened, null)).rejects.toThrow(UnsupportedFormatError)
  })
})
