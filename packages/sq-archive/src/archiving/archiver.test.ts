/** The archiver of a log, its writer and the store, on a clock that the test moves. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import type { WalConfig, WalWriterOptions } from '@sq/storage'
import { beforeEach, describe, expect, test } from 'vitest'
import { Archiver, DirectoryObjectStore, lastArchived, listArchive, sourceOf } from '../index.ts'
import type { ArchiverOptions, LogArchiver, UploadEvent } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'

const place = { prefix: 'main', topic: 'orders', partition: 0 }
const config: WalConfig = { dataDir: '/data' }

let store: InMemoryObjectStore
let stopped: unknown[]
beforeEach(() => {
  store = new InMemoryObjectStore()
  stopped = []
})

/** A machine with a log and its archiver. */
class Machine {
  readonly fs: InMemoryFileSystem
  readonly clock: ManualClock = new ManualClock()
  readonly archiver: Archiver
  readonly #seed: number

  constructor(options: ArchiverOptions = {}, { fs = new InMemoryFileSystem(), seed = 1 } = {}) {
    this.fs = fs
    this.#seed = seed
    this.archiver = new Archiver(this.fs, config, store, {
      prefix: 'main',
      clock: this.clock,
      random: new Random(seed),
      onStopped: (error) => stopped.push(error),
      ...options,
    })
  }

  open(options: WalWriterOptions = {}, partition = 0): Promise<WalWriter> {
    const { onSegmentClosed } = this.archiver
    const random = new Random(this.#seed * 100 + partition)
    return WalWriter.open(this.fs, config, 'orders', partition, {
      clock: this.clock,
      random,
      onSegmentClosed,
      ...options,
    })
  }

  /** Opens the log, attaches it, and waits until the archive was looked at. */
  async start(options: WalWriterOptions = {}): Promise<{ writer: WalWriter; log: LogArchiver }> {
    const writer = await this.open(options)
    return { writer, log: this.archiver.attach(writer, 'orders', 0) }
  }

  /** The base offsets of the local segments. */
  async segments(): Promise<bigint[]> {
    return (await listSegments(this.fs, config, 'orders', 0)).map(({ baseOffset }) => baseOffset)
  }
}

/** Lets everything happen that does not need the clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Advances the clock in steps until a promise has settled. */
async function withTime<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  const settled = { is: false }
  const noted = promise.finally(() => {
    settled.is = true
  })
  noted.catch(() => {})
  for (let step = 0; step < 200 && !settled.is; step++) {
    await settle()
    clock.advance(1000)
  }
  return noted
}

/** Appends segments of two records each. */
async function appendSegments(writer: WalWriter, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await Promise.all([writer.append({ value: Buffer.from('a') }), writer.append({ value: Buffer.from('b') })])
    await writer.closeActiveSegment()
  }
}

async function archived(): Promise<bigint[]> {
  const { segments, detached } = await listArchive(store, place)
  expect(detached).toEqual([])
  return segments.map(({ baseOffset }) => baseOffset)
}

describe('segments', () => {
  test('are archived as they end, in order', async () => {
    const { writer, log } = await new Machine().start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    expect(await archived()).toEqual([0n, 2n])
    await appendSegments(writer, 1)
    await log.waitArchived(5n)
    expect(log.archivedOffset).toBe(6n)
    expect(log.stats()).toMatchObject({ archivedOffset: 6n, uploadedSegments: 3, retries: 0, pendingSegments: 0 })
  })

  test('that an earlier process has left are archived first', async () => {
    const first = new Machine()
    await appendSegments(await first.open(), 3)
    first.fs.kill()
    const { writer, log } = await new Machine({}, { fs: first.fs }).start()
    await appendSegments(writer, 1)
    await log.waitArchived(7n)
    expect(await archived()).toEqual([0n, 2n, 4n, 6n])
  })

  test('that end while the log is listed are archived', async () => {
    const machine = new Machine()
    const writer = await machine.open()
    await appendSegments(writer, 1)
    const listing = machine.fs.faults.hold('open')
    const log = machine.archiver.attach(writer, 'orders', 0)
    await listing.reached
    await appendSegments(writer, 2)
    listing.release()
    await log.waitArchived(5n)
    expect(await archived()).toEqual([0n, 2n, 4n])
  })

  test('that are abandoned are archived up to their end', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await writer.append({ value: Buffer.from('a') })
    machine.fs.faults.failNext('sync', 'EIO')
    await expect(writer.append({ value: Buffer.from('rejected') })).rejects.toThrow('EIO')
    await writer.append({ value: Buffer.from('b') })
    await writer.closeActiveSegment()
    await log.waitArchived(1n)
    expect(await archived()).toEqual([0n, 1n])
  })

  test('of several logs are archived by one archiver', async () => {
    const machine = new Machine({ maxConcurrentUploads: 2 })
    const logs = await Promise.all(
      Array.from({ length: 5 }, async (_, partition) => {
        const writer = await machine.open({}, partition)
        const log = machine.archiver.attach(writer, 'orders', partition)
        await appendSegments(writer, 3)
        return log
      }),
    )
    await Promise.all(logs.map((log) => log.waitArchived(5n)))
    expect(machine.archiver.stats()).toMatchObject({
      logs: 5,
      uploadedSegments: 15,
      pendingSegments: 0,
      pendingBytes: 0,
    })
    await machine.archiver.close()
    expect(machine.archiver.stats()).toMatchObject({ logs: 0 })
    const writer = await new Machine().open()
    expect(() => machine.archiver.attach(writer, 'orders', 9)).toThrow('is closed')
  })

  test('are archived up to archiveBelow', async () => {
    const machine = new Machine()
    const writer = await machine.open()
    await appendSegments(writer, 3)
    const log = machine.archiver.attach(writer, 'orders', 0, { archiveBelow: 3n })
    expect(log.archiveBelow).toBe(3n)
    await log.waitArchived(1n)
    await settle()
    expect(log.archivedOffset).toBe(2n)
    log.archiveBelow = 4n
    await log.waitArchived(3n)
    log.archiveBelow = null
    await log.waitArchived(5n)
  })

  test('end when records have waited for maxUnarchivedMs', async () => {
    const machine = new Machine({ maxUnarchivedMs: 1000 })
    const { writer, log } = await machine.start()
    await settle()
    await writer.append({ value: Buffer.from('a') })
    machine.clock.advance(500)
    await settle()
    expect(await machine.segments()).toEqual([0n])
    machine.clock.advance(500)
    await log.waitArchived(0n)
    expect(await archived()).toEqual([0n])
    machine.clock.advance(5000)
    await settle()
    expect(log.stats()).toMatchObject({ uploadedSegments: 1 })
  })

  test('do not end for maxUnarchivedMs before the store has answered, and do soon after', async () => {
    const outage = store.faults.add({ on: 'list', when: 'always', fault: { error: 'denied' } })
    const machine = new Machine({ maxUnarchivedMs: 1000 })
    const { writer, log } = await machine.start()
    for (const value of ['a', 'b', 'c']) {
      await writer.append({ value: Buffer.from(value) })
      machine.clock.advance(5000)
      await settle()
    }
    expect(await machine.segments()).toEqual([0n])
    outage.remove()
    await withTime(machine.clock, log.waitArchived(2n))
    expect(await archived()).toEqual([0n])
  })
})

describe('local segments', () => {
  test('are kept, if nothing else is said', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    await machine.archiver.close()
    expect(await machine.segments()).toEqual([0n, 2n, 4n])
  })

  test('are deleted once they are archived, as far as the local retention releases them', async () => {
    const machine = new Machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await machine.start()
    log.archiveBelow = 4n
    await appendSegments(writer, 4)
    await log.waitArchived(3n)
    await settle()
    expect(await machine.segments()).toEqual([4n, 6n])
    expect(await archived()).toEqual([0n, 2n])
  })

  test('are kept where the archive has lost one of them', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 4)
    await log.waitArchived(7n)
    await machine.archiver.close()
    await writer.close()
    await store.delete('main/orders/0/00000000000000000002.wal')
    const next = new Machine({ localRetention: { maxTotalBytes: 0 } }, { fs: machine.fs })
    const { writer: again, log: following } = await next.start()
    await appendSegments(again, 1)
    await following.waitArchived(9n)
    await settle()
    expect(await next.segments()).toEqual([2n, 4n, 6n, 8n])
    expect(following.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: /00002\.wal/ })
  })
})

describe('a store that fails', () => {
  test.each([
    ['put', 'no'],
    ['put', 'yes'],
    ['put', 'late'],
    ['list', 'no'],
  ] as const)('in a %s, with effect: %s, is asked again after a delay', async (on, effect) => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await settle()
    store.faults.add({ on, fault: { error: 'failed', effect } })
    await appendSegments(writer, 2)
    await settle()
    expect(log.stats()).toMatchObject({ uploadedSegments: 0, retries: 1, lastError: { code: 'failed' } })
    store.landLate()
    await withTime(machine.clock, log.waitArchived(3n))
    expect(await archived()).toEqual([0n, 2n])
    expect(log.stats()).toMatchObject({ retries: 1, lastError: null })
  })

  test('although it has stored a segment is not sent it again', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    const second = store.faults.add({ on: 'put', when: { nth: 2 }, fault: { error: 'denied' } })
    store.faults.add({ on: 'put', fault: { error: 'failed', effect: 'yes' } })
    await appendSegments(writer, 1)
    await withTime(machine.clock, log.waitArchived(1n))
    expect(second.hits).toBe(0)
  })

  test('for long is asked less and less often, and at least every 30 seconds', async () => {
    const machine = new Machine()
    const outage = store.faults.add({ on: ['put', 'list', 'head'], when: 'always', fault: { error: 'denied' } })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 1)
    for (let second = 0; second < 300; second++) {
      await settle()
      machine.clock.advance(1000)
    }
    expect(log.stats().retries).toBeGreaterThan(14)
    expect(log.stats().retries).toBeLessThan(32)
    expect(log.archivedOffset).toBe(0n)
    outage.remove()
    machine.clock.advance(30_000)
    await log.waitArchived(1n)
  })

  test('to give the bytes of an object that it has does not fence the writer', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    store.faults.add({ on: 'put', fault: { error: 'failed', effect: 'yes' } })
    store.faults.add({ on: 'get', fault: { flipBit: 77 } })
    store.faults.add({ on: 'get', when: { nth: 4 }, fault: { shortBytes: 3 } })
    await appendSegments(writer, 1)
    await withTime(machine.clock, log.waitArchived(1n))
    expect(stopped).toEqual([])
    expect(log.stats().retries).toBeGreaterThan(1)
  })
})

describe('a second writer', () => {
  test('that has archived first fences the log, and nothing is deleted locally', async () => {
    const old = new Machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await old.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    const last = await lastArchived(store, place)
    const now = new Machine({}, { seed: 2 })
    const next = await now.start({ firstOffset: 4n, previous: last?.link ?? fail() })
    await appendSegments(next.writer, 1)
    await next.log.waitArchived(5n)
    await appendSegments(writer, 2)
    await expect(log.waitArchived(5n)).rejects.toMatchObject({
      name: 'FencedError',
      code: 'SQ_ARCHIVE_FENCED',
      key: 'main/orders/0/00000000000000000004.wal',
    })
    expect(log.error).toBe(stopped[0])
    expect(stopped).toHaveLength(1)
    expect(await old.segments()).toEqual([4n, 6n])
    await expect(log.waitArchived(5n)).rejects.toBe(log.error)
    await log.close()
    await appendSegments(next.writer, 1)
    await next.log.waitArchived(7n)
  })

  test('that went on, and deleted what was there, is noticed after an upload', async () => {
    const old = new Machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await old.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    const last = await lastArchived(store, place)
    const next = await new Machine({}, { seed: 2 }).start({ firstOffset: 4n, previous: last?.link ?? fail() })
    await appendSegments(next.writer, 4)
    await next.log.waitArchived(11n)
    for (const offset of [0, 2, 4, 6]) await store.delete(`main/orders/0/${String(offset).padStart(20, '0')}.wal`)
    await appendSegments(writer, 1)
    await expect(log.waitArchived(5n)).rejects.toMatchObject({ code: 'SQ_ARCHIVE_FENCED' })
    expect(await old.segments()).toEqual([4n])
    const { segments, detached } = await listArchive(store, place)
    expect(segments.map(({ baseOffset }) => baseOffset)).toEqual([8n, 10n])
    expect(detached.map((run) => run.map(({ baseOffset }) => baseOffset))).toEqual([[4n]])
  })
})

/** Archives four records, and closes. */
async function archiveFour(): Promise<Machine> {
  const machine = new Machine()
  const { writer, log } = await machine.start()
  await appendSegments(writer, 2)
  await log.waitArchived(3n)
  await machine.archiver.close()
  await writer.close()
  return machine
}

async function refused(log: LogArchiver, reason: string, offsets: object): Promise<void> {
  const error = await log.waitArchived(100n).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ name: 'LogMismatchError', archiveEndOffset: 4n, ...offsets })
  expect(String(error)).toContain(reason)
  expect(stopped).toEqual([error])
  expect(await archived()).toEqual([0n, 2n])
}

test('a log is fenced if the segment before an upload has disappeared', async () => {
  const { writer, log } = await new Machine().start()
  await appendSegments(writer, 2)
  await log.waitArchived(3n)
  await store.delete('main/orders/0/00000000000000000002.wal')
  await appendSegments(writer, 1)
  await expect(log.waitArchived(5n)).rejects.toThrow('00002.wal", is no longer there')
  expect(log.error).toMatchObject({ code: 'SQ_ARCHIVE_FENCED' })
})

describe('a log that does not continue its archive is refused', () => {
  test('if it was deleted and made again', async () => {
    await archiveFour()
    const machine = new Machine({ localRetention: { maxTotalBytes: 0 } }, { seed: 2 })
    const writer = await machine.open()
    await appendSegments(writer, 3)
    const log = machine.archiver.attach(writer, 'orders', 0)
    await refused(log, 'states another segment before it', { logStartOffset: 0n, logEndOffset: 6n })
    expect(await machine.segments()).toEqual([0n, 2n, 4n])
  })

  test('if it is behind the archive', async () => {
    await archiveFour()
    const { log } = await new Machine({}, { seed: 2 }).start()
    await refused(log, 'the log is behind its archive', { logStartOffset: 0n, logEndOffset: 0n })
  })

  test('if it begins after the end of the archive', async () => {
    await archiveFour()
    const { log } = await new Machine({}, { seed: 2 }).start({ firstOffset: 9n })
    await refused(log, 'the offsets between are lost', { logStartOffset: 9n, logEndOffset: 9n })
  })

  test('if it was reset to the end of the archive without the link to it', async () => {
    const machine = new Machine({}, { seed: 4 })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await writer.resetTo(4n)
    await appendSegments(writer, 1)
    await withTime(machine.clock, refused(log, 'states another segment before it', { logStartOffset: 4n }))
  })

  test('if it was truncated below what is archived', async () => {
    const { fs } = await archiveFour()
    const machine = new Machine({}, { fs, seed: 3 })
    const writer = await machine.open()
    await writer.truncate(3n)
    await appendSegments(writer, 2)
    await refused(machine.archiver.attach(writer, 'orders', 0), 'the log was truncated', { logEndOffset: 7n })
  })

  test('if it is truncated below what is archived while it is archived', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await writer.truncate(1n)
    await appendSegments(writer, 2)
    await refused(log, 'the log', { logStartOffset: 0n })
  })
})

test('a truncation of what is not archived yet changes what is archived', async () => {
  const machine = new Machine()
  const { writer, log } = await machine.start()
  log.archiveBelow = 2n
  await appendSegments(writer, 3)
  await log.waitArchived(1n)
  await writer.truncate(3n)
  log.archiveBelow = null
  await appendSegments(writer, 1)
  await withTime(machine.clock, log.waitArchived(4n))
  expect(await archived()).toEqual([0n, 2n])
  expect(log.archivedOffset).toBe(5n)
})

describe('a call to waitArchived', () => {
  test('ends with the reason of its signal', async () => {
    const { log } = await new Machine().start()
    const controller = new AbortController()
    const waiting = log.waitArchived(5n, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(log.waitArchived(5n, { signal: controller.signal })).rejects.toThrow('enough')
  })

  test('rejects when the archiver is closed, and after that', async () => {
    const { log } = await new Machine().start()
    const waiting = log.waitArchived(5n)
    waiting.catch(() => {})
    await log.close()
    for (const call of [waiting, log.waitArchived(5n)]) {
      await expect(call).rejects.toMatchObject({ code: 'SQ_ARCHIVE_CLOSED' })
    }
  })
})

describe('closing', () => {
  test('archives what has ended', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await machine.archiver.close()
    expect(log.archivedOffset).toBe(6n)
    await machine.archiver[Symbol.asyncDispose]()
  })

  test('leaves what ends later to the next process', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 1)
    await log.waitArchived(1n)
    const closing = log.close()
    await appendSegments(writer, 1)
    await closing
    expect(await archived()).toEqual([0n])
  })

  test('goes on while the store fails, until its signal is aborted', async () => {
    const machine = new Machine()
    const { writer, log } = await machine.start()
    await settle()
    store.faults.add({ on: 'put', when: 'always', fault: { error: 'failed' } })
    await appendSegments(writer, 1)
    const controller = new AbortController()
    const closing = machine.archiver.close({ signal: controller.signal })
    await settle()
    controller.abort(new Error('shutdown'))
    await expect(closing).rejects.toThrow('shutdown')
    await log.close()
    expect(log.archivedOffset).toBe(0n)
  })

  test('ends although an upload never does', async () => {
    const machine = new Machine()
    const { writer } = await machine.start()
    await settle()
    store.faults.add({ on: 'put', fault: { until: new Promise(() => {}) } })
    await appendSegments(writer, 1)
    await settle()
    await expect(machine.archiver.close({ signal: AbortSignal.abort(new Error('now')) })).rejects.toThrow('now')
  })
})

test('a log is attached once at a time', async () => {
  const machine = new Machine()
  const { writer, log } = await machine.start()
  expect(() => machine.archiver.attach(writer, 'orders', 0)).toThrow('attached already')
  await log.close()
  machine.archiver.attach(writer, 'orders', 0)
})

function create(options: ArchiverOptions): () => Archiver {
  return () => new Archiver(new InMemoryFileSystem(), config, store, options)
}

test('what is not an option is refused', () => {
  expect(create({ maxConcurrentUploads: 0 })).toThrow('maxConcurrentUploads must be a whole number from 1 on: 0')
  expect(create({ maxUnarchivedMs: 0.5 })).toThrow('maxUnarchivedMs must be')
  expect(create({ maxUnarchivedMs: 2 ** 32 })).toThrow('maxUnarchivedMs must be a whole number from 1 to 4294967294')
  expect(create({ prefix: '/a' })).toThrow('is no key')
})

test('an upload is published', async () => {
  const events: UploadEvent[] = []
  const listen = (event: unknown): void => void events.push(event as UploadEvent)
  subscribe('sq:archive:upload', listen)
  const { writer, log } = await new Machine().start()
  await appendSegments(writer, 1)
  await log.waitArchived(1n)
  unsubscribe('sq:archive:upload', listen)
  const key = 'main/orders/0/00000000000000000000.wal'
  const bytes = (await store.head(key))?.bytes
  expect(events).toEqual([{ ...place, key, bytes, archivedOffset: 2n, durationMs: 0 }])
})

test('an object that is no segment, where the next one belongs, is reported until it is removed', async () => {
  const machine = new Machine()
  const { writer, log } = await machine.start()
  await settle()
  const key = 'main/orders/0/00000000000000000000.wal'
  await store.put(key, sourceOf(Buffer.from('<html>')))
  await appendSegments(writer, 1)
  await settle()
  expect(log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key })
  await store.delete(key)
  await withTime(machine.clock, log.waitArchived(1n))
})

/** The key of a segment, and its object. */
async function objectOf(baseOffset: bigint): Promise<{ key: string; content: Buffer }> {
  const key = `main/orders/0/${String(baseOffset).padStart(20, '0')}.wal`
  const content = Buffer.alloc((await store.head(key))?.bytes ?? 0)
  await store.get(key, content, 0)
  return { key, content }
}

describe('local segments that are archived stay', () => {
  const localRetention = { maxTotalBytes: 1 }

  test('if the archive is empty when it is listed', async () => {
    const machine = new Machine({ localRetention })
    const { writer, log } = await machine.start()
    subscribe('sq:archive:upload', deleteUploaded)
    await appendSegments(writer, 1)
    await log.waitArchived(1n)
    await settle()
    unsubscribe('sq:archive:upload', deleteUploaded)
    expect(await machine.segments()).toEqual([0n])
    expect(log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: /00000\.wal/ })
  })

  test('if the archive is the data directory', async () => {
    const fs = new InMemoryFileSystem()
    const own = new Archiver(fs, config, new DirectoryObjectStore(fs, '/data'), { localRetention })
    const writer = await WalWriter.open(fs, config, 'orders', 0)
    await appendSegments(writer, 2)
    const log = own.attach(writer, 'orders', 0)
    await expect(log.waitArchived(3n)).rejects.toMatchObject({
      code: 'SQ_ARCHIVE_MISMATCH',
      message: expect.stringContaining('has the log itself in /data/orders/0, which is no copy'),
    })
    expect((await listSegments(fs, config, 'orders', 0)).map(({ baseOffset }) => baseOffset)).toEqual([0n, 2n])
    await own.close()
  })

  test('if the archive loses one while the archiver runs, until it is there again', async () => {
    const machine = new Machine({ localRetention: { maxTotalBytes: 3 * 4200 } })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    const lost = await objectOf(2n)
    await store.delete(lost.key)
    await appendSegments(writer, 3)
    await log.waitArchived(11n)
    await settle()
    expect((await machine.segments())[0]).toBe(2n)
    expect(log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: lost.key })
    await store.put(lost.key, sourceOf(lost.content))
    await appendSegments(writer, 1)
    await log.waitArchived(13n)
    await settle()
    expect((await machine.segments())[0]).toBeGreaterThan(2n)
    expect(log.stats().lastError).toBeNull()
  })

  test('if an object has the bytes of another log', async () => {
    const first = new Machine()
    const { writer, log } = await first.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    await first.archiver.close()
    await writer.close()
    const own = await objectOf(2n)
    const another = new Machine({ prefix: 'another' }, { seed: 2 })
    const other = await another.start()
    await appendSegments(other.writer, 3)
    await other.log.waitArchived(5n)
    const foreign = Buffer.alloc(own.content.length)
    await store.get(own.key.replace('main', 'another'), foreign, 0)
    await store.delete(own.key)
    await store.put(own.key, sourceOf(foreign))
    const again = new Machine({ localRetention }, { fs: first.fs })
    const restarted = await again.start()
    await settle()
    expect((await again.segments())[0]).toBe(2n)
    expect(restarted.log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: own.key })
  })

  test('if the disk refuses, which is told', async () => {
    const machine = new Machine({ localRetention })
    const { writer, log } = await machine.start()
    machine.fs.faults.failAlways('unlink', 'EIO', (path) => path.endsWith('.wal'))
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    expect(log.stats().lastError).toMatchObject({ code: 'SQ_WAL_IO' })
  })
})

test('a log that was trimmed begins no archive where there is none, unless it may', async () => {
  const first = new Machine({ localRetention: { maxTotalBytes: 1 } })
  const { writer, log } = await first.start()
  await appendSegments(writer, 3)
  await log.waitArchived(5n)
  await first.archiver.close()
  await appendSegments(writer, 1)
  await writer.close()
  // As if the disk of the archive was not mounted.
  const mounted = store
  store = new InMemoryObjectStore()
  const unmounted = new Machine({ localRetention: { maxTotalBytes: 1 } }, { fs: first.fs })
  const before = await unmounted.segments()
  const trimmed = await unmounted.start()
  await settle()
  expect(stopped).toMatchObject([{ code: 'SQ_ARCHIVE_MISMATCH', message: expect.stringContaining('is it mounted?') }])
  expect(await unmounted.segments()).toEqual(before)
  await trimmed.writer.close()
  const empty = store
  store = mounted
  const again = new Machine({}, { fs: first.fs })
  const resumed = await again.start()
  await resumed.log.waitArchived(7n)
  expect(await archived()).toEqual([0n, 2n, 4n, 6n])
  await again.archiver.close()
  store = empty
  const elsewhere = new Machine({}, { fs: first.fs })
  const begun = elsewhere.archiver.attach(resumed.writer, 'orders', 0, { beginArchive: true })
  await begun.waitArchived(7n)
  expect((await archived()).at(-1)).toBe(6n)
})

function deleteUploaded(message: unknown): void {
  void store.delete((message as UploadEvent).key)
}

function fail(): never {
  throw new Error('the archive is empty')
}
