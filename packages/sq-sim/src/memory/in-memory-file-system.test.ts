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

  it('names what failed and where, as Node does', async () => {
    const fs = new InMemoryFileSystem()
    await (await fs.open('/file', 'create')).close()
    await expect(fs.open('/missing', 'read')).rejects.toThrow("ENOENT: no such file or directory, open '/missing'")
    await expect(fs.open('/file/x', 'create')).rejects.toThrow("ENOTDIR: not a directory, open '/file/x'")
    await expect(fs.unlink('/')).rejects.toThrow("EISDIR: illegal operation on a directory, unlink '/'")
    await expect(fs.rename('/file', '/')).rejects.toMatchObject({ code: 'EISDIR', path: '/file', dest: '/' })
    await expect(fs.open(`/${'x'.repeat(256)}`, 'create')).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    await expect(fs.open('/a\0b', 'create')).rejects.toThrow(TypeError)
  })

  it('shows its files in a memfs volume', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/a')
    await (await fs.open('/a/file', 'create')).write([bytes('seen')], 0)
    expect(fs.volume.toJSON()).toEqual({ '/a/file': 'seen' })
  })

  it('counts handles and locks that were not given up', async () => {
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
  it('leaves what was written, and as undecided as it was', async () => {
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
  it('is in the same state, visible and durable, and goes its own way', async () => {
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
    await clone.syncDirectory('/')
    await copy.sync()
    expect(fs.volume.toJSON()).toEqual({ '/a': null, '/name': 'old new' })
    clone.crash()
    expect(clone.volume.toJSON()).toEqual({ '/a': null, '/name': 'CLONEew' })
    fs.crash()
    expect(fs.volume.toJSON()).toEqual({ '/a/file': 'old ' })
  })

  it('has no handles, locks and faults of the original', async () => {
    const fs = new InMemoryFileSystem()
    await fs.lock('/lock')
    fs.faults.failAlways('stat', 'EIO')
    const clone = fs.clone()
    await clone.stat('/')
    await clone.lock('/lock')
    expect([clone.openHandles, fs.openHandles]).toEqual([1, 1])
  })
})

/** One random operation on `/file`, done to the file system and to a plain buffer. */
async function step(fs: InMemoryFileSystem, random: Random, visible: Buffer): Promise<{ visible: Buffer; synced: boolean }> {
  const file = await fs.open('/file', 'read-write')
  const kind = random.int(4)
  let next = visible
  if (kind <= 1) {
    const position = random.int(3000)
    const data = random.bytes(random.int(1500))
    if (data.byteLength > 0) {
      next = Buffer.alloc(Math.max(visible.byteLength, position + data.byteLength))
      visible.copy(next)
      next.set(data, position)
    }
    await file.write([data.subarray(0, 7), data.subarray(7)], position)
  } else if (kind === 2) {
    next = Buffer.alloc(random.int(4000))
    visible.copy(next)
    await file.truncate(next.byteLength)
  } else {
    await file.sync()
  }
  await file.close()
  return { visible: next, synced: kind === 3 }
}

describe('by chance, over many operations', () => {
  it('reads show all writes; a crash leaves what was synced, or all, as chosen', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed)
      const fs = new InMemoryFileSystem()
      await (await fs.open('/file', 'create')).close()
      await fs.syncDirectory('/')
      let visible: Buffer = Buffer.alloc(0)
      let durable: Buffer = visible
      for (let i = 0; i < 12; i++) {
        const done = await step(fs, random, visible)
        visible = done.visible
        if (done.synced) durable = visible
        const state = fs.crashState()
        const none = state.image({ picks: [] }).entries.get('/file')
        const all = state.image({ picks: state.points.map(({ alternatives }) => alternatives - 1) }).entries.get('/file')
        const message = `seed ${seed}, step ${i}`
        expect(Buffer.compare(Buffer.from(fs.volume.readFileSync('/file')), visible), message).toBe(0)
        expect(Buffer.compare(none ?? Buffer.alloc(0), durable), message).toBe(0)
        expect(Buffer.compare(all ?? Buffer.alloc(0), visible), message).toBe(0)
      }
    }
  })
})

describe('where memfs is not installed', () => {
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
