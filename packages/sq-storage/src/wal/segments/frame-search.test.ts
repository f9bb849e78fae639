import type { FileHandle } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { encodeFrameHeader, FrameType } from '../format/frame.ts'
import { findConfirmation, FrameSearch } from './frame-search.ts'

const PATH = '/segment'
const CHUNK = 512 * 1024

let fs: InMemoryFileSystem
/** The lengths of the buffers that were read into. */
let reads: () => number[]

beforeEach(() => {
  fs = new InMemoryFileSystem()
  reads = () => []
})

async function fileOf(bytes: Buffer): Promise<FileHandle> {
  const handle = await fs.open(PATH, 'create')
  await handle.write([bytes], 0)
  const spied = vi.spyOn(handle, 'read')
  reads = () => spied.mock.calls.map(([buffer]) => buffer.length)
  return handle
}

describe('findConfirmation', () => {
  const from = 1000 * 8
  const salt = 77

  /** A file of this length, with the header of a MARK in it. */
  async function find(bytes: number, mark: { position: number; durablePosition: number; salt?: number } | null) {
    const content = Buffer.alloc(bytes, 0x46)
    if (mark !== null) {
      const rest = { bodyLength: 0, baseOffset: 0, recordCount: 0, previousCrc: 0, bodyCrc: 0 }
      const fields = { type: FrameType.MARK, attributes: 0, ...rest }
      const header = Buffer.alloc(40)
      encodeFrameHeader({ ...fields, ...mark }, header, { at: 0, salt: mark.salt ?? salt })
      header.copy(content, mark.position)
    }
    return findConfirmation(await fileOf(content), { from, to: bytes, salt })
  }

  it.each([
    from + 8,
    from + CHUNK - 48,
    from + CHUNK - 40,
    from + CHUNK - 32,
    from + CHUNK - 8,
    from + CHUNK,
    from + 3 * CHUNK + 16,
  ])('finds a header at %d, wherever the chunks end', async (position) => {
    const found = await find(from + 4 * CHUNK, { position, durablePosition: from + 8 })
    expect(found).toMatchObject({ position, durablePosition: from + 8 })
    expect(Math.max(...reads())).toBe(CHUNK)
  })

  it('finds one that ends with the file', async () => {
    const position = from + CHUNK + 800
    expect(await find(position + 40, { position, durablePosition: position })).toMatchObject({ position })
  })

  it.each([
    ['one that confirms no more than what is before the place', { position: from + 80, durablePosition: from }],
    ['one of another segment', { position: from + 80, durablePosition: from + 80, salt: 78 }],
    ['one that is not at a multiple of 8', { position: from + 84, durablePosition: from + 84 }],
    ['one before the place', { position: from - 80, durablePosition: 2 ** 32 - 1 }],
    ['one that the file cuts', { position: from + 2 * CHUNK - 32, durablePosition: from + 80 }],
    ['none', null],
  ])('does not take %s', async (_, mark) => {
    expect(await find(from + 2 * CHUNK, mark)).toBeNull()
  })

  it('finds none in a file that has become shorter', async () => {
    const handle = await fileOf(Buffer.alloc(from + 20))
    expect(await findConfirmation(handle, { from, to: from + 800, salt })).toBeNull()
  })

  it.each([0, 1, 39])('reads nothing if %d bytes are left', async (left) => {
    expect(await find(from + left, null)).toBeNull()
    expect(reads()).toEqual([])
  })
  it('rejects a search for a confirming frame', async () => {
    const segment = new SegmentBytes().records('a')
    const handle = await fileOf(segment.bytes)
    fs.faults.failNext('read', 'EIO')
    const range = { from: segment.headBytes, to: segment.bytes.length, salt: segment.salt }
    await expect(findConfirmation(handle, range)).rejects.toMatchObject({ code: 'EIO' })
  })
})

/** MARKs without a body, one after the other. */
function marks(count: number): SegmentBytes {
  const segment = new SegmentBytes()
  for (let mark = 0; mark < count; mark++) segment.mark()
  return segment
}

describe('a repeated search', () => {
  it('returns the frames in order, and reads each byte once', async () => {
    const segment = marks(30_000)
    const { bytes, headBytes, salt, frames } = segment
    const search = FrameSearch.forFrames(await fileOf(bytes), { to: bytes.length, salt })
    const found: number[] = []
    for (let next = await search.first(headBytes); next !== null; next = await search.first(next.position + 8)) {
      found.push(next.position)
      expect(reads().length).toBeLessThan(10)
      expect(search.seenTo).toBeGreaterThanOrEqual(next.position)
    }
    expect(found).toEqual(frames.map(({ position }) => position))
    expect(reads().reduce((sum, length) => sum + length, 0)).toBeLessThan(bytes.length + 1000)
  })

  it('keeps a confirming frame for every position that it confirms, and then finds the next', async () => {
    const segment = marks(1000).mark(0, 4000).mark().mark()
    const { bytes, headBytes, salt } = segment
    const search = FrameSearch.forConfirmations(await fileOf(bytes), { to: bytes.length, salt })
    const file = await fs.open(PATH, 'read')
    for (let from = headBytes; from < bytes.length; from += 8) {
      const expected = await findConfirmation(file, { from, to: bytes.length, salt })
      expect((await search.first(from))?.position).toBe(expected?.position)
      expect(reads().length).toBeLessThan(10)
      if (expected === null) break
    }
    expect(reads().length).toBeLessThanOrEqual(2)
  })

  it('reads the file again before it finds none', async () => {
    const segment = marks(3)
    const { bytes, salt } = segment
    const handle = await fileOf(Buffer.alloc(bytes.length))
    await handle.write([bytes.subarray(0, -40)], 0)
    const search = FrameSearch.forFrames(handle, { to: bytes.length, salt })
    const { position } = segment.at(-1)
    expect(await search.first(segment.headBytes)).toMatchObject({ position: segment.headBytes })
    await handle.write([bytes.subarray(-40)], position)
    expect(await search.first(position)).toMatchObject({ position })
  })
})
