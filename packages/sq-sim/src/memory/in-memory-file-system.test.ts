import { createRequire } from 'node:module'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Random } from '../random.ts'
import { InMemoryFileSystem } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('InMemoryFileSystem', () => {
  it('resolves every path from the root', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('a/./b/../c/')
    expect(await fs.readdir('/a')).toEqual(['c'])
    await (await fs.open('//a/c/file', 'create')).close()
    expect((await fs.stat('a/c/file')).identity).toBe((await fs.stat('/a/c/file')).identity)
  })

  it('never gives two files the same identity, not even in different file systems or before and after a crash', async () => {
    const one = new InMemoryFileSystem()
    const two = new InMemoryFileSystem()
    const identities = [(await one.stat('/')).identity, (await two.stat('/')).identity]
    one.crash()
    identities.push((await one.stat('/')).identity)
    expect(new Set(identities).size).toBe(3)
  })

  it('names the failed operation and its path, as Node does', async () => {
    const fs = new InMemoryFileSystem()
    await (await fs.open('/file', 'create')).close()
    await expect(fs.open('/missing', 'read')).rejects.toThrow("ENOENT: no such file or directory, open '/missing'")
    await expect(fs.open('/file/x', 'create')).rejects.toThrow("ENOTDIR: not a directory, open '/file/x'")
    await expect(fs.unlink('/')).rejects.toThrow("EISDIR: illegal operation on a directory, unlink '/'")
    await expect(fs.rename('/file', '/')).rejects.toMatchObject({ code: 'EBUSY', path: '/file', dest: '/' })
    await expect(fs.open(`/${'x'.repeat(256)}`, 'create')).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    await expect(fs.open('/a\0b', 'create')).rejects.toThrow(TypeError)
  })

  it('makes an existing parent durable that another process did not sync', async () => {
    const fs = new InMemoryFileSystem()
    fs.faults.add({ on: 'syncDirectory', when: { nth: 2 }, fault: { error: 'EIO' } })
    await expect(fs.mkdir('/a')).rejects.toMatchObject({ code: 'EIO' })
    await fs.mkdir('/a')
    const half = fs.clone()
    half.crash()
    expect(await half.readdir('/')).toEqual([])
    await fs.mkdir('/a/b')
    fs.crash()
    expect(await fs.readdir('/a')).toEqual(['b'])
  })

  it('shows its files in a memfs volume', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/a')
    await (await fs.open('/a/file', 'create')).write([bytes('seen')], 0)
    expect(fs.volume.toJSON()).toEqual({ '/a/file': 'seen' })
  })

  it('counts handles and locks that were not released', async () => {
    const fs = new InMemoryFileSystem()
    const file = await fs.open('/file', 'create')
    const lock = await fs.lock('/lock')
    expect(fs.openHandles).toBe(2)
    fs.faults.failNext('close', 'EIO')
    await expect(file.close()).rejects.toThrow('EIO')
    await lock.release()
    expect(fs.openHandles).toBe(0)
    await fs.open('/file', 'read')
    fs.kill()
    expect(fs.openHandles).toBe(0)
  })
})

describe('a kill', () => {
  it('leaves what was written, durable or undecided as it was', async () => {
    const fs = new InMemoryFileSystem()
    const file = await fs.open('/file', 'create')
    const lock = await fs.lock('/lock')
    await file.write([bytes('text')], 0)
    const { points } = fs.crashState()
    fs.kill()
    expect(fs.volume.toJSON()).toEqual({ '/file': 'text', '/lock': '' })
    expect(fs.crashState().points).toEqual(points)
    await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' })
    await fs.lock('/lock')
    await lock.release()
    await expect(fs.lock('/lock')).rejects.toMatchObject({ code: 'ELOCKED' })
  })
})

describe('a clone', () => {
  it('has the same state, visible and durable, and changes independently', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/a')
    const file = await fs.open('/a/file', 'create')
    await file.writeDurable([bytes('old ')], 0)
    await fs.syncDirectory('/a')
    await file.write([bytes('new')], 4)
    await fs.rename('/a/file', '/name')
    const clone = fs.clone()
    expect(clone.volume.toJSON()).toEqual(fs.volume.toJSON())
    expect(clone.crashState().points).toEqual(fs.crashState().points)

    const copy = await clone.open('/name', 'read-write')
    await copy.write([bytes('CLONE')], 0)
    expect(clone.crashState().points).not.toEqual(fs.crashState().points)
    await clone.syncDirectory('/')
    await copy.sync()
    expect(fs.volume.toJSON()).toEqual({ '/a': null, '/name': 'old new' })
    clone.crash()
    expect(clone.volume.toJSON()).toEqual({ '/a': null, '/name': 'CLONEew' })
    fs.crash()
    expect(fs.volume.toJSON()).toEqual({ '/a/file': 'old ' })
  })

  it('continues the numbering of files and changes of the original', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/a')
    for (const path of ['/a/one', '/one']) await (await fs.open(path, 'create')).close()
    const clone = fs.clone()
    await (await clone.open('/two', 'create')).close()
    const paths = ['/', '/a', '/a/one', '/one', '/two']
    const identities = await Promise.all(paths.map(async (path) => (await clone.stat(path)).identity))
    expect(new Set(identities).size).toBe(5)
    await clone.rename('/two', '/a/two')
    await clone.syncDirectory('/a')
    clone.crash()
    expect(clone.volume.toJSON()).toEqual({ '/a/one': '', '/a/two': '', '/one': '' })
  })

  it('has none of the handles, locks and faults of the original', async () => {
    const fs = new InMemoryFileSystem()
    await fs.lock('/lock')
    fs.faults.failAlways('stat', 'EIO')
    const clone = fs.clone()
    await clone.stat('/')
    await clone.lock('/lock')
    expect([clone.openHandles, fs.openHandles]).toEqual([1, 1])
  })
})

/** The expected content of `/file`. */
interface Oracle {
  visible: Buffer
  /** The durable content, if it is known: after a sync. */
  durable: Buffer | undefined
}

/** Applies one random operation to the file and to the oracle. A write is visible even if its sync fails. */
async function step(fs: InMemoryFileSystem, random: Random, oracle: Oracle): Promise<void> {
  const file = await fs.open('/file', 'read-write')
  const position = random.int(3000)
  const data = random.bytes(1 + random.int(1500))
  const written = Buffer.alloc(Math.max(oracle.visible.byteLength, position + data.byteLength))
  written.set(oracle.visible)
  written.set(data, position)
  switch (random.pick(['write', 'writeDurable', 'truncate', 'sync'])) {
    case 'write':
      oracle.visible = written
      await file.write([data.subarray(0, 7), data.subarray(7)], position)
      break
    case 'writeDurable': {
      oracle.visible = written
      oracle.durable = undefined
      await file.writeDurable([data], position)
      const left = fs.crashState().image({ picks: [] }).entries.get('/file')
      expect(Buffer.compare(left?.subarray(position, position + data.byteLength) ?? Buffer.alloc(0), data)).toBe(0)
      break
    }
    case 'truncate': {
      const size = random.int(4000)
      const cut = Buffer.alloc(size)
      cut.set(oracle.visible.subarray(0, size))
      await file.truncate(size)
      oracle.visible = cut
      break
    }
    default:
      await file.sync()
      oracle.durable = oracle.visible
  }
  await file.close()
}

describe('by chance, over many operations', () => {
  it('reads show all writes; a crash leaves what was synced, or all, as chosen', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed)
      const fs = new InMemoryFileSystem()
      await (await fs.open('/file', 'create')).close()
      await fs.syncDirectory('/')
      const oracle: Oracle = { visible: Buffer.alloc(0), durable: Buffer.alloc(0) }
      for (let i = 0; i < 15; i++) {
        await step(fs, random, oracle)
        const state = fs.crashState()
        const none = state.image({ picks: [] }).entries.get('/file') ?? Buffer.alloc(0)
        const newest = state.points.map(({ alternatives }) => alternatives - 1)
        const all = state.image({ picks: newest }).entries.get('/file') ?? Buffer.alloc(0)
        const message = `seed ${seed}, step ${i}`
        expect(Buffer.compare(Buffer.from(fs.volume.readFileSync('/file')), oracle.visible), message).toBe(0)
        expect(Buffer.compare(all, oracle.visible), message).toBe(0)
        if (oracle.durable) expect(Buffer.compare(none, oracle.durable), message).toBe(0)
      }
    }
  })
})

describe('by chance, with syncs that fail', () => {
  it('reads show all writes, and what is written again and synced is durable whatever was lost before', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed)
      const fs = new InMemoryFileSystem()
      await (await fs.open('/file', 'create')).close()
      await fs.syncDirectory('/')
      const fault = { error: 'EIO', lostPages: random.fork() }
      fs.faults.add({ on: 'sync', when: { chance: 0.3, random: random.fork() }, fault })
      const oracle: Oracle = { visible: Buffer.alloc(0), durable: undefined }
      for (let i = 0; i < 15; i++) {
        await step(fs, random, oracle).catch(() => {})
        const seen = Buffer.from(fs.volume.readFileSync('/file'))
        expect(Buffer.compare(seen, oracle.visible), `seed ${seed}, step ${i}`).toBe(0)
      }
      fs.faults.clear()
      const file = await fs.open('/file', 'read-write')
      await file.write([oracle.visible], 0)
      await file.sync()
      expect(fs.crashState().points).toEqual([])
      fs.crash({ picks: [], fill: 'garbage' })
      expect(Buffer.compare(Buffer.from(fs.volume.readFileSync('/file')), oracle.visible), `seed ${seed}`).toBe(0)
    }
  })
})

describe('if memfs is not installed', () => {
  const require = createRequire(import.meta.url)
  const memfs = require.resolve('memfs')
  const loaded = require.cache[memfs]
  afterEach(() => {
    if (loaded) require.cache[memfs] = loaded
    vi.resetModules()
  })

  it('says what to install', async () => {
    const broken = {
      get: () => {
        throw new Error('Cannot find module')
      },
    }
    require.cache[memfs] = Object.defineProperty(Object.create(loaded ?? null), 'exports', broken)
    vi.resetModules()
    await expect(import('./index.ts')).rejects.toThrow(/npm install --save-dev memfs/)
  })
})
