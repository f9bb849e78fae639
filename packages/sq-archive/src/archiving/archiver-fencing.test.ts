/** An archiver whose archive has another log, or was continued by another writer. */
import { beforeEach, describe, expect, test } from 'vitest'
import { lastArchived, listArchive } from '../index.ts'
import type { LogArchiver } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'
import { appendSegments, ArchiveFixture, PLACE, settle, withTime } from './testing/archive-fixture.ts'
import type { ArchivingMachine } from './testing/archive-fixture.ts'

let archive: ArchiveFixture
beforeEach(() => {
  archive = new ArchiveFixture()
})

describe('a second writer', () => {
  test('that has archived first fences the log, and nothing is deleted locally', async () => {
    const old = archive.machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await old.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    const last = await lastArchived(archive.store, PLACE)
    const now = archive.machine({}, { seed: 2 })
    const next = await now.start({ firstOffset: 4n, previous: last?.link ?? fail() })
    await appendSegments(next.writer, 1)
    await next.log.waitArchived(5n)
    await appendSegments(writer, 2)
    await expect(log.waitArchived(5n)).rejects.toMatchObject({
      name: 'FencedError',
      code: 'SQ_ARCHIVE_FENCED',
      key: 'main/orders/0/00000000000000000004.wal',
    })
    expect(log.error).toBe(archive.stopped[0])
    expect(archive.stopped).toHaveLength(1)
    expect(await old.segments()).toEqual([4n, 6n])
    await expect(log.waitArchived(5n)).rejects.toBe(log.error)
    await log.close()
    await appendSegments(next.writer, 1)
    await next.log.waitArchived(7n)
  })

  test('that went on, and deleted what was there, is noticed after an upload', async () => {
    const old = archive.machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await old.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    const last = await lastArchived(archive.store, PLACE)
    const next = await archive.machine({}, { seed: 2 }).start({ firstOffset: 4n, previous: last?.link ?? fail() })
    await appendSegments(next.writer, 4)
    await next.log.waitArchived(11n)
    for (const offset of [0, 2, 4, 6])
      await archive.store.delete(`main/orders/0/${String(offset).padStart(20, '0')}.wal`)
    await appendSegments(writer, 1)
    await expect(log.waitArchived(5n)).rejects.toMatchObject({ code: 'SQ_ARCHIVE_FENCED' })
    expect(await old.segments()).toEqual([4n])
    const { segments, detached } = await listArchive(archive.store, PLACE)
    expect(segments.map(({ baseOffset }) => baseOffset)).toEqual([8n, 10n])
    expect(detached.map((run) => run.map(({ baseOffset }) => baseOffset))).toEqual([[4n]])
  })
})

test('a log is fenced if the segment before an upload has disappeared', async () => {
  const { writer, log } = await archive.machine().start()
  await appendSegments(writer, 2)
  await log.waitArchived(3n)
  await archive.store.delete('main/orders/0/00000000000000000002.wal')
  await appendSegments(writer, 1)
  await expect(log.waitArchived(5n)).rejects.toThrow('00002.wal", is no longer there')
  expect(log.error).toMatchObject({ code: 'SQ_ARCHIVE_FENCED' })
})

/** Archives four records, and closes. */
async function archiveFour(): Promise<ArchivingMachine> {
  const machine = archive.machine()
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
  expect(archive.stopped).toEqual([error])
  expect(await archive.segments()).toEqual([0n, 2n])
}

describe('a log that does not continue its archive is refused', () => {
  test('if it was deleted and made again', async () => {
    await archiveFour()
    const machine = archive.machine({ localRetention: { maxTotalBytes: 0 } }, { seed: 2 })
    const writer = await machine.open()
    await appendSegments(writer, 3)
    const log = machine.archiver.attach(writer, 'orders', 0)
    await refused(log, 'states another segment before it', { logStartOffset: 0n, logEndOffset: 6n })
    expect(await machine.segments()).toEqual([0n, 2n, 4n])
  })

  test('if it is behind the archive', async () => {
    await archiveFour()
    const { log } = await archive.machine({}, { seed: 2 }).start()
    await refused(log, 'the log is behind its archive', { logStartOffset: 0n, logEndOffset: 0n })
  })

  test('if it begins after the end of the archive', async () => {
    await archiveFour()
    const { log } = await archive.machine({}, { seed: 2 }).start({ firstOffset: 9n })
    await refused(log, 'the offsets between are lost', { logStartOffset: 9n, logEndOffset: 9n })
  })

  test('if it was reset to the end of the archive without the link to it', async () => {
    const machine = archive.machine({}, { seed: 4 })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await writer.resetTo(4n)
    await appendSegments(writer, 1)
    await withTime(machine.clock, refused(log, 'states another segment before it', { logStartOffset: 4n }))
  })

  test('if it was truncated below what is archived', async () => {
    const { fs } = await archiveFour()
    const machine = archive.machine({}, { fs, seed: 3 })
    const writer = await machine.open()
    await writer.truncate(3n)
    await appendSegments(writer, 2)
    await refused(machine.archiver.attach(writer, 'orders', 0), 'the log was truncated', { logEndOffset: 7n })
  })

  test('if it is truncated below what is archived while it is archived', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await writer.truncate(1n)
    await appendSegments(writer, 2)
    await refused(log, 'the log', { logStartOffset: 0n })
  })
})

test('a log that was trimmed begins no archive where there is none, unless it may', async () => {
  const first = archive.machine({ localRetention: { maxTotalBytes: 1 } })
  const { writer, log } = await first.start()
  await appendSegments(writer, 3)
  await log.waitArchived(5n)
  await first.archiver.close()
  await appendSegments(writer, 1)
  await writer.close()
  // As if the disk of the archive was not mounted.
  const mounted = archive.store
  archive.store = new InMemoryObjectStore()
  const unmounted = archive.machine({ localRetention: { maxTotalBytes: 1 } }, { fs: first.fs })
  const before = await unmounted.segments()
  const trimmed = await unmounted.start()
  await settle()
  expect(archive.stopped).toMatchObject([
    { code: 'SQ_ARCHIVE_MISMATCH', message: expect.stringContaining('is it mounted?') },
  ])
  expect(await unmounted.segments()).toEqual(before)
  await trimmed.writer.close()
  const empty = archive.store
  archive.store = mounted
  const again = archive.machine({}, { fs: first.fs })
  const resumed = await again.start()
  await resumed.log.waitArchived(7n)
  expect(await archive.segments()).toEqual([0n, 2n, 4n, 6n])
  await again.archiver.close()
  archive.store = empty
  const elsewhere = archive.machine({}, { fs: first.fs })
  const begun = elsewhere.archiver.attach(resumed.writer, 'orders', 0, { beginArchive: true })
  await begun.waitArchived(7n)
  expect((await archive.segments()).at(-1)).toBe(6n)
})

function fail(): never {
  throw new Error('the archive is empty')
}
