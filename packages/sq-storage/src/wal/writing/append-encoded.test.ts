/** Batches of one log that are appended unchanged to another log, as a replica does. */
import { setImmediate } from 'node:timers/promises'
import { Random } from '@sq/sim'
import { beforeEach, describe, expect, test } from 'vitest'
import { AppendFailedError, BacklogFullError, ClosedError, OffsetMismatchError } from '../../errors.ts'
import { RecordBatch, WalReader } from '../../index.ts'
import type { EncodedBatch, WalWriter } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendBatch, bytes, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'

let leader: LogFixture
let replica: LogFixture

beforeEach(() => {
  leader = new LogFixture()
  replica = new LogFixture()
})

async function batchesOf({ fs, config }: LogFixture): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  const reader = await WalReader.open(fs, config, 'orders', 0)
  for await (const batch of reader.readBatches()) batches.push(batch)
  return batches
}

/** The fields of a batch, as they arrive from a network. */
function sent({ baseOffset, recordCount, attributes, bytes: body, checksum }: EncodedBatch): EncodedBatch {
  return { baseOffset, recordCount, attributes, bytes: Buffer.from(body), checksum }
}

/** A leader with a batch for each of these lists of values, and its batches. */
async function led(...batches: readonly (readonly string[])[]): Promise<RecordBatch[]> {
  const writer = await leader.open()
  for (const values of batches) await appendBatch(writer, values)
  await writer.close()
  return batchesOf(leader)
}

function outcome(pending: Promise<unknown>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

describe("a replica's log", () => {
  test.each<[string, (batch: RecordBatch) => EncodedBatch]>([
    ['batches of a reader', (batch) => batch],
    ['what came over a network', sent],
  ])('holds the same batches as its leader, if it gets %s', async (_, given) => {
    const batches = await led(['a'], ['b', 'c', ''], ['d'.repeat(5000)], ['e'])
    const writer = await replica.open()
    expect(await writer.appendEncoded(batches.slice(0, 3).map(given))).toBe(5n)
    expect(await writer.appendEncoded(batches.slice(3).map(given))).toBe(6n)
    expect((await batchesOf(replica)).map(sent)).toEqual(batches.map(sent))
    expect(await replica.records()).toEqual(await leader.records())
    replica.fs.crash()
    await replica.open()
    expect((await batchesOf(replica)).map(sent)).toEqual(batches.map(sent))
  })

  test('has its batches in one write, in frames that state the start of the write as durable', async () => {
    const batches = await led(['a'], ['b', 'c'], ['d'])
    const writer = await replica.open()
    await append(writer, 'x').then(() => writer.truncate(0n))
    await writer.appendEncoded(batches)
    expect(writer.stats()).toMatchObject({ commits: 2, records: 5 })
    const reader = await WalReader.open(inAnotherProcess(replica.fs, new Random(1)), replica.config, 'orders', 0)
    const durable = []
    for await (const { offset } of reader.read({ durableOnly: true })) durable.push(offset)
    expect(durable).toEqual([])
  })

  test('has the times of its records in its segments', async () => {
    const writer = await leader.open()
    for (const timestampMs of [7, 3, 9]) await writer.append(null, bytes('a'), [], timestampMs)
    await writer.close()
    const copy = await replica.open()
    await copy.appendEncoded(await batchesOf(leader))
    expect(await copy.closeActiveSegment()).toMatchObject({ records: 3, minTimestampMs: 3, maxTimestampMs: 9 })
  })

  test('accepts batches that are too large for appends', async () => {
    const batches = await led(['a'.repeat(3000)], ['b', 'c'.repeat(5000)])
    replica = new LogFixture({ maxRecordBytes: 10, maxBatchBytes: 10, maxSegmentBytes: 1000 })
    const writer = await replica.open()
    expect(await writer.appendEncoded(batches)).toBe(3n)
    expect((await batchesOf(replica)).map(sent)).toEqual(batches.map(sent))
    expect(await replica.segmentNames()).toHaveLength(2)
  })

  test('has its own later appends after the batches, in frames of their own', async () => {
    const batches = await led(['a'], ['b'])
    const writer = await replica.open()
    expect(await Promise.all([writer.appendEncoded(batches), append(writer, 'own')])).toEqual([2n, 2n])
    expect(await replica.values()).toEqual(['a', 'b', 'own'])
  })

  test('is given to tailing readers batch by batch', async () => {
    const batches = await led(['a'], ['b', 'c'], ['d'])
    const writer = await replica.open()
    const reader = await WalReader.open(replica.fs, replica.config, 'orders', 0)
    const tailing = reader.readBatches({ follow: true })
    const first = tailing.next()
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    await writer.appendEncoded(batches)
    const found = [await first, await tailing.next(), await tailing.next()]
    expect(found.map(({ value }) => sent(value))).toEqual(batches.map(sent))
    await tailing.return?.()
  })
})

describe('batches at an offset other than the log end offset', () => {
  test.each([
    ['begin before its end', [1, 2], 2n, 1n],
    ['begin after its end', [3], 2n, 4n],
    ['leave a gap', [2, 4], 4n, 5n],
    ['overlap', [2, 2], 4n, 2n],
  ])('are refused if they %s, and nothing of them is written', async (_, indexes, expected, found) => {
    const batches = await led(['a'], ['b'], ['c', 'd'], ['e'], ['f'])
    const writer = await replica.open()
    await writer.appendEncoded(batches.slice(0, 2))
    const before = await replica.files()
    const chosen = indexes.flatMap((index) => batches.slice(index, index + 1))
    const error = await outcome(writer.appendEncoded(chosen))
    expect(error).toBeInstanceOf(OffsetMismatchError)
    const path = replica.directory
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_MISMATCH', path, expected, found })
    const mismatch = `a batch begins at offset ${found}, expected ${expected}`
    expect(error).toHaveProperty(
      'message',
      `the batches do not continue the log in ${path}: ${mismatch}; append the batches from offset ${expected} on`,
    )
    expect(await replica.files()).toEqual(before)
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0, nextOffset: 2n })
    expect(await writer.appendEncoded(batches.slice(2))).toBe(6n)
  })

  test('are refused in their turn, and no other caller is', async () => {
    const [a, b, c] = await led(['a'], ['b'], ['c'])
    const writer = await replica.open()
    if (a === undefined || b === undefined || c === undefined) throw new Error('there are three batches')
    const results = await Promise.all(
      [
        writer.appendEncoded([a]),
        // The log ends at 0 when this is called, and at 1 in its turn.
        writer.appendEncoded([a]),
        writer.appendEncoded([b]),
        append(writer, 'own'),
        writer.appendEncoded([c]),
        append(writer, 'last'),
      ].map(outcome),
    )
    expect(results).toEqual([
      1n,
      expect.objectContaining({ expected: 1n, found: 0n }),
      2n,
      2n,
      expect.objectContaining({ expected: 3n, found: 2n }),
      3n,
    ])
    expect(await replica.values()).toEqual(['a', 'b', 'own', 'last'])
  })
})

describe('what is no batch of a log', () => {
  test.each<[string, (batches: RecordBatch[]) => unknown, string]>([
    ['no array', () => 'batches', 'batches must be an array of batches'],
    ['no batches', () => [], 'at least one batch'],
    ['no object', ([a]) => [a, null], 'a batch must be an object'],
    ['a wrong checksum', ([a]) => [a && { ...sent(a), checksum: 1 }], 'has the checksum'],
    ['a wrong number of records', ([a]) => [a && { ...sent(a), recordCount: 2 }], 'do not hold exactly 2 records'],
    ['a hole', ([a]) => Array.of(a, ...Array.from({ length: 1 })), 'a batch must be an object, not undefined'],
  ])('is refused: %s', async (_, given, message) => {
    const batches = await led(['a'], ['b'])
    const writer = await replica.open()
    // @ts-expect-error It is none.
    const error = await outcome(writer.appendEncoded(given(batches)))
    expect(error).toHaveProperty('message', expect.stringContaining(message))
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, nextOffset: 0n })
    expect(await writer.appendEncoded(batches)).toBe(2n)
  })

  test('is refused: bytes that were changed after they were checked', async () => {
    const [a, b] = (await led(['a'], ['b'])).map((batch) => RecordBatch.from(sent(batch)))
    if (a === undefined || b === undefined) throw new Error('there are two batches')
    const writer = await replica.open()
    b.bytes[24] = 'x'.charCodeAt(0)
    expect(await outcome(writer.appendEncoded([a, b]))).toMatchObject({
      message: 'the bytes of the batch at offset 1 have changed since it was checked',
    })
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, nextOffset: 0n })
  })

  test('is refused: a frame whose body is not made of records, which only its reader would notice', async () => {
    const [a] = await led(['a'])
    if (a === undefined) throw new Error('there is a batch')
    // It claims to have a header.
    a.bytes[20] = 1
    const writer = await replica.open()
    expect(await outcome(writer.appendEncoded([a]))).toMatchObject({
      message: 'the bytes of the batch at offset 0 do not hold exactly 1 records',
    })
  })
})

/** A log with a record, and an append that fails. Resolves this many microtasks after its sync has failed. */
async function failing(microtasks: number): Promise<{ writer: WalWriter; failed: Promise<unknown> }> {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO', log.path(0))
  const syncEnds = new Promise<void>((resolve) => {
    log.fs.operations.observe(({ operation, phase }) => {
      if (operation === 'sync' && phase === 'end') resolve()
    })
  })
  const failed = outcome(append(writer, 'b'))
  await syncEnds
  for (let left = microtasks; left > 0; left--) await Promise.resolve()
  return { writer, failed }
}

describe('between the failure of a commit and its rejections', () => {
  test('batches that continue the failed commit are not appended', async () => {
    const batches = (await led(['a'], ['b'], ['c'])).slice(2)
    const told = new Set<unknown>()
    for (let microtasks = 0; microtasks < 16; microtasks++) {
      const { writer, failed } = await failing(microtasks)
      const error = await outcome(writer.appendEncoded(batches))
      expect(await failed).toBeInstanceOf(AppendFailedError)
      if (error !== (await failed)) expect(error).toMatchObject({ expected: 1n, found: 2n })
      told.add(error === (await failed))
      expect(writer.nextOffset).toBe(1n)
    }
    expect(told).toEqual(new Set([true, false]))
  })

  test('the counters tell whether the next append would continue what was appended before', async () => {
    const ends = new Set<bigint>()
    for (let microtasks = 0; microtasks < 16; microtasks++) {
      const { writer, failed } = await failing(microtasks)
      const { nextOffset, pendingRecords } = writer.stats()
      const end = nextOffset + BigInt(pendingRecords)
      ends.add(end)
      const next = await outcome(append(writer, 'c'))
      expect(next).toBe(end === 2n ? await failed : 1n)
    }
    expect(ends).toEqual(new Set([2n, 1n]))
  })
})

test('the bytes of a batch may be used again when the call returns', async () => {
  const [batch] = (await led(['a'])).map(sent)
  const writer = await replica.open()
  const pending = writer.appendEncoded(batch === undefined ? [] : [batch])
  batch?.bytes.fill(0)
  await pending
  expect(await replica.values()).toEqual(['a'])
})

test('a closed writer accepts no batches', async () => {
  const batches = await led(['a'])
  const writer = await replica.open()
  await writer.close()
  expect(await outcome(writer.appendEncoded(batches))).toBeInstanceOf(ClosedError)
})

describe('the backlog', () => {
  test('counts batches that wait, and is full for those that exceed it', async () => {
    const batches = await led(['a'.repeat(1000)], ['b'.repeat(1000)])
    const [a = [], b = []] = batches.map((batch) => [batch])
    replica = new LogFixture({ maxPendingBytes: 2000, maxRecordBytes: 1500, maxBatchBytes: 1500 })
    const writer = await replica.open()
    const pending = writer.appendEncoded(a)
    expect(writer.stats()).toMatchObject({ pendingBytes: 40 + 1024 + 256, pendingRecords: 1 })
    expect(await outcome(writer.appendEncoded(b))).toBeInstanceOf(BacklogFullError)
    await pending
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
    expect(await writer.appendEncoded(b)).toBe(2n)
  })

  test('accepts any number of bytes in one call if nothing else waits', async () => {
    const batches = await led(['a'.repeat(1000)], ['b'.repeat(1000)], ['c'.repeat(1000)])
    replica = new LogFixture({ maxPendingBytes: 2000, maxRecordBytes: 1500, maxBatchBytes: 1500 })
    expect(await (await replica.open()).appendEncoded(batches)).toBe(3n)
  })
})

/** Four batches of 3 MiB, of which two fit into a write. */
async function large(): Promise<RecordBatch[]> {
  const value = Buffer.alloc(3 * 1024 * 1024)
  const body = { key: null, value, headers: [], timestampMs: TIMESTAMP_MS }
  const writer = await leader.open()
  for (let at = 0; at < 4; at++) await writer.appendBatch([body])
  await writer.close()
  return batchesOf(leader)
}

/** A writer whose log has a segment, and no record. */
async function opened(): Promise<WalWriter> {
  const writer = await replica.open()
  await append(writer, 'makes the segment').then(() => writer.truncate(0n))
  return writer
}

describe('batches of more than 8 MiB', () => {
  test('are several writes, and the call resolves after the last one', async () => {
    const writer = await opened()
    const batches = await large()
    const { commits } = writer.stats()
    expect(await writer.appendEncoded(batches)).toBe(4n)
    expect(writer.stats()).toMatchObject({ commits: commits + 2, pendingBytes: 0, pendingRecords: 0 })
    expect((await batchesOf(replica)).map(({ checksum }) => checksum)).toEqual(batches.map(({ checksum }) => checksum))
  })

  test('are durable up to the write that failed, and the next offset says so', async () => {
    const writer = await opened()
    const batches = await large()
    replica.fs.faults.add({ on: 'sync', when: { nth: 2 }, fault: { error: 'EIO' } })
    const [told, behind] = await Promise.all([writer.appendEncoded(batches), append(writer, 'behind')].map(outcome))
    expect(told).toBeInstanceOf(AppendFailedError)
    expect(told).toMatchObject({ nextOffset: 2n })
    expect(behind).toBe(told)
    expect(writer.nextOffset).toBe(2n)
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
    replica.fs.crash()
    expect(await (await replica.open()).appendEncoded(batches.slice(2))).toBe(4n)
  })

  test('are refused together, also where the second write would begin at the end of the log', async () => {
    const writer = await opened()
    const batches = await large()
    await append(writer, 'a').then(() => append(writer, 'b'))
    const [refused, next] = await Promise.all([writer.appendEncoded(batches), append(writer, 'c')].map(outcome))
    expect(refused).toMatchObject({ code: 'SQ_WAL_OFFSET_MISMATCH', expected: 2n, found: 0n })
    expect(next).toBe(2n)
    expect(await replica.values()).toEqual(['a', 'b', 'c'])
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
  })
})
