import { describe, expect, it } from 'vitest'
import { InMemoryFileSystem } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

async function run(fs: InMemoryFileSystem, text: string): Promise<void> {
  const file = await fs.open('/file', 'create')
  await file.writeDurable([bytes(text)], 0)
  await fs.rename('/file', '/name')
  await fs.syncDirectory('/')
  fs.faults.failNext('sync', 'EIO')
  await file.sync().catch(() => {})
}

async function traceHash(text: string): Promise<string> {
  const fs = new InMemoryFileSystem()
  const trace = fs.operations.trace()
  await run(fs, text)
  return trace.hash()
}

describe('Operations', () => {
  it('counts each kind, and all', async () => {
    const fs = new InMemoryFileSystem()
    await run(fs, 'text')
    const { operations } = fs
    expect([operations.count('create'), operations.count('write'), operations.count('sync')]).toEqual([1, 1, 2])
    expect([operations.count('unlink'), operations.count()]).toEqual([0, 6])
    operations.resetCounts()
    expect(operations.count()).toBe(0)
  })

  it('counts mkdir once for each directory made, with its syncs', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/a/b')
    expect([fs.operations.count('mkdir'), fs.operations.count('syncDirectory')]).toEqual([2, 3])
    await fs.mkdir('/a/b')
    expect(fs.operations.count()).toBe(5)
  })

  it('calls an observer before and after, with the error, until it is removed', async () => {
    const fs = new InMemoryFileSystem()
    const seen: string[] = []
    const stop = fs.operations.observe(({ operation, phase, error }) => {
      seen.push(`${operation} ${phase}${error === undefined ? '' : ' failed'}`)
    })
    await fs.stat('/')
    await fs.stat('/missing').catch(() => {})
    stop()
    await fs.stat('/')
    expect(seen).toEqual(['stat start', 'stat end', 'stat start', 'stat end failed'])
  })

  it('lets an observer cut the power before an operation does anything', async () => {
    const fs = new InMemoryFileSystem()
    const file = await fs.open('/file', 'create')
    await fs.syncDirectory('/')
    fs.operations.observe(({ operation, phase }) => {
      if (operation === 'sync' && phase === 'start') fs.crash()
    })
    await expect(file.writeDurable([bytes('text')], 0)).rejects.toMatchObject({ code: 'EBADF' })
    expect((await fs.stat('/file')).sizeBytes).toBe(0)
  })
})

describe('Trace', () => {
  it('has a line for each operation', async () => {
    const fs = new InMemoryFileSystem()
    const trace = fs.operations.trace()
    await run(fs, 'text')
    trace.stop()
    await fs.stat('/')
    expect(trace.lines).toEqual([
      "create '/file'",
      "write '/file' 0+4",
      "sync '/file'",
      "rename '/file' -> '/name'",
      "syncDirectory '/'",
      "sync '/name': EIO: i/o error, fsync '/name'",
    ])
  })

  it('has the same hash for the same run, and a different one if one byte differs', async () => {
    expect(await traceHash('text')).toBe(await traceHash('text'))
    expect(await traceHash('text')).not.toBe(await traceHash('test'))
  })

  it('has a hash that does not depend on the part of a buffer that a read did not fill', async () => {
    const hashes = ['x', 'y'].map(async (held) => {
      const fs = new InMemoryFileSystem()
      const file = await fs.open('/file', 'create')
      await file.write([bytes('text')], 0)
      const trace = fs.operations.trace()
      await file.read(Buffer.alloc(10, held), 2)
      fs.faults.failNext('read', 'EIO')
      await expect(file.read(Buffer.alloc(10, held), 0)).rejects.toMatchObject({ code: 'EIO' })
      return trace.hash()
    })
    const [one, other] = await Promise.all(hashes)
    expect(one).toBe(other)
  })
})
