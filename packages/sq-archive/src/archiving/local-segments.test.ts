/** Which local segments an archiver deletes, and which it keeps. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import { beforeEach, describe, expect, test } from 'vitest'
import { Archiver, DirectoryObjectStore, sourceOf } from '../index.ts'
import type { UploadEvent } from '../index.ts'
import { appendSegments, ArchiveFixture, CONFIG, settle } from './testing/archive-fixture.ts'

let archive: ArchiveFixture
beforeEach(() => {
  archive = new ArchiveFixture()
})

describe('local segments', () => {
  test('are kept, if nothing else is said', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    await machine.archiver.close()
    expect(await machine.segments()).toEqual([0n, 2n, 4n])
  })

  test('are deleted once they are archived, as far as the local retention releases them', async () => {
    const machine = archive.machine({ localRetention: { maxTotalBytes: 0 } })
    const { writer, log } = await machine.start()
    log.archiveBelow = 4n
    await appendSegments(writer, 4)
    await log.waitArchived(3n)
    await settle()
    expect(await machine.segments()).toEqual([4n, 6n])
    expect(await archive.segments()).toEqual([0n, 2n])
  })

  test('are kept where the archive has lost one of them', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await appendSegments(writer, 4)
    await log.waitArchived(7n)
    await machine.archiver.close()
    await writer.close()
    await archive.store.delete('main/orders/0/00000000000000000002.wal')
    const next = archive.machine({ localRetention: { maxTotalBytes: 0 } }, { fs: machine.fs })
    const { writer: again, log: following } = await next.start()
    await appendSegments(again, 1)
    await following.waitArchived(9n)
    await settle()
    expect(await next.segments()).toEqual([2n, 4n, 6n, 8n])
    expect(following.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: /00002\.wal/ })
  })
})

describe('local segments that are archived stay', () => {
  const localRetention = { maxTotalBytes: 1 }

  test('if the archive is empty when it is listed', async () => {
    const machine = archive.machine({ localRetention })
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
    const own = new Archiver(fs, CONFIG, new DirectoryObjectStore(fs, '/data'), { localRetention })
    const writer = await WalWriter.open(fs, CONFIG, 'orders', 0)
    await appendSegments(writer, 2)
    const log = own.attach(writer, 'orders', 0)
    await expect(log.waitArchived(3n)).rejects.toMatchObject({
      code: 'SQ_ARCHIVE_MISMATCH',
      message: expect.stringContaining('has the log itself in /data/orders/0, which is no copy'),
    })
    expect((await listSegments(fs, CONFIG, 'orders', 0)).map(({ baseOffset }) => baseOffset)).toEqual([0n, 2n])
    await own.close()
  })

  test('if the archive loses one while the archiver runs, until it is there again', async () => {
    const machine = archive.machine({ localRetention: { maxTotalBytes: 3 * 4200 } })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    const lost = await archive.objectOf(2n)
    await archive.store.delete(lost.key)
    await appendSegments(writer, 3)
    await log.waitArchived(11n)
    await settle()
    expect((await machine.segments())[0]).toBe(2n)
    expect(log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: lost.key })
    await archive.store.put(lost.key, sourceOf(lost.content))
    await appendSegments(writer, 1)
    await log.waitArchived(13n)
    await settle()
    expect((await machine.segments())[0]).toBeGreaterThan(2n)
    expect(log.stats().lastError).toBeNull()
  })

  test('if an object has the bytes of another log', async () => {
    const first = archive.machine()
    const { writer, log } = await first.start()
    await appendSegments(writer, 3)
    await log.waitArchived(5n)
    await first.archiver.close()
    await writer.close()
    const own = await archive.objectOf(2n)
    const another = archive.machine({ prefix: 'another' }, { seed: 2 })
    const other = await another.start()
    await appendSegments(other.writer, 3)
    await other.log.waitArchived(5n)
    const foreign = Buffer.alloc(own.content.length)
    await archive.store.get(own.key.replace('main', 'another'), foreign, 0)
    await archive.store.delete(own.key)
    await archive.store.put(own.key, sourceOf(foreign))
    const again = archive.machine({ localRetention }, { fs: first.fs })
    const restarted = await again.start()
    await settle()
    expect((await again.segments())[0]).toBe(2n)
    expect(restarted.log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key: own.key })
  })

  test('if the disk refuses, which is told', async () => {
    const machine = archive.machine({ localRetention })
    const { writer, log } = await machine.start()
    machine.fs.faults.failAlways('unlink', 'EIO', (path) => path.endsWith('.wal'))
    await appendSegments(writer, 2)
    await log.waitArchived(3n)
    await settle()
    expect(log.stats().lastError).toMatchObject({ code: 'SQ_WAL_IO' })
  })
})

function deleteUploaded(message: unknown): void {
  void archive.store.delete((message as UploadEvent).key)
}
