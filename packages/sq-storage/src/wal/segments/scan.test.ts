import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { UnsupportedFormatError } from '../../errors.ts'
import { flipped, joined } from '../../testing/hand-bytes.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'
import { LogFile } from './log-file.ts'
import { SegmentScanner } from './scan.ts'

const PATH = '/segment'
const CHUNK = 512 * 1024
/** The bytes that a record in its own frame takes in addition to its value. */
const RECORD_AND_FRAME_HEADER = 24 + 40

let fs: InMemoryFileSystem
/** The lengths of the buffers that were read into. */
let reads: () => number[]

beforeEach(() => {
  fs = new InMemoryFileSystem()
  reads = () => []
})

async function fileOf(bytes: Buffer): Promise<LogFile> {
  const handle = await LogFile.open(fs, PATH, 'create')
  await handle.write([bytes], 0)
  const spied = vi.spyOn(handle, 'read')
  reads = () => spied.mock.calls.map(([buffer]) => buffer.length)
  return handle
}

/** A scanner over a segment's frames after OPEN. */
function scannerOf(handle: LogFile, segment: SegmentBytes, limit: number, wanted?: () => number): SegmentScanner {
  const { headBytes, salt, baseOffset } = segment
  const from = { limit, position: headBytes, nextOffset: baseOffset, previousCrc: salt, salt }
  return new SegmentScanner(handle, from, wanted)
}

async function scan(
  segment: SegmentBytes,
  { bytes = segment.bytes, limit = bytes.length }: { bytes?: Buffer; limit?: number } = {},
): Promise<{ frames: Frame[]; scanner: SegmentScanner }> {
  const scanner = scannerOf(await fileOf(bytes), segment, limit)
  const frames: Frame[] = []
  while (scanner.stop === null) frames.push(...(await scanner.next()))
  return { frames, scanner }
}

function headers(frames: readonly Frame[]): FrameHeader[] {
  return frames.map(({ header }) => header)
}

describe('a scan', () => {
  it('returns every frame, and ends at the limit', async () => {
    const segment = new SegmentBytes().records('a').records('b', 'c').mark(8).records('d').seal()
    const { frames, scanner } = await scan(segment)
    expect(headers(frames)).toEqual(segment.frames)
    expect(Buffer.concat(frames.map(({ bytes }) => bytes))).toEqual(segment.bytes.subarray(segment.headBytes))
    expect(frames.map(({ body }) => body.length)).toEqual(segment.frames.map(({ bodyLength }) => bodyLength))
    expect(scanner.stop).toEqual({ position: segment.bytes.length, reason: null, header: null })
    expect(scanner.place).toEqual(segment.place)
    expect(await scanner.next()).toEqual([])
  })

  it('reads ahead while a chunk is checked, and reads hardly anything twice', async () => {
    const random = new Random(1)
    const segment = new SegmentBytes()
    for (let i = 0; i < 40; i++) segment.records(Buffer.alloc(random.int(i % 9 === 0 ? 2 * CHUNK : CHUNK / 4), i))
    const { frames, scanner } = await scan(segment)
    expect(headers(frames)).toEqual(segment.frames)
    expect(Buffer.concat(frames.map(({ bytes }) => bytes)).equals(segment.bytes.subarray(segment.headBytes))).toBe(true)
    expect(scanner.stop).toMatchObject({ reason: null })
    const bytesRead = reads().reduce((sum, length) => sum + length, 0)
    expect(bytesRead).toBeLessThan(1.4 * segment.bytes.length)
  })

  it('reads little for a caller that wants the first records', async () => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 300; i++) segment.records(Buffer.alloc(1000))
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length)
    expect((await scanner.next()).length).toBeGreaterThan(50)
    const [first, ...more] = reads()
    expect(more).toEqual([])
    expect(first).toBeLessThan(129 * 1024)
  })

  it.each([1, 20_000, 50_000])('reads little more than its caller wants: %d bytes', async (wanted) => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 300; i++) segment.records(Buffer.alloc(1000, 7))
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length, () => wanted)
    const frames: Frame[] = []
    for (let times = 0; times < 3; times++) frames.push(...(await scanner.next()))
    expect(headers(frames)).toEqual(segment.frames.slice(0, frames.length))
    expect(Math.max(...reads())).toBeLessThan(Math.max(wanted, 16_384) + 1200)
    expect(reads().length).toBeLessThan(5)
  })

  it('knows the header of the next frame if it was read with the frames before it', async () => {
    const segment = new SegmentBytes().records('a').records(Buffer.alloc(200_000, 7))
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length)
    expect(scanner.nextHeader).toBeNull()
    await scanner.next()
    expect(scanner.nextHeader).toEqual(segment.at(1))
    await scanner.next()
    expect(scanner.nextHeader).toBeNull()
  })

  it('reads no byte twice of a frame that does not fit into a chunk', async () => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 5; i++) segment.records(Buffer.alloc(100_000, i + 1))
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length, () => 40_000)
    const frames: Frame[] = []
    while (scanner.stop === null) frames.push(...(await scanner.next()))
    expect(headers(frames)).toEqual(segment.frames)
    expect(frames.map(({ body }) => body.at(-1))).toEqual([1, 2, 3, 4, 5])
    const bytesRead = reads().reduce((sum, length) => sum + length, 0)
    expect(bytesRead).toBe(segment.bytes.length - segment.headBytes)
  })

  it.each([0.6, 2])('reads frames of %d chunks once', async (chunks) => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 10; i++) segment.records(Buffer.alloc(chunks * CHUNK))
    const { frames } = await scan(segment)
    expect(headers(frames)).toEqual(segment.frames)
    const bytesRead = reads().reduce((sum, length) => sum + length, 0)
    expect(bytesRead - segment.bytes.length).toBeLessThan(2 * CHUNK)
  })

  it('is not misled by the bytes after a damaged length', async () => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 300; i++) segment.records(Buffer.alloc(10_000))
    const { position } = segment.at(200)
    for (const bit of [32, 40, 48, 56, 63]) {
      await fs.unlink(PATH).catch(() => {})
      const { frames, scanner } = await scan(segment, { bytes: flipped(segment.bytes, 8 * position + bit) })
      expect([frames.length, scanner.stop?.position]).toEqual([200, position])
      expect(Math.max(...reads())).toBeLessThanOrEqual(segment.bytes.length)
    }
  })

  it('of a segment with nothing after OPEN ends at once', async () => {
    const segment = new SegmentBytes()
    const { frames, scanner } = await scan(segment)
    expect(frames).toEqual([])
    expect(scanner.stop).toEqual({ position: segment.headBytes, reason: null, header: null })
    expect(reads()).toEqual([])
  })

  it('does not read past its limit', async () => {
    const segment = new SegmentBytes().records('a').records('b')
    const { frames, scanner } = await scan(segment, { limit: segment.at(1).position })
    expect(headers(frames)).toEqual([segment.at(0)])
    expect(scanner.stop?.reason).toBeNull()
  })

  it('ends inside a frame that its limit cuts', async () => {
    const segment = new SegmentBytes().records('a').records('b')
    const { position } = segment.at(1)
    const { frames, scanner } = await scan(segment, { limit: position + 48 })
    expect(headers(frames)).toEqual([segment.at(0)])
    expect(scanner.stop).toEqual({ position, reason: 'the frame takes 72 bytes, 48 are left', header: segment.at(1) })
  })

  // The first frame ends this number of bytes before or after the end of the first chunk.
  it.each([-48, -40, -32, -8, 0, 8])('continues across a chunk that ends %d bytes after a frame', async (past) => {
    const segment = new SegmentBytes()
    segment
      .records(Buffer.alloc(CHUNK - past - RECORD_AND_FRAME_HEADER, 1))
      .records('b')
      .records('c')
    expect(segment.at(1).position).toBe(segment.headBytes + CHUNK - past)
    const { frames, scanner } = await scan(segment)
    expect(headers(frames)).toEqual(segment.frames)
    expect(scanner.stop?.reason).toBeNull()
  })

  it('returns frames larger than a chunk, even at the end of the file', async () => {
    const values = [10, CHUNK - 64, CHUNK, CHUNK + 1, 3 * CHUNK + 7].map((length, byte) => Buffer.alloc(length, byte))
    const segment = new SegmentBytes()
    for (const value of values) segment.records(value)
    const { frames } = await scan(segment)
    expect(frames.map(({ body }) => body.subarray(24).equals(values.shift() ?? Buffer.alloc(0)))).toEqual(
      frames.map(() => true),
    )
    expect(Math.max(...reads())).toBe(3 * CHUNK + RECORD_AND_FRAME_HEADER + 8)
  })

  it('returns views that later reads leave alone', async () => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 40; i++) segment.records(Buffer.alloc(20_000, i))
    const { frames } = await scan(segment)
    expect(frames).toHaveLength(40)
    expect(frames.every(({ body }, i) => body.subarray(24).equals(Buffer.alloc(20_000, i)))).toBe(true)
  })

  it('begins anywhere between two frames', async () => {
    const segment = new SegmentBytes({ baseOffset: 7 }).records('a').records('b', 'c')
    const { position, previousCrc, baseOffset } = segment.at(1)
    const place = { position, nextOffset: baseOffset, previousCrc, salt: segment.salt }
    const scanner = new SegmentScanner(await fileOf(segment.bytes), {
      ...place,
      limit: segment.bytes.length,
    })
    expect(headers(await scanner.next())).toEqual([segment.at(1)])
  })
})

/** A segment of two commits. */
function good(): SegmentBytes {
  return new SegmentBytes().records('a').records('b')
}

type Change = (bytes: Buffer, position: number) => Buffer

const none: Change = (bytes) => bytes

/** A good segment, and then a frame with these fields and no body. */
function goodWith(fields: { type: number } & Partial<FrameHeader>): SegmentBytes {
  return good().frame(fields, Buffer.alloc(0))
}

describe('a scan stops, with all frames before it returned, at', () => {
  const cases: [string, SegmentBytes, Change, RegExp | string, boolean][] = [
    ['bytes that are no header', good(), (bytes) => joined(bytes, Buffer.alloc(64)), /^no frame header/, false],
    [
      'too few bytes',
      good(),
      (bytes) => joined(bytes, Buffer.alloc(39)),
      'a frame header takes 40 bytes, 39 are left',
      false,
    ],
    ['one byte', good(), (bytes) => joined(bytes, '\0'), 'a frame header takes 40 bytes, 1 are left', false],
    [
      'a damaged body',
      good().records('c'),
      (bytes, at) => flipped(bytes, 8 * (at + 64)),
      /^the body's checksum is 0x/,
      true,
    ],
    [
      'padding',
      good().records('c'),
      (bytes, at) => flipped(bytes, 8 * (at + 71)),
      /^the padding at \d+ is not zero$/,
      true,
    ],
    [
      'a frame that is cut',
      good().records('c'),
      (bytes) => bytes.subarray(0, -8),
      'the frame takes 72 bytes, 64 are left',
      true,
    ],
    ['a header alone', good().records('c'), (bytes, at) => bytes.subarray(0, at + 40), /72 bytes, 40 are left$/, true],
    ['a second OPEN', goodWith({ type: FrameType.OPEN }), none, 'a second OPEN frame', false],
    ['RECORDS without any', goodWith({ type: FrameType.RECORDS }), none, 'a frame of type 2 with 0 records', false],
    [
      'a MARK with records',
      goodWith({ type: FrameType.MARK, recordCount: 1 }),
      none,
      /^a frame of type 3 with 1 r/,
      false,
    ],
    [
      'a gap',
      goodWith({ type: FrameType.MARK, baseOffset: 3 }),
      none,
      'the frame begins at offset 3, expected 2',
      false,
    ],
    [
      'another chain',
      goodWith({ type: FrameType.MARK, previousCrc: 1 }),
      none,
      /^the frame does not follow the one/,
      false,
    ],
    [
      'a confirmation of itself',
      goodWith({ type: FrameType.MARK, durablePosition: 2 ** 32 - 1 }),
      none,
      /4294967295 is past/,
      false,
    ],
    ['a different position', goodWith({ type: FrameType.MARK, position: 8 }), none, /^no frame header/, false],
  ]
  it.each(cases)('%s', async (_, segment, change, reason, tellsHeader) => {
    const before = segment.frames.slice(0, 2)
    const position = segment.frames[2] === undefined ? segment.bytes.length : segment.at(1).position + 72
    const { frames, scanner } = await scan(segment, { bytes: change(segment.bytes, position) })
    expect(headers(frames)).toEqual(before)
    expect(scanner.stop?.reason).toEqual(typeof reason === 'string' ? reason : expect.stringMatching(reason))
    expect(scanner.stop).toMatchObject({ position, header: tellsHeader ? segment.at(2) : null })
    expect(scanner.place).toMatchObject({ position, nextOffset: 2 })
  })

  it('what follows a SEAL', async () => {
    const segment = new SegmentBytes().records('a').seal().mark()
    const { frames, scanner } = await scan(segment)
    expect(headers(frames)).toEqual(segment.frames.slice(0, 3))
    expect(scanner.stop).toMatchObject({
      position: segment.at(3).position,
      reason: 'nothing follows a SEAL, but 40 bytes do',
    })
  })

  it('the end of a file that is shorter than the limit', async () => {
    const segment = good()
    const { frames, scanner } = await scan(segment, { limit: segment.bytes.length + 1000 })
    const end = segment.bytes.length
    expect(headers(frames)).toEqual(segment.frames)
    expect(scanner.stop).toEqual({ position: end, reason: `the file ends at ${end}, inside a frame`, header: null })
  })
})

describe('a whole frame of an unknown kind', () => {
  it.each([
    ['type', { type: 5 }, 'a frame of type 5; this version knows types 1 to 4'],
    [
      'attributes',
      { type: FrameType.RECORDS, recordCount: 1, attributes: 8 },
      'a frame of type 2 with attributes 0x08; this version does not know them',
    ],
  ])('is refused for its %s, after the frames before it', async (_, fields, found) => {
    const segment = new SegmentBytes().records('a').records('b').frame(fields, Buffer.alloc(8)).records('c')
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length)
    expect(headers(await scanner.next())).toEqual(segment.frames.slice(0, 2))
    const error: unknown = await scanner.next().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(UnsupportedFormatError)
    const { position } = segment.at(2)
    expect(error).toMatchObject({ path: PATH, position, message: `${PATH}, position ${position}: ${found}` })
  })
})

describe('a read error', () => {
  it.each([1, 2, 3, 4, 5])('rejects, and is not taken for the end: read %d', async (nth) => {
    const segment = new SegmentBytes()
    for (let i = 0; i < 30; i++) segment.records(Buffer.alloc(CHUNK / 7))
    const scanner = scannerOf(await fileOf(segment.bytes), segment, segment.bytes.length)
    fs.faults.add({ on: 'read', when: { nth }, fault: { error: 'EIO' } })
    const walk = async () => {
      while (scanner.stop === null) await scanner.next()
    }
    await expect(walk()).rejects.toMatchObject({ cause: { code: 'EIO' } })
    expect(scanner.stop).toBeNull()
    await walk()
    expect(scanner.stop).toMatchObject({ reason: null })
  })
})

it.each([2 ** 30 + 24, 2 ** 30, CHUNK, 33])(
  'a body length of %d that verifies makes nothing larger than the file',
  async (bodyLength) => {
    const segment = new SegmentBytes().frame({ type: FrameType.RECORDS, recordCount: 1, bodyLength }, Buffer.alloc(32))
    const { scanner } = await scan(segment)
    expect(scanner.stop).toMatchObject({ position: segment.headBytes, header: { bodyLength } })
    expect(Math.max(...reads())).toBeLessThanOrEqual(segment.bytes.length)
  },
)
