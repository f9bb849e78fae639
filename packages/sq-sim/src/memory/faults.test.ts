import { describe, expect, it } from 'vitest'
import type { FileHandle } from '../file-system.ts'
import { Random } from '../random.ts'
import { InMemoryFileSystem } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** A file system with one durable file, `/file`, which is open. */
async function withFile(text = ''): Promise<{ fs: InMemoryFileSystem; file: FileHandle; read: () => Promise<string> }> {
  const fs = new InMemoryFileSystem()
  const file = await fs.open('/file', 'create')
  await file.writeDurable([bytes(text)], 0)
  await fs.syncDirectory('/')
  fs.operations.resetCounts()
  const read = async (): Promise<string> => {
    const buffer = Buffer.alloc(await file.size())
    await file.read(buffer, 0)
    return buffer.toString()
  }
  return { fs, file, read }
}

/** The operations at which a fault of probability 0.5 strikes. */
async function chances(seed: number): Promise<string> {
  const fs = new InMemoryFileSystem()
  fs.faults.add({ on: 'stat', when: { chance: 0.5, random: new Random(seed) }, fault: { error: 'EIO' } })
  let all = ''
  for (let i = 0; i < 40; i++)
    all += await fs.stat('/').then(
      () => '.',
      () => 'x',
    )
  return all
}

describe('a fault', () => {
  it('looks like an error of Node', async () => {
    const { fs, file } = await withFile()
    fs.faults.failNext('sync', 'EIO')
    const failed: unknown = await file.sync().catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'EIO', errno: -5, syscall: 'fsync', path: '/file' })
    expect(failed).toHaveProperty('message', "EIO: i/o error, fsync '/file'")
    fs.faults.failNext('rename', 'EACCES')
    await expect(fs.rename('/file', '/other')).rejects.toThrow("EACCES: permission denied, rename '/file' -> '/other'")
  })

  it('strikes the next operation of its kind and no other', async () => {
    const { fs, file } = await withFile()
    const rule = fs.faults.failNext('sync', 'EIO')
    await file.write([bytes('x')], 0)
    expect(rule.hits).toBe(0)
    await expect(file.sync()).rejects.toThrow('EIO')
    await file.sync()
    expect(rule.hits).toBe(1)
  })

  it.each([
    ['open', (fs) => fs.open('/file', 'read')],
    ['create', (fs) => fs.open('/new', 'create')],
    ['read', (_, file) => file.read(new Uint8Array(1), 0)],
    ['write', (_, file) => file.write([bytes('x')], 0)],
    ['write', (_, file) => file.writeDurable([bytes('x')], 0)],
    ['sync', (_, file) => file.sync()],
    ['sync', (_, file) => file.writeDurable([bytes('x')], 0)],
    ['truncate', (_, file) => file.truncate(0)],
    ['size', (_, file) => file.size()],
    ['close', (_, file) => file.close()],
    ['mkdir', (fs) => fs.mkdir('/a/b')],
    ['readdir', (fs) => fs.readdir('/')],
    ['stat', (fs) => fs.stat('/file')],
    ['unlink', (fs) => fs.unlink('/file')],
    ['rename', (fs) => fs.rename('/file', '/new')],
    ['syncDirectory', (fs) => fs.syncDirectory('/')],
    ['syncDirectory', (fs) => fs.mkdir('/a')],
    ['lock', (fs) => fs.lock('/lock')],
  ] as const satisfies [unknown, (fs: InMemoryFileSystem, file: FileHandle) => Promise<unknown>][])(
    'strikes %s (%s), once',
    async (operation, use) => {
      const { fs, file } = await withFile()
      const rule = fs.faults.failNext(operation, 'ENOMEM')
      await expect(use(fs, file)).rejects.toMatchObject({ code: 'ENOMEM' })
      expect(rule.hits).toBe(1)
      if (operation !== 'close') await use(fs, file)
      else await file.close()
    },
  )

  it('applies only if the path matches; for a rename either of its two', async () => {
    const { fs } = await withFile()
    fs.faults.failAlways(['stat', 'rename'], 'EIO', '/b')
    await fs.stat('/file')
    await fs.rename('/file', '/a')
    await expect(fs.rename('/a', '/b')).rejects.toThrow('EIO')
    await expect(fs.stat('/x/../b')).rejects.toThrow('EIO')
    fs.faults.clear()
    fs.faults.failAlways('stat', 'EIO', /a$/g)
    await expect(fs.stat('/a')).rejects.toThrow('EIO')
    await expect(fs.stat('/a')).rejects.toThrow('EIO')
    await fs.stat('/')
    fs.faults.clear()
    fs.faults.failAlways('stat', 'EIO', (path) => path.length === 1)
    await expect(fs.stat('/')).rejects.toThrow('EIO')
    await fs.stat('/a')
  })

  it('matches an open file by its current name', async () => {
    const { fs, file } = await withFile()
    await fs.rename('/file', '/name')
    fs.faults.failAlways('sync', 'EIO', '/name')
    await expect(file.sync()).rejects.toThrow("EIO: i/o error, fsync '/name'")
  })

  it('has lower priority than an older one', async () => {
    const { fs } = await withFile()
    fs.faults.failNext('stat', 'EIO')
    fs.faults.failNext('stat', 'ENOMEM')
    await expect(fs.stat('/')).rejects.toThrow('EIO')
    await fs.stat('/')
  })

  it('strikes the n-th time, once', async () => {
    const { fs } = await withFile()
    fs.faults.add({ on: 'stat', when: { nth: 3 }, fault: { error: 'EIO' } })
    const outcomes: string[] = []
    for (let i = 0; i < 5; i++)
      outcomes.push(
        await fs.stat('/').then(
          () => 'ok',
          () => 'failed',
        ),
      )
    expect(outcomes).toEqual(['ok', 'ok', 'failed', 'ok', 'ok'])
  })

  it('strikes every time until it is removed', async () => {
    const { fs } = await withFile()
    const rule = fs.faults.failAlways('stat', 'EIO')
    for (let i = 0; i < 3; i++) await expect(fs.stat('/')).rejects.toThrow('EIO')
    rule.remove()
    await fs.stat('/')
  })

  it('strikes by chance, the same way for the same seed', async () => {
    const first = await chances(1)
    expect(first).toMatch(/x.*\..*x/)
    expect(await chances(1)).toBe(first)
    expect(await chances(2)).not.toBe(first)
  })
})

describe('a write', () => {
  it('that reaches a full disk after some bytes has written those', async () => {
    const { fs, file, read } = await withFile()
    fs.faults.add({ on: 'write', fault: { error: 'ENOSPC', afterBytes: 5 } })
    await expect(file.write([bytes('abc'), bytes('defg')], 0)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await read()).toBe('abcde')
    fs.crash()
    expect((await fs.stat('/file')).sizeBytes).toBe(0)
  })

  it('continues after a short write', async () => {
    const { fs, file, read } = await withFile()
    fs.faults.add({ on: 'write', fault: { shortBytes: 4 } })
    await file.writeDurable([bytes('abc'), bytes('defg')], 0)
    expect(await read()).toBe('abcdefg')
    expect([fs.operations.count('write'), fs.operations.count('sync')]).toEqual([2, 1])
  })

  it('retries after EINTR, but not for ever', async () => {
    const { fs, file, read } = await withFile()
    fs.faults.failNext('write', 'EINTR')
    await file.write([bytes('abc')], 0)
    expect(await read()).toBe('abc')
    fs.faults.failAlways('write', 'EINTR')
    await expect(file.write([bytes('abc')], 0)).rejects.toMatchObject({ code: 'EINTR' })
  })

  it('fails if the system accepts no byte several times in a row', async () => {
    const { fs, file } = await withFile()
    fs.faults.add({ on: 'write', when: 'always', fault: { shortBytes: 0 } })
    await expect(file.write([bytes('abc')], 0)).rejects.toMatchObject({ code: 'EIO' })
  })

  it('that fails, when durable, makes no sync', async () => {
    const { fs, file } = await withFile()
    fs.faults.failNext('write', 'EIO')
    await expect(file.writeDurable([bytes('x')], 0)).rejects.toThrow('EIO')
    expect(fs.operations.count('sync')).toBe(0)
  })
})

describe('a read', () => {
  it('returns one bit wrong, once', async () => {
    const { fs, read } = await withFile('AAAA')
    fs.faults.add({ on: 'read', fault: { flipBit: 32 + 9 } })
    expect(await read()).toBe('ACAA')
    expect(await read()).toBe('AAAA')
  })

  it('retries after EINTR, but not for ever', async () => {
    const { fs, read } = await withFile('AAAA')
    fs.faults.failNext('read', 'EINTR')
    expect(await read()).toBe('AAAA')
    fs.faults.failAlways('read', 'EINTR')
    await expect(read()).rejects.toMatchObject({ code: 'EINTR' })
  })
})

describe('a delay', () => {
  it('lets that many turns of the event loop pass', async () => {
    const { fs } = await withFile()
    fs.faults.add({ on: 'stat', fault: { turns: 50 } })
    const order: string[] = []
    const slow = fs.stat('/').then(() => order.push('slow'))
    const quick = fs.stat('/').then(() => order.push('quick'))
    await Promise.all([slow, quick])
    expect(order).toEqual(['quick', 'slow'])
  })

  it('is applied before another fault of the same operation', async () => {
    const { fs } = await withFile()
    fs.faults.failNext('stat', 'EIO')
    fs.faults.add({ on: 'stat', fault: { turns: 5 } })
    await expect(fs.stat('/')).rejects.toThrow('EIO')
    await fs.stat('/')
  })
})

describe('a hold', () => {
  it('keeps an operation in flight until it is released', async () => {
    const { fs, file, read } = await withFile('old')
    const held = fs.faults.hold('write')
    let done = false
    const write = file.write([bytes('new')], 0).then(() => (done = true))
    await held.reached
    expect(await read()).toBe('old')
    expect(done).toBe(false)
    held.release()
    await write
    expect(await read()).toBe('new')
  })

  it('holds nothing if it is released before any operation comes', async () => {
    const { fs } = await withFile()
    fs.faults.hold('stat').release()
    await fs.stat('/')
  })

  it('makes close wait', async () => {
    const { fs, file } = await withFile()
    const held = fs.faults.hold('sync')
    const order: string[] = []
    const sync = file.sync().then(() => order.push('synced'))
    await held.reached
    const close = file.close().then(() => order.push('closed'))
    held.release()
    await Promise.all([sync, close])
    expect(order).toEqual(['synced', 'closed'])
  })

  it.each(['crash', 'kill'] as const)('ends at a %s: the operation rejects and does nothing', async (end) => {
    const { fs, file } = await withFile('old')
    const held = fs.faults.hold(['write', 'unlink'])
    const write = file.write([bytes('new')], 0)
    await held.reached
    fs[end]()
    await expect(write).rejects.toMatchObject({ code: 'EBADF' })
    const buffer = Buffer.alloc(3)
    await (await fs.open('/file', 'read')).read(buffer, 0)
    expect(buffer.toString()).toBe('old')
  })

  it('that holds no operation yet survives a crash', async () => {
    const { fs } = await withFile()
    const held = fs.faults.hold('stat')
    fs.crash()
    let done = false
    const stat = fs.stat('/').then(() => (done = true))
    await held.reached
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    expect(done).toBe(false)
    held.release()
    await stat
  })

  it('ends when all faults are cleared', async () => {
    const { fs } = await withFile()
    const held = fs.faults.hold('stat')
    const stat = fs.stat('/')
    await held.reached
    fs.faults.clear()
    await stat
  })
})
