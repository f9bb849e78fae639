import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it } from 'vitest'
import { withTrailer, writtenOver } from '../../testing/recycled-bytes.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { LaterFrames } from './later-frames.ts'
import { SegmentScanner } from './scan.ts'
import { openSegment, placeAfterHead } from './segment-file.ts'
import type { OpenSegment } from './segment-file.ts'

const PATH = '/segment'
const PART = 512 * 1024
const PARTITION = { topic: 'orders', partition: 0, directory: '/' }
const LISTED = { path: PATH, baseOffset: 0, successor: null }

/** A file with many bytes that belong to another segment. */
function stale(bytes: number): Buffer {
  return withTrailer(Buffer.alloc(bytes, 'FR stale'))
}

class Followed {
  readonly fs = new InMemoryFileSystem()
  readonly later = new LaterFrames()
  bytesRead = 0
  #segment: OpenSegment | null = null

  async write(bytes: Buffer, position = 0): Promise<void> {
    const handle = await this.fs.open(PATH, this.#segment === null ? 'create' : 'read-write')
    await handle.write([bytes], position)
    await handle.close()
    this.#segment ??= await this.#open()
  }

  async #open(): Promise<OpenSegment> {
    const { handle, head } = await openSegment(this.fs, LISTED, { partition: PARTITION, mode: 'read' })
    const read = handle.read.bind(handle)
    handle.read = async (buffer, position) => {
      this.bytesRead += buffer.length
      return read(buffer, position)
    }
    return { handle, head }
  }

  /** Where damage is found that begins where the scan stops, and which frame confirms it; null if none is. */
  async damage(): Promise<readonly [from: number, to: number] | null> {
    const segment = this.#segment
    if (segment === null) throw new Error('there is no file')
    const limit = await segment.handle.size()
    const scanner = new SegmentScanner(segment.handle, { ...placeAfterHead(segment.head), limit })
    const stop = await scanner.run(() => {})
    this.bytesRead = 0
    const found = await this.later.damageAt(segment, { stop, nextOffset: scanner.place.nextOffset, limit })
    return found === null ? null : [found.from, found.to]
  }
}

/** Damages the header of a frame. */
function damaged(bytes: Buffer, position: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.fill(1, position, position + 8)
  return copy
}

describe('after the last frame of a recycled file', () => {
  it('damage that is there at first is found at once, and found again by a second look', async () => {
    const now = new SegmentBytes()
      .records('a')
      .records('x'.repeat(6 * PART))
      .records('c')
    const log = new Followed()
    await log.write(damaged(writtenOver(stale(10 * PART), now.bytes), now.at(1).position))
    const expected = [now.at(1).position, now.at(2).position]
    expect(await log.damage()).toEqual(expected)
    expect(await log.damage()).toEqual(expected)
  })

  it('a look after each commit reads no more than a part, except for the first', async () => {
    const now = new SegmentBytes().records('a')
    const log = new Followed()
    await log.write(writtenOver(stale(10 * PART), now.bytes))
    expect(await log.damage()).toBeNull()
    expect(log.bytesRead).toBeGreaterThan(9 * PART)
    for (let commit = 0; commit < 30; commit++) {
      const { position } = now.place
      await log.write(now.records('b'.repeat(100 * commit)).bytes.subarray(position), position)
      expect(await log.damage()).toBeNull()
      expect(log.bytesRead).toBeLessThanOrEqual(PART)
    }
  })

  it.each([
    ['in the first part', 1000],
    ['at the end of the first part', PART - 40],
    ['over the border of two parts', PART - 32],
    ['just before the second part', PART - 8],
    ['at the beginning of the second part', PART],
    ['in a later part', 3 * PART + 8],
    ['in the last part', 9 * PART],
  ])('a frame that confirms more is found within one round, again and again: %s', async (_, distance) => {
    const now = new SegmentBytes().records('a')
    const log = new Followed()
    await log.write(writtenOver(stale(10 * PART), now.bytes))
    expect(await log.damage()).toBeNull()
    const { position } = now.place
    now.mark(distance - 40).mark()
    await log.write(damaged(now.bytes, position))
    for (let looks = 0; looks < 11; looks++) {
      const found = await log.damage()
      if (found === null) continue
      expect(found).toEqual([position, position + distance])
      expect(await log.damage()).toEqual(found)
      return
    }
    expect.unreachable('no look found the frame')
  })

  it('the search begins again in the first part after the last one', async () => {
    const now = new SegmentBytes().records('a')
    const log = new Followed()
    await log.write(writtenOver(stale(3 * PART), now.bytes))
    for (let looks = 0; looks < 5; looks++) expect(await log.damage()).toBeNull()
    const { position } = now.place
    now.mark(960).mark()
    await log.write(damaged(now.bytes, position))
    const found = []
    for (let looks = 0; looks < 4; looks++) found.push(await log.damage())
    expect(found).toContainEqual([position, position + 1000])
  })

  it('a short rest is searched whole each time', async () => {
    const now = new SegmentBytes().records('a')
    const log = new Followed()
    await log.write(Buffer.concat([now.bytes, Buffer.alloc(1000)]))
    for (let looks = 0; looks < 3; looks++) expect(await log.damage()).toBeNull()
    const { position } = now.place
    now.mark(100).mark()
    await log.write(damaged(now.bytes, position))
    expect(await log.damage()).toEqual([position, position + 144])
  })
})
