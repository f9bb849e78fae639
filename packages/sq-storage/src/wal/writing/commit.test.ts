/** The buffers of a commit, and what happens to records that change while they are added. */
import { Random } from '@sq/sim'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { MockInstance } from 'vitest'
import { decodeRecords, RecordBuffer } from '../format/record.ts'
import type { CheckedRecord } from '../format/record.ts'
import { checksum, FRAME_HEADER_BYTES } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import { recordOf } from './checked-record.ts'
import { Commit } from './commit.ts'
import { largeBuffers } from './large-buffers.ts'
import type { LargeBuffers } from './large-buffers.ts'

const PLACE = { position: 96, nextOffset: 0, previousCrc: 0, salt: 0 }
const WAITER = { resolve: () => {}, reject: () => {} }
const MIB = 1024 * 1024
/** The bytes that a frame of one record adds to its value. */
const OVERHEAD_BYTES = 64

function valued(value: string | Uint8Array): CheckedRecord {
  return recordOf(null, Buffer.from(value), [], 0)
}

function add(commit: Commit, ...records: CheckedRecord[]): void {
  const bytes = records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0)
  commit.add(records, bytes, WAITER)
}

/** The memory of the frame. */
function memoryOf(commit: Commit): ArrayBufferLike {
  return commit.encode(PLACE).bytes.buffer
}

function bodyOf(bytes: Buffer, { position, bodyLength }: FrameHeader): Buffer {
  const start = position - PLACE.position + FRAME_HEADER_BYTES
  return bytes.subarray(start, start + bodyLength)
}

/** The values of all records, as text. */
function valuesOf(commit: Commit): string[] {
  const { bytes, frames } = commit.encode(PLACE)
  const records = frames.flatMap(({ header }) => decodeRecords(bodyOf(bytes, header), header) ?? expect.unreachable())
  return records.map(({ value }) => Buffer.from(value ?? '').toString())
}

test('a commit without records has no frame', () => {
  expect(() => new Commit().encode(PLACE)).toThrow('a commit that is written holds records')
})

test('records and whole bodies become frames in the order of the calls, and callers get their offsets', () => {
  const commit = new Commit()
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed)
    /** The body of each frame, and the timestamps of its records. A body that was given whole is never extended. */
    const frames: { body: Buffer; timestampsMs: number[]; isWhole: boolean }[] = []
    const offsets: bigint[] = []
    const told: bigint[] = []
    const waiter = { resolve: (offset: bigint) => void told.push(offset), reject: () => {} }
    let nextOffset = 7
    for (let call = 0; call < 1 + random.int(8); call++) {
      const timestampsMs = Array.from({ length: 1 + random.int(3) }, () => random.int(1000))
      const records = timestampsMs.map((ms) => recordOf(null, Buffer.alloc(random.int(100), call), [], ms))
      const body = encoded(records)
      const isWhole = random.chance(0.4)
      if (isWhole) {
        const [minTimestampMs, maxTimestampMs] = [Math.min(...timestampsMs), Math.max(...timestampsMs)]
        const crc = commit.addBody({
          bytes: body,
          attributes: 0,
          recordCount: records.length,
          minTimestampMs,
          maxTimestampMs,
        })
        expect(crc).toBe(checksum(body))
        commit.addWaiter(waiter, records.length)
      } else {
        commit.add(records, body.length, waiter)
      }
      offsets.push(BigInt(nextOffset))
      nextOffset += records.length
      const last = frames.at(-1)
      if (isWhole || last === undefined || last.isWhole) frames.push({ body, timestampsMs, isWhole })
      else {
        last.body = Buffer.concat([last.body, body])
        last.timestampsMs.push(...timestampsMs)
      }
    }
    const length = commit.bytes
    const { bytes, frames: found } = commit.encode({ ...PLACE, nextOffset: 7 })
    expect(bytes).toHaveLength(length)
    expect(commit.bytes).toBe(length)
    expect(
      found.map(({ header, minTimestampMs, maxTimestampMs }) => {
        return { body: bodyOf(bytes, header), count: header.recordCount, minTimestampMs, maxTimestampMs }
      }),
    ).toEqual(
      frames.map(({ body, timestampsMs }) => {
        const [minTimestampMs, maxTimestampMs] = [Math.min(...timestampsMs), Math.max(...timestampsMs)]
        return { body, count: timestampsMs.length, minTimestampMs, maxTimestampMs }
      }),
    )
    commit.resolve(7)
    expect(told).toEqual(offsets)
    commit.recycle()
    expect([commit.recordCount, commit.bytes]).toEqual([0, 0])
  }
})

/** The body of a frame of these records. */
function encoded(records: readonly CheckedRecord[]): Buffer {
  const buffer = new RecordBuffer(Buffer.alloc(records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0)))
  records.reduce((at, record) => buffer.encode(record, at), 0)
  return buffer.bytes
}

describe('nothing is added', () => {
  test.each([0, 1, 2])('if the length of record %d of a batch has changed', (changed) => {
    const commit = new Commit()
    add(commit, valued('before'))
    const records = ['a', 'b', 'c'].map((value) => valued(value))
    records[changed] = { ...valued('x'), value: Buffer.from('longer by now') }
    const failure = { nth: changed, message: 'value changed its length while it was appended' }
    expect(() => add(commit, ...records)).toThrow(expect.objectContaining(failure))
    add(commit, valued('after'))
    expect(valuesOf(commit)).toEqual(['before', 'after'])
  })

  test('if the records take fewer bytes than were counted', () => {
    const commit = new Commit()
    const record = valued('a')
    expect(() => commit.add([record], record.encodedBytes + 1, WAITER)).toThrow('the bytes that were counted')
    add(commit, record)
    expect(valuesOf(commit)).toEqual(['a'])
  })
})

describe('the buffer of a commit', () => {
  let take: MockInstance<LargeBuffers['take']>
  let give: MockInstance<LargeBuffers['give']>
  beforeEach(() => {
    take = vi.spyOn(largeBuffers, 'take')
    give = vi.spyOn(largeBuffers, 'give')
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('of up to 1 MiB is kept for the next commit, which may fill it', () => {
    for (const bytes of [OVERHEAD_BYTES, 1000, MIB]) {
      const commit = new Commit()
      const record = valued(Buffer.alloc(bytes - OVERHEAD_BYTES))
      add(commit, record)
      const memory = memoryOf(commit)
      expect(memory.byteLength).toBe(bytes)
      commit.recycle()
      add(commit, record)
      expect(memoryOf(commit)).toBe(memory)
    }
    expect(take).not.toHaveBeenCalled()
    expect(give).not.toHaveBeenCalled()
  })

  test('of more than 1 MiB is taken from the shared buffers, and given back', () => {
    const commit = new Commit()
    add(commit, valued(Buffer.alloc(MIB + 8 - OVERHEAD_BYTES)))
    expect(take.mock.calls).toEqual([[MIB + 8]])
    const taken = memoryOf(commit)
    expect(give).not.toHaveBeenCalled()
    commit.recycle()
    expect(give.mock.calls.map(([{ bytes }]) => bytes.buffer)).toEqual([taken])
    add(commit, valued('small'))
    expect(memoryOf(commit)).not.toBe(taken)
    expect(take).toHaveBeenCalledTimes(1)
  })

  test('is replaced a few times, however many records come one by one', () => {
    const commit = new Commit()
    const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow')
    const record = valued('x'.repeat(100))
    for (let count = 0; count < 30_000; count++) add(commit, record)
    expect(allocated.mock.calls.length).toBeLessThan(20)
    expect(valuesOf(commit)).toHaveLength(30_000)
    // The one of 1 MiB and those before it are the commit's own.
    const given = give.mock.calls.map(([{ bytes }]) => bytes.length)
    expect(Math.min(...given)).toBeGreaterThan(MIB)
    expect(given).toHaveLength(take.mock.calls.length - 1)
  })

  test('of exactly 1 MiB is dropped when it is too short', () => {
    const commit = new Commit()
    add(commit, valued(Buffer.alloc(MIB - OVERHEAD_BYTES)))
    add(commit, valued('more'))
    expect(take.mock.calls).toEqual([[2 * MIB]])
    expect(give).not.toHaveBeenCalled()
  })
})
