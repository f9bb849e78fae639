import { beforeEach, describe, expect, test } from 'vitest'
import { RecordBatch, verify, WalReader } from '../../index.ts'
import type { OpaqueBatch, RecordInput } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { detachable, growable } from '../../testing/strange-bytes.ts'
import { checkBodyBytes } from './checked-metadata.ts'

let log: LogFixture
beforeEach(() => {
  log = new LogFixture()
})

const record = (value: string | null): RecordInput => ({
  key: Buffer.from('k'),
  value: value === null ? null : Buffer.from(value),
  headers: [],
  timestampMs: 7,
})

const OPAQUE: OpaqueBatch = { payload: Buffer.from('packed'), recordCount: 3, minTimestampMs: 4, maxTimestampMs: 9 }

async function batches(): Promise<RecordBatch[]> {
  const found: RecordBatch[] = []
  for await (const batch of (await WalReader.open(log.fs, log.config, 'orders', 0)).readBatches()) found.push(batch)
  return found
}

function shown({ baseOffset, recordCount, metadata, payload }: RecordBatch): string {
  return [
    `${baseOffset}+${recordCount}`,
    ...[metadata, payload].map((part) => (part === null ? '-' : String(part))),
  ].join(' ')
}

test('batches with metadata and opaque ones are frames of their own in a write that plain appends share', async () => {
  const writer = await log.open()
  await append(writer, 'first')
  const before = log.fs.operations.count('write')
  const offsets = await Promise.all([
    append(writer, 'a'),
    append(writer, 'b'),
    writer.appendBatch([record('c'), record(null)], { metadata: Buffer.from('producer 1') }),
    append(writer, 'd'),
    writer.appendOpaque({ ...OPAQUE, metadata: Buffer.from('codec 4') }),
    writer.appendOpaque(OPAQUE),
    append(writer, 'e'),
  ])
  expect(log.fs.operations.count('write') - before).toBe(1)
  expect(offsets).toEqual([1n, 2n, 3n, 5n, 6n, 9n, 12n])
  const expected = [
    '0+1 - -',
    '1+2 - -',
    '3+2 producer 1 -',
    '5+1 - -',
    '6+3 codec 4 packed',
    '9+3 - packed',
    '12+1 - -',
  ]
  expect((await batches()).map(shown)).toEqual(expected)
  await writer.closeActiveSegment()
  await writer.close()
  expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  for (const batch of await batches()) expect(RecordBatch.from(batch).checksum).toBe(batch.checksum)
})

test('batches count for maxPendingBytes with their metadata and their times', async () => {
  const writer = await log.open()
  const metadata = Buffer.from('producer 1')
  const pending = [writer.appendBatch([record('c'), record('d')], { metadata })]
  // Two records of 26 bytes, metadata with its length, and 256 for the append.
  expect(writer.stats()).toMatchObject({ pendingBytes: 322, pendingRecords: 2 })
  pending.push(writer.appendOpaque({ ...OPAQUE, metadata }))
  // A payload of 6 bytes, two times, metadata with its length, and 256 for the append.
  expect(writer.stats()).toMatchObject({ pendingBytes: 322 + 292, pendingRecords: 5 })
  await Promise.all(pending)
  expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
})

test('a tombstone is read as a record without a value', async () => {
  const writer = await log.open()
  await writer.append(Buffer.from('k'), null, [], 7)
  await writer.append(Buffer.from('k'), Buffer.alloc(0), [], 7)
  log.fs.crash()
  expect((await log.records()).map(({ value }) => value)).toEqual([null, Buffer.alloc(0)])
})

test('what is appended is copied before the call returns', async () => {
  const writer = await log.open()
  const [metadata, payload] = [Buffer.from('metadata'), Buffer.from('payload')]
  const appended = [
    writer.appendBatch([record('a')], { metadata }),
    writer.appendOpaque({ ...OPAQUE, metadata, payload }),
  ]
  metadata.fill('x')
  payload.fill('x')
  await Promise.all(appended)
  expect((await batches()).map(shown)).toEqual(['0+1 metadata -', '1+3 metadata payload'])
})

test('a batch with metadata whose record changes its length is refused, and the others are written', async () => {
  const writer = await log.open()
  const { bytes, resize } = growable()
  const appended = [append(writer, 'a')]
  const changing = { ...record('b'), value: bytes, headers: [] }
  const last = { ...record('c') }
  Object.defineProperty(last, 'timestampMs', {
    get: () => {
      resize(40)
      return 7
    },
  })
  const refused = writer.appendBatch([changing, last], { metadata: Buffer.from('producer 1') })
  appended.push(append(writer, 'd'))
  await expect(refused).rejects.toThrow('changed its length while it was appended')
  expect(await Promise.all(appended)).toEqual([0n, 1n])
  expect(await log.values()).toEqual(['a', 'd'])
})

test.each<[string, Partial<OpaqueBatch>]>([
  ['of one record', { recordCount: 1 }],
  ['of the largest number of records', { recordCount: 0xffff_ffff }],
  ['with one time', { minTimestampMs: 4, maxTimestampMs: 4 }],
  ['with the earliest time', { minTimestampMs: 0 }],
  ['with the latest time that the clock allows', { maxTimestampMs: 1500 }],
  ['with an empty payload', { payload: Buffer.alloc(0) }],
  ['with the longest payload', { payload: Buffer.alloc(100, 'x') }],
  ['with the shortest metadata', { metadata: Buffer.from('m') }],
  ['with the longest metadata', { metadata: Buffer.alloc(65_536, 'm') }],
  ['without metadata', { metadata: null }],
])('an opaque batch %s comes back as it was', async (_, part) => {
  log = new LogFixture({ maxBatchBytes: 100, maxRecordBytes: 100, maxTimestampAheadMs: 1000 })
  log.clock.setNow(500)
  const writer = await log.open()
  const given = { ...OPAQUE, metadata: null, ...part }
  const { recordCount, minTimestampMs, maxTimestampMs } = given
  expect(await writer.appendOpaque(given)).toBe(0n)
  const [batch] = await batches()
  expect(batch).toMatchObject({ recordCount, minTimestampMs, maxTimestampMs })
  expect([batch?.payload, batch?.metadata].map(String)).toEqual([given.payload, given.metadata].map(String))
})

test('metadata of a batch of records has 1 to 65536 bytes', async () => {
  const writer = await log.open()
  for (const metadata of [Buffer.from('m'), Buffer.alloc(65_536, 'm')]) {
    await writer.appendBatch([record('a')], { metadata })
  }
  expect((await batches()).map(({ metadata }) => metadata?.length)).toEqual([1, 65_536])
})

test('a body has at most 1 GiB and 24 bytes', () => {
  expect(() => checkBodyBytes(2 ** 30 + 24)).not.toThrow()
  expect(() => checkBodyBytes(2 ** 30 + 25)).toThrow('the most is 1073741848')
})

describe('metadata and opaque batches are refused, with the field,', () => {
  test.each<[string, unknown, typeof TypeError | typeof RangeError, string]>([
    ['empty', Buffer.alloc(0), RangeError, 'metadata must have 1 to 65536 bytes: 0'],
    ['too long', Buffer.alloc(65_537), RangeError, 'metadata must have 1 to 65536 bytes: 65537'],
    ['a string', 'text', TypeError, 'metadata must be a Uint8Array, not "text"'],
  ])('if metadata is %s', async (_, metadata, kind, message) => {
    const writer = await log.open()
    const given = metadata as Uint8Array
    for (const refused of [
      writer.appendBatch([record('a')], { metadata: given }),
      writer.appendOpaque({ ...OPAQUE, metadata: given }),
    ]) {
      const error: unknown = await refused.catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(kind)
      expect(error).toMatchObject({ message, code: 'SQ_WAL_BAD_RECORD', index: null, field: 'metadata' })
    }
    expect(writer.nextOffset).toBe(0n)
  })

  test.each<[object, typeof TypeError | typeof RangeError, string]>([
    [{ payload: null }, TypeError, 'payload must be a Uint8Array, not null'],
    [{ payload: Buffer.alloc(101) }, RangeError, 'payload has 101 bytes, maxBatchBytes is 100'],
    [{ codec: 4 }, TypeError, '"codec" is not a field of an opaque batch'],
    [{ recordCount: 0 }, RangeError, 'recordCount must be a whole number from 1 to 4294967295: 0'],
    [{ recordCount: 2 ** 32 }, RangeError, 'recordCount must be'],
    [{ recordCount: 1n }, TypeError, 'recordCount must be a number, not 1n'],
    [{ recordCount: 1.5 }, RangeError, 'recordCount must be a whole number from 1 to 4294967295: 1.5'],
    [{ minTimestampMs: -1 }, RangeError, 'minTimestampMs must be a whole number from 0 to 9007199254740991: -1'],
    [{ maxTimestampMs: 3 }, RangeError, 'maxTimestampMs must be a whole number from 4 to 9007199254740991: 3'],
    [{ maxTimestampMs: 2 ** 53 - 1 }, RangeError, 'maxTimestampMs must be at most'],
  ])('if an opaque batch has %o', async (part, kind, message) => {
    log = new LogFixture({ maxBatchBytes: 100, maxRecordBytes: 100, maxTimestampAheadMs: 1000 })
    const writer = await log.open()
    const refused = writer.appendOpaque({ ...OPAQUE, ...part })
    await expect(refused).rejects.toBeInstanceOf(kind)
    await expect(refused).rejects.toThrow(message)
    const [field] = Object.keys(part)
    await expect(refused).rejects.toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index: null, field })
    expect(await writer.appendOpaque({ ...OPAQUE, payload: Buffer.alloc(100) })).toBe(0n)
  })

  test.each(['metadata', 'payload'] as const)('if the memory of its %s was transferred', async (field) => {
    const writer = await log.open()
    const { bytes, resize } = detachable()
    resize(0)
    await expect(writer.appendOpaque({ ...OPAQUE, [field]: bytes })).rejects.toMatchObject({
      message: `${field} must be in memory that was not transferred or shrunk`,
      code: 'SQ_WAL_BAD_RECORD',
      field,
    })
  })

  test('if a payload with its metadata takes more than the format allows', async () => {
    log = new LogFixture({ maxBatchBytes: 2 ** 30 })
    const writer = await log.open()
    const payload = new Uint8Array(2 ** 30)
    await expect(writer.appendOpaque({ ...OPAQUE, payload, metadata: Buffer.alloc(5) })).rejects.toMatchObject({
      message: `the batch takes ${2 ** 30 + 16 + 4 + 5} bytes with its metadata, the most is ${2 ** 30 + 24}`,
      code: 'SQ_WAL_BAD_RECORD',
      field: null,
    })
  })

  test.each([null, undefined, 'text', 7])('if it is no batch: %j', async (given) => {
    const writer = await log.open()
    await expect(writer.appendOpaque(given as unknown as OpaqueBatch)).rejects.toMatchObject({
      message: `an opaque batch must be an object, not ${typeof given === 'string' ? '"text"' : String(given)}`,
      code: 'SQ_WAL_BAD_RECORD',
    })
  })

  test.each<[unknown, string]>([
    [null, 'the options of appendBatch must be an object, not null'],
    [{ metdata: Buffer.from('producer 1') }, 'appendBatch has no option "metdata"'],
  ])('if the options of a batch are %j', async (options, message) => {
    const writer = await log.open()
    await expect(writer.appendBatch([record('a')], options as object)).rejects.toThrow(new TypeError(message))
  })
})

test('after `close`, or with a full backlog, both are refused as `append` is', async () => {
  log = new LogFixture({ maxPendingBytes: 400 })
  const writer = await log.open()
  const first = append(writer, 'a')
  const large = Buffer.alloc(300)
  await expect(writer.appendOpaque({ ...OPAQUE, payload: large })).rejects.toMatchObject({
    code: 'SQ_WAL_BACKLOG_FULL',
  })
  const withMetadata = writer.appendBatch([record('a')], { metadata: large })
  await expect(withMetadata).rejects.toMatchObject({ code: 'SQ_WAL_BACKLOG_FULL' })
  await first
  await writer.close()
  await expect(writer.appendOpaque(OPAQUE)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  const closed = writer.appendBatch([record('a')], { metadata: large })
  await expect(closed).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
})

test('an opaque batch that takes more offsets than are left is refused', async () => {
  await log.makeSegments(new SegmentBytes({ baseOffset: 2 ** 53 - 2 ** 32 - 3 }).records('a'))
  const writer = await log.open()
  expect(await writer.appendOpaque({ ...OPAQUE, recordCount: 2 ** 32 - 1 })).toBe(2n ** 53n - 2n ** 32n - 2n)
  const refused = writer.appendOpaque(OPAQUE)
  await expect(refused).rejects.toThrow(
    new RangeError('the offsets of this partition are used up: the last is 2^53 - 2'),
  )
  expect(await writer.appendOpaque({ ...OPAQUE, recordCount: 2 })).toBe(2n ** 53n - 3n)
})

test('a failed write rejects every batch in it, and the log continues', async () => {
  const writer = await log.open()
  log.fs.faults.failNext('sync', 'EIO', /wal$/)
  await append(writer, 'a').catch(() => {})
  log.fs.faults.failNext('sync', 'EIO', /wal$/)
  const failed = [
    writer.appendBatch([record('b')], { metadata: Buffer.from('producer 1') }),
    writer.appendOpaque(OPAQUE),
  ]
  const outcomes = await Promise.allSettled(failed)
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const next = writer.nextOffset
  expect(await writer.appendOpaque(OPAQUE)).toBe(next)
  expect((await batches()).map(({ nextOffset }) => nextOffset).at(-1)).toBe(next + 3n)
})
