/** What an archiver uploads and when, and how waiting and closing end. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, test } from 'vitest'
import { Archiver } from '../index.ts'
import type { ArchiverOptions, UploadEvent } from '../index.ts'
import { appendSegments, ArchiveFixture, CONFIG, PLACE, settle, withTime } from './testing/archive-fixture.ts'

let archive: ArchiveFixture
beforeEach(() => {
  archive = new ArchiveFixture()
})

describe('segments', () => {
  test('are archived as they end, in order', async () => {
    const { writer, log } = await archive.machine().start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    expect(await archive.segments()).toEqual([0n, 2n])
    await appendSegments(writer, 1)
    await log.waitArchived(5n)
    expect(log.archivedOffset).toBe(6n)
    expect(log.stats()).toMatchObject({ archivedOffset: 6n, uploadedSegments: 3, retries: 0, pendingSegments: 0 })
  })

  test('that an earlier process has left are archived first', async () => {
    const first = archive.machine()
    await appendSegments(await first.open(), 3)
    first.fs.kill()
    const { writer, log } = await archive.machine({}, { fs: first.fs }).start()
    await appendSegments(writer, 1)
    await log.waitArchived(7n)
    expect(await archive.segments()).toEqual([0n, 2n, 4n, 6n])
  })

  test('that end while the log is listed are archived', async () => {
    const machine = archive.machine()
    const writer = await machine.open()
    await appendSegments(writer, 1)
    const listing = machine.fs.faults.hold('open')
    const log = machine.archiver.attach(writer, 'orders', 0)
    await listing.reached
    await appendSegments(writer, 2)
    listing.release()
    await log.waitArchived(5n)
    expect(await archive.segments()).toEqual([0n, 2n, 4n])
  })

  test('that are abandoned are archived up to their end', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await writer.append({ value: Buffer.from('a') })
    machine.fs.faults.failNext('sync', 'EIO')
    await expect(writer.append({ value: Buffer.from('rejected') })).rejects.toThrow('EIO')
    await writer.append({ value: Buffer.from('b') })
    await writer.closeActiveSegment()
    await log.waitArchived(1n)
    expect(await archive.segments()).toEqual([0n, 1n])
  })

  test('of several logs are archived by one archiver', async () => {
    const machine = archive.machine({ maxConcurrentUploads: 2 })
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
    const writer = await archive.machine().open()
    expect(() => machine.archiver.attach(writer, 'orders', 9)).toThrow('is closed')
  })

  test('are archived up to archiveBelow', async () => {
    const machine = archive.machine()
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
    const machine = archive.machine({ maxUnarchivedMs: 1000 })
    const { writer, log } = await machine.start()
    await settle()
    await writer.append({ value: Buffer.from('a') })
    machine.clock.advance(500)
    await settle()
    expect(await machine.segments()).toEqual([0n])
    machine.clock.advance(500)
    await log.waitArchived(0n)
    expect(await archive.segments()).toEqual([0n])
    machine.clock.advance(5000)
    await settle()
    expect(log.stats()).toMatchObject({ uploadedSegments: 1 })
  })

  test('do not end for maxUnarchivedMs before the store has answered, and do soon after', async () => {
    const outage = archive.store.faults.add({ on: 'list', when: 'always', fault: { error: 'denied' } })
    const machine = archive.machine({ maxUnarchivedMs: 1000 })
    const { writer, log } = await machine.start()
    for (const value of ['a', 'b', 'c']) {
      await writer.append({ value: Buffer.from(value) })
      machine.clock.advance(5000)
      await settle()
    }
    expect(await machine.segments()).toEqual([0n])
    outage.remove()
    await withTime(machine.clock, log.waitArchived(2n))
    expect(await archive.segments()).toEqual([0n])
  })
})

test('a truncation of what is not archived yet changes what is archived', async () => {
  const machine = archive.machine()
  const { writer, log } = await machine.start()
  log.archiveBelow = 2n
  await appendSegments(writer, 3)
  await log.waitArchived(1n)
  await writer.truncate(3n)
  log.archiveBelow = null
  await appendSegments(writer, 1)
  await withTime(machine.clock, log.waitArchived(4n))
  expect(await archive.segments()).toEqual([0n, 2n])
  expect(log.archivedOffset).toBe(5n)
})

describe('a call to waitArchived', () => {
  test('ends with the reason of its signal', async () => {
    const { log } = await archive.machine().start()
    const controller = new AbortController()
    const waiting = log.waitArchived(5n, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(log.waitArchived(5n, { signal: controller.signal })).rejects.toThrow('enough')
  })

  test('rejects when the archiver is closed, and after that', async () => {
    const { log } = await archive.machine().start()
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
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await machine.archiver.close()
    expect(log.archivedOffset).toBe(6n)
    await machine.archiver[Symbol.asyncDispose]()
  })

  test('leaves what ends later to the next process', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 1)
    await log.waitArchived(1n)
    const closing = log.close()
    await appendSegments(writer, 1)
    await closing
    expect(await archive.segments()).toEqual([0n])
  })

  test('goes on while the store fails, until its signal is aborted', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await settle()
    archive.store.faults.add({ on: 'put', when: 'always', fault: { error: 'failed' } })
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
    const machine = archive.machine()
    const { writer } = await machine.start()
    await settle()
    archive.store.faults.add({ on: 'put', fault: { until: new Promise(() => {}) } })
    await appendSegments(writer, 1)
    await settle()
    await expect(machine.archiver.close({ signal: AbortSignal.abort(new Error('now')) })).rejects.toThrow('now')
  })
})

test('a log is attached once at a time', async () => {
  const machine = archive.machine()
  const { writer, log } = await machine.start()
  expect(() => machine.archiver.attach(writer, 'orders', 0)).toThrow('attached already')
  await log.close()
  machine.archiver.attach(writer, 'orders', 0)
})

function create(options: ArchiverOptions): () => Archiver {
  return () => new Archiver(new InMemoryFileSystem(), CONFIG, archive.store, options)
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
  const { writer, log } = await archive.machine().start()
  await appendSegments(writer, 1)
  await log.waitArchived(1n)
  unsubscribe('sq:archive:upload', listen)
  const key = 'main/orders/0/00000000000000000000.wal'
  const bytes = (await archive.store.head(key))?.bytes
  expect(events).toEqual([{ ...PLACE, key, bytes, archivedOffset: 2n, durationMs: 0 }])
})
