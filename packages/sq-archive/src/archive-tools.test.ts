/** Restoring, verifying and trimming the archive of a log. */
import { ManualClock } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, verify, WalReader, WalWriter } from '@sq/storage'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  deleteArchived,
  FileSource,
  listArchive,
  ObjectStoreFileSystem,
  restoreLog,
  sourceOf,
  verifyArchive,
} from './index.ts'
import { InMemoryObjectStore } from './memory/index.ts'

const config = { dataDir: '/data' }
const place = { prefix: 'main', topic: 'orders', partition: 0 }

let fs: InMemoryFileSystem
let store: InMemoryObjectStore
let clock: ManualClock
/** The contents of the segments by their keys. */
let contents: Map<string, Buffer>

/** An archive of five segments of two records, each stored a second after the one before it. */
beforeEach(async () => {
  fs = new InMemoryFileSystem()
  clock = new ManualClock()
  store = new InMemoryObjectStore({ clock, pageObjects: 2 })
  contents = new Map()
  const writer = await WalWriter.open(fs, config, 'orders', 0, { clock })
  for (const values of ['ab', 'cd', 'ef', 'gh', 'ij']) {
    await writer.appendBatch(values.split('').map((value) => ({ value: Buffer.from(value), timestampMs: clock.now() })))
    await writer.closeActiveSegment()
    clock.advance(1000)
  }
  await writer.close()
  for (const { path, bytes, state } of await listSegments(fs, config, 'orders', 0)) {
    if (state === 'active') continue
    const file = await fs.open(path, 'read')
    const content = Buffer.alloc(bytes)
    await file.read(content, 0)
    await file.close()
    const key = path.replace('/data', 'main')
    contents.set(key, content)
    clock.advance(1000)
    await store.put(key, sourceOf(content))
  }
})

function keyOf(baseOffset: number): string {
  return `main/orders/0/${String(baseOffset).padStart(20, '0')}.wal`
}

async function putAgain(baseOffset: number, change: (content: Buffer) => Buffer = (content) => content): Promise<void> {
  await store.delete(keyOf(baseOffset))
  clock.advance(1000)
  await store.put(keyOf(baseOffset), sourceOf(change(Buffer.from(contents.get(keyOf(baseOffset)) ?? ''))))
}

/** Stores all segments in another store, without times, and of one only its first bytes. */
async function storeCut(baseOffset: number, bytes: number): Promise<void> {
  store = new InMemoryObjectStore()
  for (const [key, content] of contents) {
    await store.put(key, sourceOf(key === keyOf(baseOffset) ? content.subarray(0, bytes) : content))
  }
}

/** Stores another segment, which was abandoned after a failed write. */
async function putAbandoned(): Promise<void> {
  const writer = await WalWriter.open(fs, config, 'orders', 0, { clock })
  await writer.append({ value: Buffer.from('k') })
  fs.faults.failNext('sync', 'EIO')
  await expect(writer.append({ value: Buffer.from('rejected') })).rejects.toThrow()
  const ended = await writer.closeActiveSegment()
  await writer.close()
  expect(ended).toMatchObject({ state: 'abandoned', baseOffset: 10n, nextOffset: 11n })
  const source = await FileSource.open(fs, ended?.path ?? '', ended?.bytes ?? 0)
  clock.advance(1000)
  await store.put(keyOf(10), source)
  await source.close()
}

async function valuesIn(source: WalReader): Promise<string> {
  let values = ''
  for await (const { value } of source.read()) values += String(value)
  return values
}

async function archivedValues(): Promise<string> {
  const archive = new ObjectStoreFileSystem(store, { prefix: 'main' })
  return valuesIn(await WalReader.open(archive, { dataDir: '/' }, 'orders', 0))
}

function deleteAt(nowMs: number, policy: Parameters<typeof deleteArchived>[2]['policy'], dryRun = false) {
  return deleteArchived(store, place, { policy, nowMs, dryRun })
}

/** Changes one bit of a content. */
function flipped(at: number): (content: Buffer) => Buffer {
  return (content) => {
    content.writeUInt8(content.readUInt8(at) ^ 1, at)
    return content
  }
}

describe('restoreLog', () => {
  let target: { fs: InMemoryFileSystem; config: { dataDir: string } }
  beforeEach(() => {
    target = { fs: new InMemoryFileSystem(), config: { dataDir: '/restored' } }
  })

  async function restoredValues(): Promise<string> {
    expect((await verify(target.fs, target.config, 'orders', 0)).problems).toEqual([])
    return valuesIn(await WalReader.open(target.fs, target.config, 'orders', 0))
  }

  /** Appends to the restored log, and shows that the archive goes on with it. */
  async function goOn(): Promise<void> {
    const writer = await WalWriter.open(target.fs, target.config, 'orders', 0, { clock })
    expect(await writer.append({ value: Buffer.from('k') })).toBe(10n)
    const ended = await writer.closeActiveSegment()
    await writer.close()
    const file = await target.fs.open(ended?.path ?? '', 'read')
    const content = Buffer.alloc(ended?.bytes ?? 0)
    await file.read(content, 0)
    await store.put(keyOf(10), sourceOf(content))
    expect((await verifyArchive(store, place, { deep: true })).isSound).toBe(true)
    expect(await archivedValues()).toBe('abcdefghijk')
  }

  test('downloads all of an archive, and the log goes on where the archive ends', async () => {
    const restored = await restoreLog(store, place, target)
    expect(restored).toMatchObject({ logStartOffset: 0n, logEndOffset: 10n, segments: 5 })
    target.fs.crash()
    expect(await restoredValues()).toBe('abcdefghij')
    await goOn()
  })

  test('downloads the newest segments up to a limit, and at least the last', async () => {
    const bytes = contents.get(keyOf(8))?.length ?? 0
    expect(await restoreLog(store, place, target, { maxBytes: bytes * 2 + 1 })).toMatchObject({ logStartOffset: 6n })
    expect(await restoredValues()).toBe('ghij')
    target.fs = new InMemoryFileSystem()
    expect(await restoreLog(store, place, target, { maxBytes: 1 })).toMatchObject({ logStartOffset: 8n, segments: 1 })
    await goOn()
  })

  test('begins an empty log where the archive ends, without downloading it', async () => {
    const restored = { logStartOffset: 10n, logEndOffset: 10n, segments: 0, bytes: 0 }
    expect(await restoreLog(store, place, target, { maxBytes: 0 })).toEqual(restored)
    target.fs.crash()
    expect(await restoreLog(store, place, target, { maxBytes: 0 })).toEqual(restored)
    await goOn()
  })

  test.each([Infinity, 0])('refuses a log that is there, and changes nothing (maxBytes %s)', async (maxBytes) => {
    const writer = await WalWriter.open(target.fs, target.config, 'orders', 0)
    await writer.append({ value: Buffer.from('another') })
    await writer.close()
    const refused = restoreLog(store, place, target, { maxBytes })
    const message = expect.stringContaining(
      'something is there already; open that log if it is the one that you want; otherwise move its directory away, or ' +
        'restore to another data directory',
    )
    await expect(refused).rejects.toMatchObject({ code: 'SQ_WAL_IO', message, cause: { code: 'EEXIST' } })
    expect(await restoredValues()).toBe('another')
  })

  test.each([4, 8])('refuses an archive whose object %i was cut, at any byte', async (baseOffset) => {
    const { length } = contents.get(keyOf(baseOffset)) ?? Buffer.alloc(0)
    for (let bytes = 0; bytes < length; bytes++) {
      await storeCut(baseOffset, bytes)
      await expect(restoreLog(store, place, target), `${bytes} bytes`).rejects.toMatchObject({
        code: expect.stringMatching(/^SQ_ARCHIVE_(DAMAGED|INCOMPLETE)$/),
      })
    }
  })

  test('restores what is there of an archive without a sealed end, if it is asked for a number of bytes', async () => {
    await putAbandoned()
    const bytes = contents.get(keyOf(8))?.length ?? 0
    const message = expect.stringContaining('"main/orders/0/00000000000000000010.wal", has no seal')
    await expect(restoreLog(store, place, target)).rejects.toMatchObject({ code: 'SQ_ARCHIVE_INCOMPLETE', message })
    expect(await restoreLog(store, place, target, { maxBytes: bytes * 2 })).toMatchObject({ logEndOffset: 11n })
    expect(await restoredValues()).toBe('ijk')
  })

  test('restores the newest segments although older ones are missing', async () => {
    await store.delete(keyOf(2))
    const bytes = contents.get(keyOf(8))?.length ?? 0
    expect(await restoreLog(store, place, target, { maxBytes: bytes * 2 })).toMatchObject({ logStartOffset: 6n })
    expect(await restoredValues()).toBe('ghij')
    target.fs = new InMemoryFileSystem()
    expect(await restoreLog(store, place, target, { maxBytes: bytes * 9 })).toMatchObject({ logStartOffset: 4n })
  })

  test('restores no log as a whole if segments are missing in the middle', async () => {
    await store.delete(keyOf(2))
    await expect(restoreLog(store, place, target)).rejects.toMatchObject({
      code: 'SQ_ARCHIVE_INCOMPLETE',
      message: expect.stringContaining('the segments before offset 4 do not lead up to those after it'),
    })
    expect(await target.fs.readdir('/restored/orders').catch(() => [])).toEqual([])
    expect(await restoreLog(store, place, target, { maxBytes: 0 })).toMatchObject({ logStartOffset: 10n })
  })

  test('leaves nothing if the archive is empty, damaged or not reachable', async () => {
    await expect(restoreLog(store, { ...place, topic: 'other' }, target)).rejects.toMatchObject({
      code: 'SQ_WAL_NOT_FOUND',
    })
    await putAgain(4, flipped(200))
    await expect(restoreLog(store, place, target)).rejects.toMatchObject({ code: expect.stringMatching(/^SQ_/) })
    await putAgain(4)
    await expect(restoreLog(store, place, target, { maxBytes: -1 })).rejects.toThrow(RangeError)
    let failures = 0
    for (let hits = 1; hits > 0; failures++) {
      expect(await target.fs.readdir('/restored/orders').catch(() => [])).toEqual([])
      const fault = { error: 'failed' } as const
      const rule = store.faults.add({ on: ['get', 'list', 'head'], when: { nth: failures + 1 }, fault })
      const isRestored = await restoreLog(store, place, target).then(
        () => true,
        () => false,
      )
      expect(isRestored).toBe(rule.hits === 0)
      rule.remove()
      hits = rule.hits
    }
    expect(failures).toBeGreaterThan(15)
    expect(await restoredValues()).toBe('abcdefghij')
  })
})

describe('verifyArchive', () => {
  test.each([0, 4, 8])('finds that the object %i was cut, at any byte', async (baseOffset) => {
    const { length } = contents.get(keyOf(baseOffset)) ?? Buffer.alloc(0)
    expect((await verifyArchive(store, place)).isSound).toBe(true)
    for (let bytes = 0; bytes < length; bytes++) {
      await storeCut(baseOffset, bytes)
      expect((await verifyArchive(store, place)).isSound, `${bytes} bytes`).toBe(false)
    }
  })

  test('reports an abandoned segment at the end, and no longer once the next one is archived', async () => {
    await putAbandoned()
    const { unsealedEnd, isSound } = await verifyArchive(store, place)
    expect([unsealedEnd?.key, isSound]).toEqual([keyOf(10), false])
    const [next] = (await listSegments(fs, config, 'orders', 0)).slice(-1)
    const writer = await WalWriter.open(fs, config, 'orders', 0, { clock })
    await writer.append({ value: Buffer.from('l') })
    const ended = await writer.closeActiveSegment()
    await writer.close()
    expect(ended?.baseOffset).toBe(next?.baseOffset)
    const source = await FileSource.open(fs, ended?.path ?? '', ended?.bytes ?? 0)
    await store.put(keyOf(11), source)
    await source.close()
    expect(await verifyArchive(store, place, { deep: true })).toMatchObject({ unsealedEnd: null, isSound: true })
  })

  test('reports a whole archive, and one that is empty', async () => {
    expect(await verifyArchive(store, place, { deep: true })).toMatchObject({
      isSound: true,
      logStartOffset: 0n,
      logEndOffset: 10n,
      content: { records: 10, problems: [] },
    })
    const empty = { isSound: true, segments: [], bytes: 0, logStartOffset: 0n, logEndOffset: 0n, content: null }
    expect(await verifyArchive(store, { ...place, partition: 1 }, { deep: true })).toMatchObject(empty)
  })

  test('reports every segment that is damaged at its ends, and with deep also one in its middle', async () => {
    await putAgain(4, flipped(50))
    await putAgain(6, (content) => content.subarray(0, -1))
    await store.put('main/orders/0/notes.txt', sourceOf(Buffer.from('notes')))
    const report = await verifyArchive(store, place)
    expect(report).toMatchObject({ isSound: false, gaps: [{ fromOffset: 4n, toOffset: 8n }] })
    expect(report.damaged.map(({ key }) => key)).toEqual([keyOf(4), keyOf(6)])
    expect(report.foreign.map(({ key }) => key)).toEqual(['main/orders/0/notes.txt'])
    await putAgain(4)
    await putAgain(6, flipped(200))
    expect((await verifyArchive(store, place)).isSound).toBe(true)
    expect(await verifyArchive(store, place, { deep: true })).toMatchObject({ isSound: false, damaged: [] })
  })

  test('reports a segment that is missing in the middle, as readers do', async () => {
    await store.delete(keyOf(2))
    const gaps = [{ fromOffset: 2n, toOffset: 4n }]
    expect(await verifyArchive(store, place)).toMatchObject({ isSound: false, gaps, lateUploads: [] })
    await expect(archivedValues()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', firstOffset: 2n, lastOffset: 3n })
  })
})

test('segments of another log before those of this one are reported, and nothing is deleted', async () => {
  const other = new InMemoryFileSystem()
  const writer = await WalWriter.open(other, config, 'orders', 0, { clock })
  await writer.appendBatch([{ value: Buffer.from('x') }, { value: Buffer.from('y') }])
  const ended = await writer.closeActiveSegment()
  const file = await other.open(ended?.path ?? '', 'read')
  const content = Buffer.alloc(ended?.bytes ?? 0)
  await file.read(content, 0)
  await store.delete(keyOf(0))
  await store.put(keyOf(0), sourceOf(content))
  for (const baseOffset of [2, 4, 6, 8]) await putAgain(baseOffset)
  const report = await verifyArchive(store, place)
  expect(report).toMatchObject({ isSound: false, gaps: [], logStartOffset: 2n })
  expect(report.detached.flat().map(({ key }) => key)).toEqual([keyOf(0)])
  const refused = deleteArchived(store, place, { policy: { maxTotalBytes: 0 }, nowMs: 0 })
  await expect(refused).rejects.toMatchObject({ code: 'SQ_ARCHIVE_INCOMPLETE' })
})

describe('a segment that is stored again after retention has deleted it', () => {
  beforeEach(async () => {
    for (const baseOffset of [0, 2, 4]) await store.delete(keyOf(baseOffset))
    for (const baseOffset of [2, 0]) await putAgain(baseOffset)
  })

  test('is no late upload if another one follows it', async () => {
    const { segments, detached, lateUploads } = await listArchive(store, place)
    expect([segments.length, detached.length, lateUploads.length]).toEqual([2, 1, 0])
  })

  test('is ignored by readers, reported, and deleted by retention', async () => {
    await store.delete(keyOf(2))
    expect(await archivedValues()).toBe('ghij')
    const report = await verifyArchive(store, place)
    expect(report).toMatchObject({ isSound: true, gaps: [], logStartOffset: 6n })
    expect(report.lateUploads.map(({ key }) => key)).toEqual([keyOf(0)])
    const deleted = await deleteArchived(store, place, { policy: { belowOffset: 0n }, nowMs: 0 })
    expect([deleted.segments.length, deleted.lateUploads.length]).toEqual([0, 1])
    expect((await listArchive(store, place)).lateUploads).toEqual([])
  })

  test('is ignored, also if the next one was stored again, too', async () => {
    await store.delete(keyOf(2))
    await putAgain(4)
    expect(await archivedValues()).toBe('efghij')
    const { segments, lateUploads, detached } = await listArchive(store, place)
    expect([segments.length, lateUploads.length, detached.length]).toEqual([3, 1, 0])
  })

  test('is ignored where another writer has stored one with the same name', async () => {
    for (const baseOffset of [0, 2]) await store.delete(keyOf(baseOffset))
    expect(await archivedValues()).toBe('ghij')
    const other = new InMemoryFileSystem()
    const options = { firstOffset: 4n }
    await using writer = await WalWriter.open(other, config, 'orders', 0, options)
    await writer.appendBatch([{ value: Buffer.from('x') }, { value: Buffer.from('y') }])
    const segment = await writer.closeActiveSegment()
    const source = await FileSource.open(other, segment?.path ?? '', segment?.bytes ?? 0)
    await store.put(keyOf(4), source)
    expect(await archivedValues()).toBe('ghij')
    expect((await listArchive(store, place)).lateUploads.map(({ key }) => key)).toEqual([keyOf(4)])
    await store.delete(keyOf(4))
    await putAgain(4)
    expect(await archivedValues()).toBe('efghij')
  })
})

describe('deleteArchived', () => {
  test('deletes the oldest segments by offset, size and age, and always keeps the last two', async () => {
    const first = await deleteAt(clock.now(), { belowOffset: 3n })
    expect(first.segments.map(({ baseOffset }) => baseOffset)).toEqual([0n])
    expect(await archivedValues()).toBe('cdefghij')
    const dry = await deleteAt(clock.now(), { maxTotalBytes: 0 }, true)
    expect(dry.segments.map(({ baseOffset }) => baseOffset)).toEqual([2n, 4n])
    expect(await archivedValues()).toBe('cdefghij')
    await deleteAt(clock.now(), { maxTotalBytes: 0, keepFromOffset: 4n })
    expect(await archivedValues()).toBe('efghij')
    await deleteAt(clock.now() + 1000, { maxAgeMs: 1 })
    expect(await archivedValues()).toBe('ghij')
    for (const policy of [{ maxTotalBytes: 0 }, { belowOffset: 10n }, { maxAgeMs: 0 }])
      await deleteAt(clock.now(), policy)
    expect(await archivedValues()).toBe('ghij')
  })

  test('deletes nothing if segments are missing, or for a bad policy', async () => {
    await store.delete(keyOf(2))
    await expect(deleteAt(0, { maxTotalBytes: 0 })).rejects.toMatchObject({
      code: 'SQ_ARCHIVE_INCOMPLETE',
      message: expect.stringContaining('the segments before offset 2 do not lead up to those after it'),
    })
    await putAgain(2)
    await expect(deleteAt(0, {})).rejects.toThrow('policy')
    expect((await listArchive(store, place)).segments).toHaveLength(5)
  })

  test('that is interrupted leaves the log from some segment on', async () => {
    for (let nth = 1; nth <= 3; nth++) {
      const rule = store.faults.add({ on: 'delete', when: { nth: 2 }, fault: { error: 'failed' } })
      await deleteAt(clock.now(), { maxTotalBytes: 0 }).catch(() => {})
      rule.remove()
      expect((await verifyArchive(store, place)).isSound).toBe(true)
      expect('abcdefghij'.endsWith(await archivedValues())).toBe(true)
    }
    expect(await archivedValues()).toBe('ghij')
  })
})
