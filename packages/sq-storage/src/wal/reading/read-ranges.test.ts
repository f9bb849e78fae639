import { Random } from '@sq/sim'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, RecordBatch, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions, WalWriter } from '../../index.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { offsetAt } from '../../testing/offset-at.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { recordBytes } from '../format/record.ts'
import type { RecordParts } from '../format/record.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function openReader(): Promise<WalReader> {
  return WalReader.open(log.fs, log.config, 'orders', 0)
}

async function read(options: ReadOptions): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for await (const record of (await openReader()).read(options)) records.push(record)
  return records
}

async function readBatches(options: ReadOptions): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  for await (const batch of (await openReader()).readBatches(options)) batches.push(batch)
  return batches
}

async function offsetsOf(options: ReadOptions): Promise<number[]> {
  return (await read(options)).map(({ offset }) => Number(offset))
}

function recordOf(length: number, timestampMs: number): RecordParts {
  return { key: null, value: Buffer.alloc(length, 'v'), headers: [], timestampMs }
}

/** A log of many sealed and abandoned segments, with batches of all sizes, and timestamps that go forward and back. */
async function variedLog(random: Random): Promise<{ writer: WalWriter; batches: RecordParts[][] }> {
  log = new LogFixture({ maxSegmentBytes: 200_000 })
  const writer = await log.open()
  const batches: RecordParts[][] = []
  for (let i = 0; i < 60; i++) {
    const batch = Array.from({ length: 1 + random.int(6) }, () =>
      recordOf(random.int(9000), 1000 + 10 * i + random.int(40)),
    )
    if (random.chance(0.1)) {
      log.fs.faults.failNext('sync', 'EIO')
      await expect(writer.appendBatch(batch)).rejects.toThrow('EIO')
    }
    if (random.chance(0.1)) await writer.closeActiveSegment()
    await writer.appendBatch(batch)
    batches.push(batch)
  }
  return { writer, batches }
}

/** The records that a reader must return, by the definition of its options. */
function expected(records: readonly RecordParts[], options: ReadOptions): number[] {
  const { from = 0n, to = BigInt(records.length), maxRecords = Infinity, maxBytes = Infinity } = options
  const { fromTimestampMs } = options
  const byTime = records.findIndex(({ timestampMs }) => timestampMs >= (fromTimestampMs ?? 0))
  const first = fromTimestampMs === undefined ? Number(from) : byTime === -1 ? records.length : byTime
  const offsets: number[] = []
  let sum = 0
  for (let offset = first; offset < Math.min(records.length, Number(to)); offset++) {
    const found = records[offset]
    sum += found === undefined ? 0 : recordBytes(found)
    if (offsets.length === maxRecords || (offsets.length > 0 && sum > maxBytes)) break
    offsets.push(offset)
  }
  return offsets
}

describe('any range of a log', () => {
  it.each([1, 2, 3, 4])('returns exactly the records in it, with and without a writer (seed %d)', async (seed) => {
    const random = new Random(seed)
    const { writer, batches } = await variedLog(random)
    const records = batches.flat()
    const count = records.length
    for (let round = 0; round < 120; round++) {
      if (round === 60) await writer.close()
      const options: ReadOptions = {
        ...(random.chance(0.5)
          ? { from: BigInt(random.int(count + 1)) }
          : random.chance(0.7) && { fromTimestampMs: 950 + random.int(800) }),
        ...(random.chance(0.4) && { to: BigInt(random.int(count + 20)) }),
        ...(random.chance(0.3) && { maxRecords: 1 + random.int(20) }),
        ...(random.chance(0.3) && { maxBytes: 1 + random.int(60_000) }),
      }
      const found = await read(options)
      const offsets = expected(records, options)
      expect([options, found.map(({ offset }) => Number(offset))]).toEqual([options, offsets])
      expect(
        found.every(({ value, timestampMs }, i) => {
          const given = records[offsets[i] ?? 0]
          return given !== undefined && value?.length === given.value?.length && timestampMs === given.timestampMs
        }),
      ).toBe(true)
    }
    expect(log.fs.openHandles).toBe(0)
  })

  it('gives whole commits as batches', async () => {
    const { writer, batches } = await variedLog(new Random(5))
    await writer.close()
    const all = await readBatches({})
    expect(all.map(({ recordCount }) => recordCount)).toEqual(batches.map(({ length }) => length))
    expect(all.flatMap((batch) => batch.records().map(({ offset }) => offset))).toEqual(
      batches.flat().map((_, offset) => BigInt(offset)),
    )
    const [third, fourth, fifth] = all.slice(2)
    const from = (third?.nextOffset ?? 0n) - 1n
    const to = (fourth?.baseOffset ?? 0n) + 1n
    expect((await readBatches({ from, to })).map(({ baseOffset }) => baseOffset)).toEqual([
      third?.baseOffset,
      fourth?.baseOffset,
    ])
    const maxRecords = (third?.recordCount ?? 0) + (fourth?.recordCount ?? 0) + (fifth?.recordCount ?? 0) - 1
    expect(await readBatches({ from, maxRecords })).toHaveLength(2)
    expect(await readBatches({ from, maxBytes: 1 })).toHaveLength(1)
    const late = third?.records()[0]?.timestampMs ?? 0
    const byTime = (await readBatches({ fromTimestampMs: late }))[0]
    expect(byTime?.records().some(({ timestampMs }) => timestampMs >= late)).toBe(true)
  })

  it('returns the records of a large commit a page at a time, and none after it is ended', async () => {
    const writer = await log.open()
    await writer.appendBatch(Array.from({ length: 1000 }, (_, i) => recordOf(1, i)))
    const all = Array.from({ length: 1000 }, (_, offset) => offset)
    expect(await offsetsOf({ from: 3n })).toEqual(all.slice(3))
    expect(await offsetsOf({ from: 3n, to: 700n })).toEqual(all.slice(3, 700))
    expect(await offsetsOf({ from: 3n, maxRecords: 600 })).toEqual(all.slice(3, 603))
    expect(await offsetsOf({ fromTimestampMs: 600, maxRecords: 2 })).toEqual([600, 601])
    const reader = await openReader()
    const records = reader.read()
    for (let offset = 0n; offset < 10n; offset++) expect((await records.next()).value?.offset).toBe(offset)
    expect(reader.stats()).toMatchObject({ records: 256, commits: 1 })
    await reader.close()
    await expect(records.next()).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    await writer.close()
  })

  it('finds the first record for a time, or none', async () => {
    const { batches } = await variedLog(new Random(6))
    const records = batches.flat()
    const reader = await openReader()
    for (let timestampMs = 980; timestampMs < 1700; timestampMs += 7) {
      const first = records.findIndex((given) => given.timestampMs >= timestampMs)
      const found = { offset: BigInt(first), timestampMs: records[first]?.timestampMs }
      expect(await reader.offsetAt(timestampMs)).toEqual(first === -1 ? null : found)
    }
  })
})

/** Appends this number of records, one commit each, to one segment of about 1 MiB. */
async function oneLargeSegment(): Promise<WalWriter> {
  const writer = await log.open()
  for (let i = 0; i < 1000; i++) await writer.appendBatch([recordOf(1000, i)])
  return writer
}

function bytesRead(): { sum: number } {
  const counted = { sum: 0 }
  log.fs.operations.observe(({ operation, phase, buffers }) => {
    if (operation === 'read' && phase === 'end') counted.sum += buffers?.[0]?.byteLength ?? 0
  })
  return counted
}

describe('a seek', () => {
  it.each([
    ['by offset', { from: 900n }],
    ['by time', { fromTimestampMs: 900 }],
  ])('%s into a sealed segment reads its index, and not what comes before', async (_, options) => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    await writer.appendBatch([recordOf(1, 1000)])
    await writer.close()
    const counted = bytesRead()
    const [found] = await read({ ...options, maxRecords: 1 })
    expect(found?.offset).toBe(900n)
    // One read from an indexed frame to the end of the segment, the index, and some headers.
    expect(counted.sum).toBeLessThan(250_000)
  })

  it('into a segment without a SEAL reads the segment once for all readers that seek there', async () => {
    const writer = await oneLargeSegment()
    const reader = await openReader()
    const first = async (from: bigint): Promise<bigint | undefined> => {
      for await (const { offset } of reader.read({ from })) return offset
      return undefined
    }
    expect(await first(950n)).toBe(950n)
    const counted = bytesRead()
    expect(await first(930n)).toBe(930n)
    expect(counted.sum).toBeLessThan(250_000)
    await writer.close()
  })

  it.each([
    ['active', 1900n],
    ['sealed', 900n],
  ])('into the %s segment of the writer in this thread reads not what comes before', async (_, from) => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    for (let i = 0; i < 1000; i++) await writer.appendBatch([recordOf(900, i)])
    const counted = bytesRead()
    const [found] = await read({ from, maxRecords: 1 })
    expect(found?.offset).toBe(from)
    expect(counted.sum).toBeLessThan(250_000)
    await writer.close()
  })

  it('finds its place in more segments than the limit of kept indexes', async () => {
    log = new LogFixture({ maxSegmentBytes: 2000 })
    const writer = await log.open()
    for (let i = 0; i < 150; i++) await writer.appendBatch([recordOf(1000, i), recordOf(10, i)])
    expect((await log.segmentNames()).length).toBeGreaterThan(70)
    const reader = await openReader()
    for (let round = 0; round < 2; round++) {
      for (let from = 1n; from < 300n; from += 4n) {
        for await (const { offset } of reader.read({ from, maxRecords: 1 })) expect(offset).toBe(from)
      }
    }
    await writer.close()
  })

  it('by time reads only segments about which too little is known', async () => {
    const writer = await log.open()
    for (let i = 0; i < 40; i++) {
      await writer.appendBatch([recordOf(10, i)])
      await writer.closeActiveSegment()
    }
    const reader = await openReader()
    expect(await offsetAt(reader, 35)).toBe(35n)
    let opened = 0
    log.fs.operations.observe(({ operation, phase }) => {
      if (operation === 'open' && phase === 'end') opened++
    })
    expect(await offsetAt(reader, 30)).toBe(30n)
    // One for the search by time, and one for reading.
    expect(opened).toBe(2)
    await writer.deleteSegments({ belowOffset: 39n })
    expect(await offsetAt(reader, 0)).toBe(39n)
    await writer.close()
  })

  it('by time, and into a segment, finds what is there after a truncation', async () => {
    const writer = await log.open()
    const fill = async (timestampMs: number): Promise<void> => {
      for (const segment of [0, 1, 2]) {
        for (let i = 0; i < 4; i++) await writer.appendBatch([recordOf(10, segment === 1 ? timestampMs + i : segment)])
        await writer.closeActiveSegment()
      }
    }
    await fill(1000)
    const reader = await openReader()
    const first = async (from: bigint): Promise<number | undefined> => {
      for await (const { timestampMs } of reader.read({ from })) return timestampMs
      return undefined
    }
    expect([await offsetAt(reader, 1001), await offsetAt(reader, 2001), await first(6n)]).toEqual([5n, null, 1002])
    await writer.truncate(0n)
    await fill(2000)
    expect([await offsetAt(reader, 2001), await offsetAt(reader, 1001), await first(6n)]).toEqual([5n, 4n, 2002])
    await writer.close()
  })

  it('reads what a successor states of a segment once', async () => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    await writer.appendBatch([recordOf(1, 1)])
    const reader = await openReader()
    const opened: string[] = []
    log.fs.operations.observe(({ operation, phase, path }) => {
      if (operation === 'open' && phase === 'end') opened.push(path)
    })
    for (const from of [900n, 100n]) {
      for await (const { offset } of reader.read({ from, maxRecords: 1 })) expect(offset).toBe(from)
    }
    expect(opened).toEqual([log.path(0), log.path(1000), log.path(0)])
    await writer.close()
  })

  it('that meets a failure tries the index again the next time', async () => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    await writer.appendBatch([recordOf(1, 1)])
    const reader = await openReader()
    const first = async (): Promise<bigint | undefined> => {
      for await (const { offset } of reader.read({ from: 900n })) return offset
      return undefined
    }
    // The heads of the segment and of its successor, the last frame, and the index.
    const rule = log.fs.faults.add({ on: 'read', when: { nth: 4 }, fault: { error: 'EIO' } })
    await expect(first()).rejects.toThrow('EIO')
    expect(rule.hits).toBe(1)
    expect(await first()).toBe(900n)
    await writer.close()
  })

  it('by an index that points to no frame begins at the head of the segment', async () => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    await writer.appendBatch([recordOf(1, 1)])
    await writer.close()
    const content = await log.file(log.path(0))
    const seal = content.readUInt32LE(content.length - 8)
    // With a flipped bit in an entry, the SEAL does not verify, and the index is built again.
    await log.overwrite(log.path(0), flipped(content, 8 * (seal + 40 + 16 + 5)))
    for (const from of [0n, 500n, 999n]) expect((await read({ from }))[0]?.offset).toBe(from)
  })

  it('to an offset after damage finds its record, and to an offset before damage reaches the damage', async () => {
    const writer = await oneLargeSegment()
    await writer.closeActiveSegment()
    await writer.appendBatch([recordOf(1, 1)])
    await writer.close()
    const content = await log.file(log.path(0))
    await log.overwrite(log.path(0), flipped(content, 8 * 100_000))
    expect((await read({ from: 800n })).length).toBe(201)
    await expect(read({ from: 10n })).rejects.toThrow(CorruptLogError)
  })
})

describe('a batch', () => {
  it('can be decoded after a transfer if it arrived whole', async () => {
    const writer = await log.open()
    await writer.appendBatch([recordOf(10, 1), recordOf(20, 2)])
    const [sent] = await readBatches({})
    if (sent === undefined) throw new Error('nothing was read')
    const { baseOffset, recordCount, checksum } = sent
    const content = Buffer.from(sent.bytes)
    const received = RecordBatch.from({ baseOffset, recordCount, bytes: content, checksum })
    expect(received.records()).toEqual(sent.records())
    expect(received.nextOffset).toBe(2n)
    const damaged = flipped(content, 77)
    expect(() => RecordBatch.from({ baseOffset, recordCount, bytes: damaged, checksum })).toThrow(
      /^the batch at offset 0 has the checksum \d+, expected \d+$/,
    )
    expect(() => RecordBatch.from({ baseOffset, recordCount: 3, bytes: content, checksum })).toThrow(
      'the bytes of the batch at offset 0 do not hold exactly 3 records',
    )
  })

  it('that verifies but is not made of records is damage when it is decoded', async () => {
    const segment = new SegmentBytes().frame({ type: 2, recordCount: 2 }, Buffer.alloc(24))
    await log.makeSegments(segment)
    await expect(readBatches({ fromTimestampMs: 1 })).rejects.toThrow(CorruptLogError)
  })
})

describe('bad options of read', () => {
  it.each([
    [{ from: -1n }, RangeError, 'from must be an offset from 0 to 2^53 - 1: -1'],
    [{ to: 2n ** 53n }, RangeError, 'to must be an offset from 0 to 2^53 - 1: 9007199254740992'],
    [{ to: 3 }, TypeError, 'to must be a bigint, not 3'],
    [{ fromTimestampMs: -1 }, RangeError, 'fromTimestampMs must be a whole number from 0 to 2^53 - 1: -1'],
    [{ fromTimestampMs: Infinity }, RangeError, 'fromTimestampMs must be a whole number from 0 to 2^53 - 1: Infinity'],
    [{ from: 0n, fromTimestampMs: 0 }, TypeError, 'from and fromTimestampMs cannot both be given'],
    [{ maxRecords: 0 }, RangeError, 'maxRecords must be a whole number from 1 to 2^53 - 1: 0'],
    [{ maxBytes: '1' }, TypeError, 'maxBytes must be a number, not "1"'],
    [{ follow: 1 }, TypeError, 'follow must be true or false, not 1'],
    [{ durableOnly: 'yes' }, TypeError, 'durableOnly must be true or false, not "yes"'],
    [{ signal: {} }, TypeError, 'signal must be an AbortSignal, not an object (Object)'],
    [{ form: 1n }, TypeError, 'read has no option "form"'],
    [null, TypeError, 'the options of read must be an object, not null'],
  ])('%o', async (options, kind, message) => {
    await log.makeSegments(new SegmentBytes().records('a'))
    await expect(read(options as ReadOptions)).rejects.toThrow(new kind(message))
    const ofBatches = new kind(message.replace(/\bread\b/, 'readBatches'))
    await expect(readBatches(options as ReadOptions)).rejects.toThrow(ofBatches)
    expect(log.fs.openHandles).toBe(0)
  })
})

test('calls of next that are not waited for get the records in order', async () => {
  const writer = await log.open()
  await writer.appendBatch([recordOf(1, 1), recordOf(2, 1)])
  await writer.appendBatch([recordOf(3, 1)])
  const iteration = (await openReader()).read()
  const found = await Promise.all(Array.from({ length: 5 }, () => iteration.next()))
  expect(found.map(({ value }) => value?.offset)).toEqual([0n, 1n, 2n, undefined, undefined])
})
