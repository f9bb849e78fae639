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
import { writeBuffers } from './write-buffers.ts'
import type { WriteBuffers } from './write-buffers.ts'

const PLACE = { position: 96, nextOffset: 0, previousCrc: 0, salt: 0 }
const WAITER = { resolve: () => {}, reject: () => {} }
const MIB = 1024 * 1024
/** The bytes that a frame of one record adds to its value. */
const OVERHEAD_BYTES = 64
const METADATA = Buffer.from('producer 7')
/** Metadata as a body begins with it: its length, then its bytes. */
const LEAD = Buffer.concat([Buffer.of(METADATA.length, 0, 0, 0), METADATA])

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

test('records, batches with metadata and bodies become frames in the order of the calls, and callers get their offsets', () => {
  for (let seed = 0; seed < 200; seed++) {
    const commit = new Commit()
    const random = new Random(seed)
    /** The body of each frame, and the timestamps of its records. One of a call of its own is never extended. */
    const frames: { body: Buffer; timestampsMs: number[]; isWhole: boolean }[] = []
    const offsets: bigint[] = []
    const told: bigint[] = []
    const waiter = { resolve: (offset: bigint) => void told.push(offset), reject: () => {} }
    let nextOffset = 7
    for (let call = 0; call < 1 + random.int(8); call++) {
      const timestampsMs = Array.from({ length: 1 + random.int(3) }, () => random.int(1000))
      const valueBytes = random.chance(0.1) ? 5000 : 100
      const records = timestampsMs.map((ms) => recordOf(null, Buffer.alloc(random.int(valueBytes), call), [], ms))
      const isWithMetadata = random.chance(0.3)
      const isWhole = isWithMetadata || random.chance(0.4)
      const body = isWithMetadata ? Buffer.concat([LEAD, encoded(records)]) : encoded(records)
      if (isWithMetadata) {
        commit.addWithMetadata(records, body.length - LEAD.length, METADATA, waiter)
      } else if (isWhole) {
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
    commit.release()
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
  let take: MockInstance<WriteBuffers['take']>
  let give: MockInstance<WriteBuffers['give']>
  beforeEach(() => {
    take = vi.spyOn(writeBuffers, 'take')
    give = vi.spyOn(writeBuffers, 'give')
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** The memory of the buffers that were given back. */
  function given(): ArrayBufferLike[] {
    return give.mock.calls.map(([{ bytes }]) => bytes.buffer)
  }

  test.each([OVERHEAD_BYTES, 1000, MIB, MIB + 8])('of %d bytes is a shared one, given back once', (bytes) => {
    const commit = new Commit(7 * MIB)
    add(commit, valued(Buffer.alloc(bytes - OVERHEAD_BYTES)))
    expect(take.mock.calls).toEqual([[bytes, 7 * MIB]])
    const taken = memoryOf(commit)
    expect(give).not.toHaveBeenCalled()
    commit.release()
    commit.release()
    expect(given()).toEqual([taken])
  })

  test.each([OVERHEAD_BYTES, 1000, MIB, MIB + 8])('of %d bytes with metadata is taken once, too', (bytes) => {
    const commit = new Commit(7 * MIB)
    const record = valued(Buffer.alloc(bytes - OVERHEAD_BYTES))
    commit.addWithMetadata([record], record.encodedBytes, Buffer.alloc(20), WAITER)
    // The length of the metadata takes four bytes.
    expect(take.mock.calls).toEqual([[bytes + 24, 7 * MIB]])
    expect(commit.encode(PLACE).bytes).toHaveLength(bytes + 24)
  })

  test('takes records until it is full', () => {
    const commit = new Commit()
    add(commit, valued(Buffer.alloc(MIB / 2)))
    // A record without a value takes 24 bytes.
    add(commit, valued(Buffer.alloc(MIB / 2 - OVERHEAD_BYTES - 24)))
    expect(commit.bytes).toBe(MIB)
    expect(take).toHaveBeenCalledTimes(1)
    add(commit, valued(''))
    expect(take).toHaveBeenCalledTimes(2)
  })

  test('is not given back before there is one', () => {
    new Commit().release()
    expect(give).not.toHaveBeenCalled()
  })

  test.each([
    { records: 30_000, bytes: 100 },
    // Buffers of more than 16 MiB are as long as they must be, not powers of two.
    { records: 50, bytes: MIB },
  ])('is replaced a few times if $records records of $bytes bytes come one by one', ({ records, bytes }) => {
    const commit = new Commit()
    const record = valued('x'.repeat(bytes))
    for (let count = 0; count < records; count++) add(commit, record)
    expect(take.mock.calls.length).toBeLessThan(20)
    expect(valuesOf(commit)).toHaveLength(records)
    expect(given()).toHaveLength(take.mock.calls.length - 1)
    expect(given()).not.toContain(memoryOf(commit))
  })
})
