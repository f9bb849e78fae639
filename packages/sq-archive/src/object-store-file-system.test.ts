/** Logs in an object store, read through it as a file system. */
import { crc32 } from 'node:zlib'
import { ManualClock } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listPartitions, listSegments, verify, WalReader, WalWriter } from '@sq/storage'
import { beforeEach, describe, expect, test } from 'vitest'
import { DirectoryObjectStore, ObjectStoreFileSystem, sourceOf } from './index.ts'
import type { ObjectStore } from './index.ts'
import { InMemoryObjectStore } from './memory/index.ts'

const MIB = 1024 * 1024
const config = { dataDir: '/' }

/**
 * A log of three segments and one of another partition, on a disk; the last segment of the first has a large record.
 */
async function localLogs(): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  for (const partition of [0, 1]) {
    const writer = await WalWriter.open(fs, { dataDir: '/data' }, 'orders', partition, { clock: new ManualClock() })
    for (const values of [['a', 'b'], ['c'], ['d', 'e', 'x'.repeat(3 * MIB)]]) {
      await Promise.all(values.map((value) => writer.append({ value: Buffer.from(value) })))
      await writer.closeActiveSegment()
    }
    await writer.close()
  }
  return fs
}

async function contentOf(fs: InMemoryFileSystem, path: string, bytes: number): Promise<Buffer> {
  const file = await fs.open(path, 'read')
  const content = Buffer.alloc(bytes)
  await file.read(content, 0)
  await file.close()
  return content
}

/** Stores every ended segment under the name that it has. */
async function storeAll(fs: InMemoryFileSystem, store: ObjectStore, prefix: string): Promise<void> {
  for (const partition of [0, 1]) {
    for (const { path, bytes } of await listSegments(fs, { dataDir: '/data' }, 'orders', partition)) {
      await store.put(prefix + path.slice('/data/'.length), sourceOf(await contentOf(fs, path, bytes)))
    }
  }
}

/** The records, with the checksum of each value. */
async function readAll(reader: WalReader, from?: bigint): Promise<string[]> {
  const records: string[] = []
  for await (const { offset, value } of reader.read(from === undefined ? {} : { from })) {
    records.push(`${offset} ${crc32(value ?? '')}`)
  }
  return records
}

describe.each([
  ['in memory', () => new InMemoryObjectStore(), ''],
  ['in memory, in pages of two, below a prefix', () => new InMemoryObjectStore({ pageObjects: 2 }), 'backup/main'],
  ['a directory', () => new DirectoryObjectStore(new InMemoryFileSystem(), '/objects'), 'main'],
])('logs in a store %s', (_, create, prefix) => {
  let local: InMemoryFileSystem
  let archive: ObjectStoreFileSystem
  beforeEach(async () => {
    local = await localLogs()
    const store = create()
    await storeAll(local, store, prefix === '' ? '' : `${prefix}/`)
    archive = new ObjectStoreFileSystem(store, { prefix })
  })

  test('have the same records', async () => {
    const here = await readAll(await WalReader.open(local, { dataDir: '/data' }, 'orders', 0))
    const there = await readAll(await WalReader.open(archive, config, 'orders', 0))
    expect(there).toEqual(here)
    expect(there).toHaveLength(6)
    expect(await readAll(await WalReader.open(archive, config, 'orders', 1), 3n)).toHaveLength(3)
  })

  test('verify without a problem', async () => {
    expect(await verify(archive, config, 'orders', 0)).toMatchObject({ problems: [], records: 6 })
  })

  test('are listed, with their segments', async () => {
    const found = await listPartitions(archive, config)
    expect(found.map(({ topic, partition, error }) => [topic, partition, error])).toEqual([
      ['orders', 0, undefined],
      ['orders', 1, undefined],
    ])
    const here = await listSegments(local, { dataDir: '/data' }, 'orders', 0)
    const there = await listSegments(archive, config, 'orders', 0)
    expect(there).toEqual(here.map((segment) => ({ ...segment, path: segment.path.slice('/data'.length) })))
  })

  test('cannot be opened for writing', async () => {
    await expect(WalWriter.open(archive, config, 'orders', 0)).rejects.toMatchObject({ cause: { code: 'EROFS' } })
  })
})

/** The number of operations of the disk that listing this number of logs in a directory store takes. */
async function operationsToList(logs: number): Promise<number> {
  const disk = new InMemoryFileSystem()
  const store = new DirectoryObjectStore(disk, '/objects')
  for (let log = 0; log < logs; log++) {
    await store.put(`orders/${log}/00000000000000000000.wal`, sourceOf(Buffer.from('segment')))
  }
  let operations = 0
  disk.operations.observe(({ phase }) => {
    if (phase === 'start') operations++
  })
  const found = await listPartitions(new ObjectStoreFileSystem(store), config)
  expect(found).toHaveLength(logs)
  return operations
}

test('to list ten times as many logs in a directory store takes ten times as many operations', async () => {
  const few = await operationsToList(10)
  expect(few).toBeGreaterThan(10)
  expect(await operationsToList(100)).toBeLessThanOrEqual(10 * few)
})

describe('the file system of a store', () => {
  let store: InMemoryObjectStore
  let fs: ObjectStoreFileSystem
  beforeEach(async () => {
    store = new InMemoryObjectStore()
    fs = new ObjectStoreFileSystem(store)
    for (const key of ['b/0/1.wal', 'b/0/2.wal', 'b/1/1.wal', 'b.txt', 'a/0/1.wal']) {
      await store.put(key, sourceOf(Buffer.from(key)))
    }
  })

  test('has the names of a directory, and lists nothing below them', async () => {
    const rule = store.faults.add({ on: 'list', when: { nth: 100 }, fault: { error: 'failed' } })
    expect(await fs.readdir('/')).toEqual(['a', 'b.txt', 'b'])
    expect(await fs.readdir('/b/0')).toEqual(['1.wal', '2.wal'])
    expect(rule.hits).toBe(0)
    await expect(fs.readdir('/c')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'readdir', path: '/c' })
    await expect(fs.readdir('/b.txt')).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  test.each([
    ['pollMs', [0, -1, 0.5, Number.NaN, Infinity, 2 ** 31]],
    ['maxCacheBytes', [-1, 0.5, Number.NaN]],
  ])('refuses a bad %s at once', (option, values) => {
    for (const value of values) {
      const open = () => new ObjectStoreFileSystem(store, { [option]: value })
      expect(open).toThrow(RangeError)
      expect(open).toThrow(new RegExp(`^${option} must be a whole number from [01] .*: ${value}$`))
    }
  })

  test('asks the store for the names of a directory as often as it has pages of them', async () => {
    for (let folder = 0; folder < 100; folder++) await store.put(`many/${folder}/1.wal`, sourceOf(Buffer.from('1')))
    const second = store.faults.add({ on: 'list', when: { nth: 2 }, fault: { error: 'failed' } })
    expect(await fs.readdir('/many')).toHaveLength(100)
    expect(second.hits).toBe(0)
  })

  test('tells files from directories, and each from others', async () => {
    expect(await fs.stat('/b/0/1.wal')).toMatchObject({ kind: 'file', sizeBytes: 9 })
    expect(await fs.stat('/b/0')).toMatchObject({ kind: 'directory' })
    expect(await fs.stat('/')).toMatchObject({ kind: 'directory' })
    for (const path of ['/b/2', '/b/0/1', '/b/0/1.wal/2', '/x.tmp']) {
      await expect(fs.stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    }
    const paths = ['/b/0/1.wal', '/b/1/1.wal', '/b/0', '/b', '/']
    const identities = await Promise.all(paths.map(async (path) => (await fs.stat(path)).identity))
    expect(new Set(identities).size).toBe(paths.length)
    const again = new ObjectStoreFileSystem(store)
    expect((await again.stat('/b/0/../0/1.wal')).identity).toBe(identities[0])
    const file = await again.open('/b/0/1.wal', 'read')
    expect(await file.identity()).toBe(identities[0])
    const other = new ObjectStoreFileSystem(new InMemoryObjectStore())
    expect((await other.stat('/')).identity).not.toBe(identities.at(-1))
  })

  test('reads from any position, and not after the end or after closing', async () => {
    const file = await fs.open('/b/0/1.wal', 'read')
    expect(await file.size()).toBe(9)
    const buffer = Buffer.alloc(4)
    const at = async (position: number) => buffer.toString('utf8', 0, await file.read(buffer, position))
    expect([await at(0), await at(6), await at(9), await at(99)]).toEqual(['b/0/', 'wal', '', ''])
    await file.close()
    await expect(file.read(buffer, 0)).rejects.toMatchObject({ code: 'EBADF' })
    await expect(fs.open('/b/0', 'read')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(fs.open('/b/3', 'read')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('changes nothing', async () => {
    const changes = [
      fs.open('/c', 'create'),
      fs.open('/b.txt', 'read-write'),
      fs.mkdir('/c'),
      fs.unlink('/b.txt'),
      fs.rmdir('/b'),
      fs.link('/b.txt', '/c'),
      fs.rename('/b.txt', '/c'),
      fs.syncDirectory('/'),
      fs.lock('/lock'),
    ]
    for (const change of changes) await expect(change).rejects.toMatchObject({ code: 'EROFS' })
    const file = await fs.open('/b.txt', 'read')
    for (const change of [file.write([], 0), file.writeDurable([], 0), file.sync(), file.truncate(0)]) {
      await expect(change).rejects.toMatchObject({ code: 'EBADF' })
    }
    expect(await fs.readdir('/')).toHaveLength(3)
  })

  test('reports the errors of the store, and tries again the next time', async () => {
    const buffer = Buffer.alloc(9)
    const file = await fs.open('/b/0/1.wal', 'read')
    store.faults.add({ on: 'get', fault: { error: 'failed' } })
    await expect(file.read(buffer, 0)).rejects.toMatchObject({ code: 'EIO', cause: { code: 'failed' } })
    store.faults.add({ on: 'get', fault: { error: 'denied' } })
    await expect(file.read(buffer, 0)).rejects.toMatchObject({ code: 'EACCES' })
    store.faults.add({ on: 'get', fault: { shortBytes: 3 } })
    await expect(file.read(buffer, 0)).rejects.toThrow('expected 9')
    expect(await file.read(buffer, 0)).toBe(9)
    store.faults.add({ on: 'list', fault: { error: 'denied' } })
    await expect(fs.readdir('/')).rejects.toMatchObject({ code: 'EACCES' })
    store.faults.add({ on: 'head', fault: { error: 'failed' } })
    await expect(fs.open('/b.txt', 'read')).rejects.toMatchObject({ code: 'EIO' })
    await store.delete('b/0/2.wal')
    await expect(fs.open('/b/0/2.wal', 'read')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('fetches a block once for all who want it, and again when it has been dropped from memory', async () => {
    const rule = store.faults.add({ on: 'get', when: { nth: 1000 }, fault: { error: 'failed' } })
    const gets = recordGets(store)
    const buffer = Buffer.alloc(4)
    const file = await fs.open('/b/0/1.wal', 'read')
    await Promise.all([
      file.read(buffer, 0),
      file.read(buffer, 3),
      (await fs.open('/b/0/1.wal', 'read')).read(buffer, 1),
    ])
    expect(gets).toHaveLength(1)
    const small = new ObjectStoreFileSystem(store, { maxCacheBytes: 10 })
    for (const path of ['/b/0/1.wal', '/b/0/2.wal', '/b/0/1.wal'])
      await (await small.open(path, 'read')).read(buffer, 0)
    expect(gets).toHaveLength(4)
    rule.remove()
  })

  describe('reads ahead', () => {
    const BLOCK_BYTES = 256 * 1024
    let gets: Get[]
    beforeEach(async () => {
      await store.put('large', sourceOf(Buffer.alloc(40 * MIB, 'large ')))
      gets = recordGets(store)
    })

    test('nothing where it jumps', async () => {
      const file = await fs.open('/large', 'read')
      for (const position of [0, 10 * MIB, 19 * MIB, 10 * MIB]) await file.read(Buffer.alloc(64 * 1024), position)
      expect(gets).toHaveLength(3)
      expect(bytesOf(gets)).toBe(3 * BLOCK_BYTES)
    })

    test('where it reads in order, each byte once, in requests of up to 2 MiB', async () => {
      const file = await fs.open('/large', 'read')
      const buffer = Buffer.alloc(64 * 1024)
      for (let position = 0; position < 40 * MIB; position += buffer.length) {
        expect(await file.read(buffer, position)).toBe(buffer.length)
      }
      expect(bytesOf(gets)).toBe(40 * MIB)
      expect(Math.max(...gets.map(({ bytes }) => bytes))).toBe(2 * MIB)
      expect(gets.length).toBeLessThan(30)
    })

    test('twice as much as it has read, and never more than 16 MiB', async () => {
      const file = await fs.open('/large', 'read')
      for (let position = 0; position < 24 * MIB; position += BLOCK_BYTES) {
        const end = position + BLOCK_BYTES
        await file.read(Buffer.alloc(BLOCK_BYTES), position)
        const ahead = bytesOf(gets) - end
        expect(ahead).toBeLessThanOrEqual(Math.min(2 * end, 16 * MIB))
        // It asks for more when it has read one of the requests.
        if (position >= 10 * MIB) expect(ahead).toBeGreaterThan(Math.min(16 * MIB - 2 * MIB, 40 * MIB - end - 1))
      }
    })

    test('also if the next read begins before the last one has ended', async () => {
      const file = await fs.open('/large', 'read')
      const reads: Promise<number>[] = []
      for (let position = 0; position < 8 * MIB; position += MIB) {
        reads.push(file.read(Buffer.alloc(MIB), position))
      }
      expect(await Promise.all(reads)).toEqual(Array.from({ length: 8 }, () => MIB))
      expect(bytesOf(gets)).toBeGreaterThan(16 * MIB)
    })

    test('again after a jump back', async () => {
      const small = new ObjectStoreFileSystem(store, { maxCacheBytes: 2 * MIB })
      const file = await small.open('/large', 'read')
      const read = async (position: number) => file.read(Buffer.alloc(BLOCK_BYTES), position)
      for (let position = 8 * MIB; position < 16 * MIB; position += BLOCK_BYTES) await read(position)
      gets.length = 0
      for (let position = 0; position < MIB; position += BLOCK_BYTES) await read(position)
      expect(bytesOf(gets)).toBeGreaterThan(MIB)
      expect(gets.every(({ position }) => position < 2 * MIB)).toBe(true)
    })

    test('with half of the memory for all files together, so each byte is asked for once', async () => {
      const names = Array.from({ length: 20 }, (_, index) => `also/${index}`)
      for (const name of names) await store.put(name, sourceOf(Buffer.alloc(3 * MIB, name)))
      const shared = new ObjectStoreFileSystem(store, { maxCacheBytes: 16 * MIB })
      const files = await Promise.all(names.map((name) => shared.open(`/${name}`, 'read')))
      for (let position = 0; position < 3 * MIB; position += BLOCK_BYTES) {
        for (const file of files) await file.read(Buffer.alloc(BLOCK_BYTES), position)
      }
      expect(bytesOf(gets)).toBe(20 * 3 * MIB)
      // A file that is closed leaves its part to the others.
      for (const file of files.slice(1)) await file.close()
      gets.length = 0
      const [, other] = await Promise.all([files[0]?.close(), shared.open('/large', 'read')])
      for (let position = 0; position < 8 * MIB; position += BLOCK_BYTES) {
        await other.read(Buffer.alloc(BLOCK_BYTES), position)
      }
      expect(bytesOf(gets)).toBeGreaterThan(14 * MIB)
    })

    test('and tells a failure only when those bytes are needed, which asks again', async () => {
      const file = await fs.open('/large', 'read')
      const read = async (position: number) => file.read(Buffer.alloc(BLOCK_BYTES), position)
      store.faults.add({ on: 'get', when: { nth: 3 }, fault: { error: 'failed' } })
      await read(0)
      await read(BLOCK_BYTES)
      expect(gets).toHaveLength(3)
      expect(await read(2 * BLOCK_BYTES)).toBe(BLOCK_BYTES)
    })
  })

  test('keeps no more than its memory, and drops what was used least recently', async () => {
    await store.put('large', sourceOf(Buffer.alloc(4 * MIB, 'large ')))
    const gets = recordGets(store)
    const small = new ObjectStoreFileSystem(store, { maxCacheBytes: MIB })
    const file = await small.open('/large', 'read')
    const read = async (position: number) => file.read(Buffer.alloc(10), position)
    for (const position of [0, 1, 2, 3]) await read(position * MIB)
    await read(0)
    expect(gets).toHaveLength(4)
    await read(0.5 * MIB)
    await read(0)
    expect(gets).toHaveLength(5)
    await read(MIB)
    expect(gets).toHaveLength(6)
  })

  test('asks the store for the same only once in a while', async () => {
    const clock = new ManualClock()
    const reading = new ObjectStoreFileSystem(store, { clock, pollMs: 1000 })
    const requests = countRequests(store)
    const look = async () => {
      for (const path of ['/b', '/b/0']) expect((await reading.stat(path)).kind).toBe('directory')
    }
    await look()
    expect(requests()).toBe(1)
    await reading.readdir('/b/0')
    await look()
    const file = await reading.open('/b/0/2.wal', 'read')
    expect([await file.size(), requests()]).toEqual([9, 2])
    clock.advance(999)
    await look()
    expect(requests()).toBe(2)
    clock.advance(1)
    await look()
    await reading.open('/b/0/2.wal', 'read')
    expect(requests()).toBe(4)
    for (const key of ['b/0/1.wal', 'b/0/2.wal']) await store.delete(key)
    clock.advance(1000)
    await expect(reading.stat('/b/0')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('believes what it was told for as long, whenever that was', async () => {
    const clock = new ManualClock()
    const reading = new ObjectStoreFileSystem(store, { clock, pollMs: 1000 })
    clock.advance(600)
    await reading.readdir('/b/0')
    const requests = countRequests(store)
    // In the meantime, what was seen before is dropped.
    for (const ms of [500, 499]) {
      clock.advance(ms)
      expect((await reading.stat('/b/0/2.wal')).sizeBytes).toBe(9)
    }
    expect(requests()).toBe(0)
    clock.advance(1)
    await reading.stat('/b/0/2.wal')
    expect(requests()).toBe(1)
  })

  test('an object that was deleted after it was listed is missing when it is read', async () => {
    await fs.readdir('/b/0')
    await store.delete('b/0/1.wal')
    const file = await fs.open('/b/0/1.wal', 'read')
    await expect(file.read(Buffer.alloc(4), 0)).rejects.toMatchObject({ code: 'ENOENT', syscall: 'read' })
  })

  test('a watch calls back every few seconds until it is closed', async () => {
    const clock = new ManualClock()
    const watched = new ObjectStoreFileSystem(store, { clock, pollMs: 1000 })
    let calls = 0
    const watch = await watched.watch('/b/0', () => calls++)
    clock.advance(2500)
    expect(calls).toBe(2)
    watch.close()
    clock.advance(5000)
    expect([calls, clock.timers]).toEqual([2, 0])
    await expect(watched.watch('/c', () => {})).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

interface Get {
  readonly position: number
  readonly bytes: number
}

/** The reads from a store since the call. */
function recordGets(store: InMemoryObjectStore): Get[] {
  const gets: Get[] = []
  const get = store.get.bind(store)
  store.get = (key, buffer, position) => {
    gets.push({ position, bytes: buffer.length })
    return get(key, buffer, position)
  }
  return gets
}

function bytesOf(gets: readonly Get[]): number {
  return gets.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** The number of listings and of requests for one object since the call. */
function countRequests(store: InMemoryObjectStore): () => number {
  let count = 0
  const [list, head] = [store.list.bind(store), store.head.bind(store)]
  store.list = (...args) => {
    count++
    return list(...args)
  }
  store.head = (...args) => {
    count++
    return head(...args)
  }
  return () => count
}
