import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { frameEnd, FRAME_HEADER_BYTES, FrameType } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'
import { ConfirmedFrames, UnconfirmedTail } from './unconfirmed.ts'

const SEEDS = 200

/** A segment of random commits and MARKs, each with a random durable position before its end. */
function segmentOf(random: Random): SegmentBytes {
  const segment = new SegmentBytes()
  for (let count = 1 + random.int(8); count > 0; count--) {
    const ends = [0, segment.headBytes, ...segment.frames.map(frameEnd), random.int(segment.place.position)]
    const durablePosition = ends[random.int(ends.length)] ?? 0
    if (random.chance(0.3)) segment.mark(8 * random.int(4), durablePosition)
    else {
      const body = Buffer.alloc(8 * (1 + random.int(6)), random.int(256))
      segment.frame({ type: FrameType.RECORDS, recordCount: 1, durablePosition }, body)
    }
  }
  return segment
}

function frameOf(header: FrameHeader, bytes: Buffer): Frame {
  return { header, body: bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyLength), bytes }
}

/** Returns buffers with the given bytes: after the previous one, with a gap, or in other memory. */
function scattered(random: Random): (bytes: Buffer) => Buffer {
  let memory = Buffer.alloc(4096)
  let at = 0
  return (bytes) => {
    if (random.chance(0.2)) [memory, at] = [Buffer.alloc(4096), 0]
    if (random.chance(0.3)) at += 8
    const copy = memory.subarray(at, at + bytes.copy(memory, at))
    at += bytes.length
    return copy
  }
}

describe('the bytes that recovery writes again', () => {
  test('are those that no frame confirms, wherever they are in memory', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = new Random(seed)
      const { bytes, frames, headBytes } = segmentOf(random)
      const place = scattered(random)
      const tail = new UnconfirmedTail(place(bytes.subarray(0, headBytes)))
      let durable = 0
      for (const header of frames) {
        tail.add(frameOf(header, place(bytes.subarray(header.position, frameEnd(header)))))
        durable = Math.max(durable, header.durablePosition)
        expect(tail.from, `seed ${seed}`).toBe(durable)
        expect(Buffer.concat(tail.buffers), `seed ${seed}`).toEqual(bytes.subarray(durable, frameEnd(header)))
        expect(tail.buffers, `seed ${seed}`).not.toContainEqual(Buffer.alloc(0))
      }
    }
  })

  test('is one buffer if the frames are contiguous in memory', () => {
    const { bytes, frames, headBytes } = new SegmentBytes().records('a').records('b').records('c')
    const tail = new UnconfirmedTail(bytes.subarray(0, headBytes))
    for (const header of frames.map((frame) => ({ ...frame, durablePosition: 0 }))) {
      tail.add(frameOf(header, bytes.subarray(header.position, frameEnd(header))))
    }
    expect(tail.buffers).toEqual([bytes])
  })
})

describe('what a reader gets of a segment whose writer is in another process', () => {
  test('ends before the first commit that no frame confirms', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = new Random(seed)
      const { bytes, frames } = segmentOf(random)
      const all = frames.map((header) => frameOf(header, bytes.subarray(header.position, frameEnd(header))))
      const confirmed = new ConfirmedFrames()
      const got: Frame[] = []
      for (let at = 0; at < all.length;) {
        const next = all.slice(at, at + random.int(4))
        at += next.length
        got.push(...confirmed.take(next))
        const durable = Math.max(0, ...frames.slice(0, at).map(({ durablePosition }) => durablePosition))
        const isOpen = ({ header }: Frame) => header.type === FrameType.RECORDS && frameEnd(header) > durable
        const first = all.slice(0, at).findIndex(isOpen)
        expect(got, `seed ${seed}`).toEqual(all.slice(0, first === -1 ? at : first))
      }
      expect([...got, ...confirmed.takeAll()], `seed ${seed}`).toEqual(all)
      expect(confirmed.takeAll()).toEqual([])
    }
  })
})
