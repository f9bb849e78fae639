import { dirname } from 'node:path'
import type { OpenMode } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, LogNotFoundError, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import { crc, flipped } from '../../testing/hand-bytes.ts'
import { LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import type { SegmentLink } from '../segment.ts'
import { locatePartition } from './partition.ts'
import { openSegment, placeAfterHead, readHead, statDirectory } from './segment-file.ts'
import type { ListedSegment } from './segment-listing.ts'

const PARTITION = locatePartition('/data', 'orders', 0)

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

function listed(baseOffset: number, successor: ListedSegment | null = null): ListedSegment {
  return { path: log.path(baseOffset), baseOffset, successor }
}

/** Creates the file of a segment, and opens it. */
async function open(bytes: Buffer, segment: ListedSegment = listed(0), mode: OpenMode = 'read') {
  await log.make(segment.path, bytes)
  return openSegment(log.fs, segment, { partition: PARTITION, mode })
}

async function caught(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => expect.unreachable('it should have rejected'),
    (error: unknown) => error,
  )
}

describe('statDirectory', () => {
  it('returns the directory, and reports a missing one', async () => {
    expect(await statDirectory(log.fs, log.directory)).toMatchObject({ kind: 'directory' })
    await log.make('/data/file', Buffer.alloc(0))
    for (const path of ['/data/none', '/data/file', '/data/file/0']) {
      await expect(statDirectory(log.fs, path)).rejects.toThrow(LogNotFoundError)
    }
    log.fs.faults.failNext('stat', 'EIO')
    await expect(statDirectory(log.fs, log.directory)).rejects.toThrow(WalIoError)
  })

  it('reads the directory once, and that of its topic once', async () => {
    const trace = log.fs.operations.trace()
    await statDirectory(log.fs, log.directory)
    expect(trace.lines).toEqual([`stat '${dirname(log.directory)}'`, `stat '${log.directory}'`])
  })
})

describe('openSegment', () => {
  it('returns the verified head, and keeps the file open', async () => {
    const previous: SegmentLink = { baseOffset: 3, end: 4096, lastPosition: 96, lastCrc: 5 }
    const segment = new SegmentBytes({ baseOffset: 7, previous, segmentId: 11n }).records('a')
    const { handle, head } = await open(segment.bytes, listed(7))
    expect(head).toMatchObject({ path: log.path(7), baseOffset: 7 })
    expect(head.open).toEqual({ segmentId: 11n, createdMs: TIMESTAMP_MS, previous, topic: 'orders' })
    expect(head.bytes).toEqual(segment.bytes.subarray(0, segment.headBytes))
    const { headBytes: position, salt } = segment
    expect(placeAfterHead(head)).toEqual({ position, nextOffset: 7, previousCrc: salt, salt })
    expect(log.fs.openHandles).toBe(1)
    await handle.close()
  })

  it('opens for writing only when asked to', async () => {
    const reading = await open(new SegmentBytes().bytes)
    await expect(reading.handle.truncate(0)).rejects.toMatchObject({ cause: { code: 'EBADF' } })
    const writing = await open(new SegmentBytes({ baseOffset: 1 }).bytes, listed(1), 'read-write')
    await expect(writing.handle.truncate(0)).resolves.toBeUndefined()
  })

  const whole = new SegmentBytes()
  const end = whole.headBytes
  it.each([
    ['of no bytes', Buffer.alloc(0), 'it does not begin with a segment header', 32],
    ['of 31 bytes', whole.bytes.subarray(0, 31), 'it does not begin with a segment header', 32],
    ['of zeros', Buffer.alloc(4096), 'it does not begin with a segment header', 32],
    ['of its header alone', whole.bytes.subarray(0, 32), 'segment header and OPEN do not verify', 32],
    ['cut in the header of OPEN', whole.bytes.subarray(0, 71), 'segment header and OPEN do not verify', 71],
    ['cut in the body of OPEN', whole.bytes.subarray(0, -1), 'its first frame is not a whole OPEN', end - 1],
    ['with a damaged body of OPEN', flipped(whole.bytes, 8 * 80), 'the body of OPEN does not verify', end],
    [
      'of another topic',
      new SegmentBytes({ topic: 'order5' }).bytes,
      'it is a segment of order5/0, but in the directory of orders/0',
      end,
    ],
    [
      'of another partition',
      new SegmentBytes({ partition: 1 }).bytes,
      'it is a segment of orders/1, but in the directory of orders/0',
      end,
    ],
    [
      'of another base offset',
      new SegmentBytes({ baseOffset: 5 }).bytes,
      'its base offset is 5, expected the one in its name',
      end,
    ],
  ])('refuses a file %s, and closes it', async (_, bytes, reason, to) => {
    const error = await caught(open(bytes, listed(0, listed(10))))
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(0), from: 0, to, firstOffset: 0n, lastOffset: 9n, reason })
    expect(log.fs.openHandles).toBe(0)
  })

  it('refuses any single bit flipped in the head, as damage or as another version', async () => {
    await log.make(log.path(0), whole.bytes)
    for (let bit = 0; bit < 8 * end; bit++) {
      await log.overwrite(log.path(0), flipped(whole.bytes, bit))
      const error = await caught(openSegment(log.fs, listed(0), { partition: PARTITION, mode: 'read' }))
      const isVersion = bit >= 8 * 4 && bit < 8 * 6
      expect(error).toBeInstanceOf(isVersion ? UnsupportedFormatError : CorruptLogError)
    }
  })

  it.each([0, 2, 65_535])('refuses format version %d', async (version) => {
    const bytes = Buffer.from(whole.bytes)
    bytes.writeUInt16LE(version, 4)
    const error = await caught(open(bytes))
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path: log.path(0), position: 4 })
    expect(log.fs.openHandles).toBe(0)
  })

  it('refuses an OPEN with attributes that it does not know', async () => {
    const bytes = Buffer.from(whole.bytes)
    bytes[32 + 3] = 1
    bytes.writeUInt32LE(crc(bytes.subarray(32, 32 + 36), crc(bytes.subarray(0, 32))), 32 + 36)
    const error = await caught(open(bytes))
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    expect(error).toMatchObject({ path: log.path(0), position: 32 })
    expect(log.fs.openHandles).toBe(0)
  })

  it('refuses an OPEN that states records', async () => {
    const bytes = Buffer.from(whole.bytes)
    bytes.writeUInt32LE(1, 32 + 16)
    bytes.writeUInt32LE(crc(bytes.subarray(32, 32 + 36), crc(bytes.subarray(0, 32))), 32 + 36)
    await expect(open(bytes)).rejects.toThrow('its first frame is not a whole OPEN')
    expect(log.fs.openHandles).toBe(0)
  })

  it.each([
    ['open', 'open'],
    ['read', 'read'],
  ] as const)('names a file that it cannot %s', async (attempt, operation) => {
    log.fs.faults.failNext(operation, 'EIO')
    const error = await caught(open(whole.bytes))
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ path: log.path(0), message: expect.stringContaining(`cannot ${attempt} `) })
    expect(log.fs.openHandles).toBe(0)
  })
})

describe('readHead', () => {
  it('returns the head, and keeps nothing open', async () => {
    await log.make(log.path(0), new SegmentBytes().records('a').bytes)
    expect(await readHead(log.fs, listed(0), PARTITION)).toMatchObject({ baseOffset: 0 })
    expect(log.fs.openHandles).toBe(0)
  })
})
