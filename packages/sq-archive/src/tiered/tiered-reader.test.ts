/** Logs whose older segments are in an archive only, and whose newer ones are on this machine only. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import type { LogRecord, RecordBatch, WalWriterOptions } from '@sq/storage'
import { beforeEach, describe, expect, test } from 'vitest'
import { ObjectStoreFileSystem, restoreLog, sourceOf, TieredReader } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'

const config = { dataDir: '/data' }

let fs: InMemoryFileSystem
let store: InMemoryObjectStore
let clock: ManualClock

beforeEach(() => {
  fs = new InMemoryFileSystem()
  store = new InMemoryObjectStore()
  clock = new ManualClock()
})

function openWriter(options: WalWriterOptions = {}): Promise<WalWriter> {
  return WalWriter.open(fs, config, 'orders', 0, { clock, ...options })
}

async function openReader(): Promise<TieredReader> {
  return TieredReader.open(fs, config, 'orders', 0, { archive: new ObjectStoreFileSystem(store, { clock }), clock })
}

/** Appends records with these values in one commit, each with its offset as its time, and ends the segment. */
async function appendSegment(writer: WalWriter, ...values: string[]): Promise<void> {
  const records = values.map((value, index) => ({
    value: Buffer.from(value),
    timestampMs: Number(writer.nextOffset) + index,
  }))
  await writer.appendBatch(records)
  await writer.closeActiveSegment()
}

/** Stores the ended segments that are not archived yet. */
async function archive(): Promise<void> {
  for (const { path, bytes, state } of await listSegments(fs, config, 'orders', 0)) {
    if (state === 'active') continue
    const file = await fs.open(path, 'read')
    const content = Buffer.alloc(bytes)
    await file.read(content, 0)
    await file.close()
    await store.put(path.slice('/data/'.length), sourceOf(content))
  }
}

function valuesOf(records: readonly LogRecord[]): string {
  return records.map(({ value }) => String(value)).join('')
}

async function all<T>(elements: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const element of elements) found.push(element)
  return found
}

async function valuesFrom(records: AsyncIterable<LogRecord>): Promise<string> {
  return valuesOf(await all(records))
}

function rangesOf(batches: readonly RecordBatch[]): string {
  return batches.map(({ baseOffset, nextOffset }) => `${baseOffset}-${nextOffset}`).join(' ')
}

/**
 * Offsets 0 to 8 in segments of three: 0 to 5 are in the archive, 3 to 8 are here. A tenth record is in the active
 * segment.
 */
async function tieredLog(): Promise<WalWriter> {
  const writer = await openWriter()
  await appendSegment(writer, 'a', 'b', 'c')
  await appendSegment(writer, 'd', 'e', 'f')
  await archive()
  await appendSegment(writer, 'g', 'h', 'i')
  await writer.append({ value: Buffer.from('j'), timestampMs: 9 })
  await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 3n })
  expect(writer.logStartOffset).toBe(3n)
  return writer
}

describe('a log that begins in the archive', () => {
  let writer: WalWriter
  let reader: TieredReader
  beforeEach(async () => {
    writer = await tieredLog()
    reader = await openReader()
  })

  test('is read as one', async () => {
    expect(await valuesFrom(reader.read())).toBe('abcdefghij')
    expect(rangesOf(await all(reader.readBatches()))).toBe('0-3 3-6 6-9 9-10')
    expect(reader.stats()).toMatchObject({ records: 20, commits: 8 })
  })

  test('has bounds, also of its parts', async () => {
    const bounds = { logStartOffset: 0n, logEndOffset: 10n, localStartOffset: 3n, archiveEndOffset: 6n }
    expect(await reader.bounds()).toEqual(bounds)
  })

  test('is read from any offset, up to any offset', async () => {
    for (let from = 0; from <= 10; from++) {
      for (let to = from; to <= 11; to++) {
        const range = { from: BigInt(from), to: BigInt(to) }
        expect(await valuesFrom(reader.read(range)), `${from} to ${to}`).toBe('abcdefghij'.slice(from, to))
        const batches = await all(reader.readBatches({ ...range, exact: true }))
        expect(valuesOf(batches.flatMap((batch) => batch.records()))).toBe('abcdefghij'.slice(from, to))
      }
    }
    await expect(valuesFrom(reader.read({ from: 11n }))).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE' })
  })

  test('counts records and bytes across its parts', async () => {
    for (let records = 1; records <= 10; records++) {
      expect(await valuesFrom(reader.read({ maxRecords: records }))).toBe('abcdefghij'.slice(0, records))
      // A record of one byte has 25 bytes.
      expect(await valuesFrom(reader.read({ maxBytes: records * 25 + 24 }))).toBe('abcdefghij'.slice(0, records))
      const batches = reader.readBatches({ maxRecords: records, exact: true })
      const cut = (await all(batches)).flatMap((batch) => batch.records())
      expect(valuesOf(cut)).toBe('abcdefghij'.slice(0, records))
    }
    expect(rangesOf(await all(reader.readBatches({ from: 2n, maxRecords: 5 })))).toBe('0-3')
    expect(rangesOf(await all(reader.readBatches({ maxRecords: 6 })))).toBe('0-3 3-6')
    expect(rangesOf(await all(reader.readBatches({ maxBytes: 2 * 75 + 1 })))).toBe('0-3 3-6')
  })

  test('is searched by time', async () => {
    for (let time = 0; time < 10; time++) {
      expect(await reader.offsetAt(time)).toEqual({ offset: BigInt(time), timestampMs: time })
      expect(await valuesFrom(reader.read({ fromTimestampMs: time }))).toBe('abcdefghij'.slice(time))
    }
    expect(await reader.offsetAt(10)).toBeNull()
    expect(await valuesFrom(reader.read({ fromTimestampMs: 10 }))).toBe('')
  })

  test('is fetched, first from the archive and then from here', async () => {
    const answers: string[] = []
    for (let from = 0n; from < 10n;) {
      const { batches, nextOffset, logStartOffset, highWatermark } = await reader.fetch({ from, minBytes: 1 << 20 })
      answers.push(rangesOf(batches))
      expect([logStartOffset, highWatermark]).toEqual([0n, 10n])
      from = nextOffset
    }
    expect(answers).toEqual(['0-3', '3-6 6-9 9-10'])
    const cut = await reader.fetch({ from: 1n, to: 2n })
    expect([rangesOf(cut.batches), cut.highWatermark]).toEqual(['1-2', 2n])
    await expect(reader.fetch({ from: 11n })).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE' })
  })

  test('is not looked up in the archive for what is here', async () => {
    await reader.bounds()
    store.faults.add({ on: ['list', 'get', 'head'], when: 'always', fault: { error: 'failed' } })
    expect(await valuesFrom(reader.read({ from: 3n }))).toBe('defghij')
    expect(await reader.fetch({ from: 9n })).toMatchObject({ logStartOffset: 0n, nextOffset: 10n })
    await expect(valuesFrom(reader.read({ from: 2n }))).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
  })

  test('is followed from the archive into what is appended', async () => {
    const follower = reader.read({ from: 1n, follow: true })
    for (const value of 'bcdefghij') expect(String((await follower.next()).value?.value)).toBe(value)
    const next = follower.next()
    await writer.append({ value: Buffer.from('k') })
    expect(String((await next).value?.value)).toBe('k')
    const waiting = follower.next()
    await follower.return?.()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })

  test('may lose local segments to the archive while it is read', async () => {
    const records = reader.read({ from: 3n })
    expect(String((await records.next()).value?.value)).toBe('d')
    await archive()
    await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 9n })
    expect(writer.logStartOffset).toBe(9n)
    expect(await valuesFrom(records)).toBe('efghij')
    expect(await valuesFrom(reader.read())).toBe('abcdefghij')
    expect(await reader.fetch({ from: 6n })).toMatchObject({ logStartOffset: 0n, nextOffset: 9n })
  })

  test('ends for its readers when the reader is closed', async () => {
    const follower = reader.read({ from: 10n, follow: true })
    const next = follower.next()
    const waiting = reader.fetch({ from: 10n, maxWaitMs: Infinity })
    const archived = reader.read()
    await archived.next()
    const closed = { code: 'SQ_WAL_CLOSED' }
    const ends = [expect(next).rejects.toMatchObject(closed), expect(waiting).rejects.toMatchObject(closed)]
    await reader.close()
    await Promise.all(ends)
    for (const call of [() => valuesFrom(archived), () => valuesFrom(reader.read()), () => reader.bounds()]) {
      await expect(call()).rejects.toMatchObject(closed)
    }
  })
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'segments that move at listing %i of the archive are found, also by time',
  async (nth) => {
    const find = [
      async (reader: TieredReader) => valuesFrom(reader.read({ fromTimestampMs: 6 })),
      async (reader: TieredReader) => valuesFrom(reader.read({ from: 1n })),
      async (reader: TieredReader) => String((await reader.offsetAt(6))?.offset),
      async (reader: TieredReader) => rangesOf((await reader.fetch({ from: 6n })).batches),
    ]
    for (const [at, found] of ['ghij', 'bcdefghij', '6', '6-9'].entries()) {
      fs = new InMemoryFileSystem()
      store = new InMemoryObjectStore()
      const writer = await tieredLog()
      const archived = new ObjectStoreFileSystem(store, { clock })
      const reader = await TieredReader.open(fs, config, 'orders', 0, { archive: archived, clock })
      const readdir = archived.readdir.bind(archived)
      let listings = 0
      archived.readdir = async (path) => {
        const names = await readdir(path)
        if (++listings === nth) {
          await archive()
          await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 9n })
        }
        return names
      }
      expect((await find[at]?.(reader))?.slice(0, found.length)).toBe(found)
      await reader.close()
      await writer.close()
    }
  },
)

test('a log that is not archived yet is read, and then its archive as well', async () => {
  const writer = await openWriter()
  const reader = await openReader()
  expect(await reader.bounds()).toMatchObject({ logStartOffset: 0n, logEndOffset: 0n, archiveEndOffset: 0n })
  await appendSegment(writer, 'a', 'b')
  await appendSegment(writer, 'c')
  expect(await valuesFrom(reader.read())).toBe('abc')
  await archive()
  await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 2n })
  expect(await valuesFrom(reader.read())).toBe('abc')
  expect(await reader.fetch({ from: 2n })).toMatchObject({ logStartOffset: 0n })
})

test('an archive without a local log is read, and followed', async () => {
  const writer = await openWriter()
  await appendSegment(writer, 'a', 'b')
  await archive()
  const elsewhere = new InMemoryFileSystem()
  const archived = new ObjectStoreFileSystem(store, { clock, pollMs: 10 })
  const reader = await TieredReader.open(elsewhere, config, 'orders', 0, { archive: archived, clock })
  expect(await valuesFrom(reader.read())).toBe('ab')
  expect(await reader.bounds()).toMatchObject({ logStartOffset: 0n, localStartOffset: 2n, archiveEndOffset: 2n })
  expect(await reader.waitFor(1n)).toBe(true)
  await expect(valuesFrom(reader.read({ from: 3n }))).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE' })
  const follower = reader.read({ from: 1n, follow: true })
  expect(String((await follower.next()).value?.value)).toBe('b')
  const next = follower.next()
  await appendSegment(writer, 'c')
  await archive()
  for (let polls = 0; polls < 20; polls++) {
    clock.advance(10)
    await new Promise(setImmediate)
  }
  expect(String((await next).value?.value)).toBe('c')
  await follower.return?.()
})

test('a log that begins where the archive ends is read with it', async () => {
  const writer = await openWriter()
  await appendSegment(writer, 'a', 'b')
  await archive()
  fs = new InMemoryFileSystem()
  await restoreLog(store, { topic: 'orders', partition: 0 }, { fs, config }, { maxBytes: 0 })
  const restored = await openWriter()
  const reader = await openReader()
  expect(await valuesFrom(reader.read())).toBe('ab')
  expect(await reader.bounds()).toMatchObject({ logStartOffset: 0n, localStartOffset: 2n, logEndOffset: 2n })
  await restored.append({ value: Buffer.from('c') })
  expect(await valuesFrom(reader.read())).toBe('abc')
})

test('offsets that are in neither place are reported with where they are missing', async () => {
  const writer = await tieredLog()
  await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 9n })
  const reader = await openReader()
  const missing = {
    code: 'SQ_WAL_CORRUPT',
    firstOffset: 6n,
    lastOffset: 8n,
    reason: 'the archive ends before offset 6, and the local log begins at offset 9',
  }
  const records = reader.read()
  for (const value of 'abcdef') expect(String((await records.next()).value?.value)).toBe(value)
  await expect(records.next()).rejects.toMatchObject(missing)
  await expect(reader.fetch({ from: 7n })).rejects.toMatchObject(missing)
  expect(await valuesFrom(reader.read({ from: 9n }))).toBe('j')
})

/** Archives one log, and leaves the machine without it. */
async function archiveAnother(): Promise<void> {
  await tieredLog()
  fs = new InMemoryFileSystem()
}

describe('a local log that is not the archived one', () => {
  const mixed = {
    code: 'SQ_WAL_CORRUPT',
    firstOffset: 3n,
    lastOffset: 2n,
    message: expect.stringContaining('does not continue the archived segment before it: they are two different logs'),
  }

  async function isRefused(): Promise<void> {
    const reader = await openReader()
    const records = reader.read()
    for (const value of 'abc') expect(String((await records.next()).value?.value)).toBe(value)
    await expect(records.next()).rejects.toMatchObject(mixed)
    await expect(all(reader.readBatches())).rejects.toMatchObject(mixed)
    await expect(reader.fetch({ from: 0n })).rejects.toMatchObject(mixed)
    expect(await valuesFrom(reader.read({ to: 3n }))).toBe('abc')
    expect(await valuesFrom(reader.read({ from: 3n }))).toBe('def')
    expect(rangesOf((await reader.fetch({ from: 3n })).batches)).toBe('3-6')
  }

  test('is not read after the archive, where it has the same offsets', async () => {
    await archiveAnother()
    const writer = await openWriter()
    await appendSegment(writer, 'A', 'B', 'C')
    await appendSegment(writer, 'd', 'e', 'f')
    await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 3n })
    await isRefused()
  })

  test('is not read after the archive, where it begins without a segment before it', async () => {
    await archiveAnother()
    await appendSegment(await openWriter({ firstOffset: 3n }), 'd', 'e', 'f')
    await isRefused()
  })

  test('is not read after the archive, where its first records were deleted', async () => {
    await archiveAnother()
    const writer = await openWriter()
    await appendSegment(writer, 'a', 'b', 'c', 'd', 'e', 'f')
    await writer.deleteRecords(3n)
    await isRefused()
  })

  test('is told from one whose first records were deleted', async () => {
    const writer = await openWriter()
    await appendSegment(writer, 'a', 'b', 'c', 'd', 'e', 'f')
    await archive()
    await writer.deleteRecords(3n)
    expect(await valuesFrom((await openReader()).read())).toBe('abcdef')
  })
})

test('to compare the archive and the local log where one ends and the other begins asks the store for nothing', async () => {
  await tieredLog()
  const reader = await openReader()
  const records = reader.read()
  for (const value of 'abc') expect(String((await records.next()).value?.value)).toBe(value)
  store.faults.add({ on: ['list', 'get', 'head'], when: 'always', fault: { error: 'failed' } })
  expect(await valuesFrom(records)).toBe('defghij')
})

test('what retention has deleted in the archive meanwhile is not taken for another log', async () => {
  await tieredLog()
  const reader = await openReader()
  const records = reader.read()
  for (const value of 'abc') expect(String((await records.next()).value?.value)).toBe(value)
  await store.delete('orders/0/00000000000000000000.wal')
  clock.advance(10_000)
  expect(await valuesFrom(records)).toBe('defghij')
})

describe('a bit that changes on the way from the store', () => {
  const find: [name: string, (reader: TieredReader) => Promise<unknown>][] = [
    ['a read', (reader) => valuesFrom(reader.read())],
    ['a read of batches', (reader) => all(reader.readBatches())],
    ['a fetch', (reader) => reader.fetch({ from: 0n })],
    ['a search by time', (reader) => reader.offsetAt(1)],
  ]

  test.each(find)('fails %s only once', async (_, read) => {
    await tieredLog()
    const key = 'orders/0/00000000000000000000.wal'
    const { bytes = 0 } = (await store.head(key)) ?? {}
    let failures = 0
    for (let bit = 0; bit < bytes * 8; bit += 397) {
      const reader = await openReader()
      const rule = store.faults.add({ on: 'get', key, fault: { flipBit: bit } })
      const failed = await read(reader).catch((error: unknown) => error)
      rule.remove()
      if (!(failed instanceof Error)) continue
      failures++
      expect(failed, `bit ${bit}`).toMatchObject({ code: 'SQ_WAL_CORRUPT' })
      await expect(read(reader), `bit ${bit}`).resolves.toBeDefined()
    }
    expect(failures).toBeGreaterThan(0)
  })
})

test('an offset before the archive is out of range', async () => {
  const writer = await tieredLog()
  await archive()
  await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: 9n })
  await store.delete('orders/0/00000000000000000000.wal')
  const reader = await openReader()
  const outOfRange = { code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: 1n, firstOffset: 3n, nextOffset: 10n }
  await expect(valuesFrom(reader.read({ from: 1n }))).rejects.toMatchObject(outOfRange)
  await expect(reader.fetch({ from: 1n })).rejects.toMatchObject(outOfRange)
  expect(await valuesFrom(reader.read())).toBe('defghij')
})

test('a log that is nowhere is not found, and bad options are refused', async () => {
  await expect(openReader()).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
  await openWriter()
  const reader = await openReader()
  // A misspelt option, and values of wrong types.
  const wrong: object[] = [{ form: 1n }, { from: 1 }, { maxRecords: 0 }, { from: 0n, fromTimestampMs: 0 }]
  for (const options of wrong) {
    await expect(valuesFrom(reader.read(options))).rejects.toThrow(/form|from|maxRecords/)
  }
})

/** A log of which segments are archived and deleted here, in random order, while it is read. */
test.each(Array.from({ length: 20 }, (_, seed) => [seed]))(
  'readers miss nothing while segments move, %s',
  async (seed) => {
    const random = new Random(seed)
    const writer = await openWriter()
    const reader = await openReader()
    const following = reader.read({ from: 0n, follow: true })
    let [archivedTo, read, fetched] = [0n, 0n, 0n]
    const actions = [
      () => appendSegment(writer, ...['a', 'b', 'c'].slice(random.int(3))),
      async () => void (await writer.append({ value: Buffer.from('d') })),
      async () => {
        await archive()
        const ended = (await listSegments(fs, config, 'orders', 0)).filter(({ state }) => state !== 'active')
        archivedTo = ended.at(-1)?.nextOffset ?? archivedTo
      },
      async () => void (await writer.deleteSegments({ maxTotalBytes: 0, keepFromOffset: archivedTo })),
      async () => {
        for (let steps = random.int(4); steps > 0 && read < writer.nextOffset; steps--) {
          expect((await following.next()).value?.offset).toBe(read++)
        }
      },
      async () => {
        const result = await reader.fetch({ from: fetched, maxBytes: random.int(200) + 1 })
        for (const batch of result.batches) {
          expect(batch.baseOffset).toBe(fetched)
          fetched = batch.nextOffset
        }
        expect(result).toMatchObject({ nextOffset: fetched, logStartOffset: 0n, highWatermark: writer.nextOffset })
      },
      async () => {
        const offsets = (await all(reader.read())).map(({ offset }) => Number(offset))
        expect(offsets).toEqual([...offsets.keys()])
        expect(offsets).toHaveLength(Number(writer.nextOffset))
      },
    ]
    for (let step = 0; step < 40; step++) await actions[random.int(actions.length)]?.()
    while (read < writer.nextOffset) expect((await following.next()).value?.offset).toBe(read++)
    await reader.close()
  },
)
