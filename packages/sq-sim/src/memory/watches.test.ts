import { describe, expect, it, vi } from 'vitest'
import { InMemoryFileSystem } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** Lets every microtask run that waits. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a watch in memory', () => {
  it('calls back once, in a microtask, for all that changed before', async () => {
    const fs = new InMemoryFileSystem()
    const onChange = vi.fn()
    await fs.watch('/', onChange)
    const file = fs.open('/file', 'create')
    void fs.mkdir('/sub')
    expect(onChange).not.toHaveBeenCalled()
    await turn()
    onChange.mockClear()
    await (await file).write([bytes('a'), bytes('b')], 0)
    await turn()
    expect(onChange).toHaveBeenCalledOnce()
  })

  it('hears nothing of reads and syncs, of other directories, and of files without a name', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/other')
    const file = await fs.open('/file', 'create')
    await fs.unlink('/file')
    const onChange = vi.fn()
    await fs.watch('/', onChange)
    await file.write([bytes('text')], 0)
    await file.sync()
    await file.read(new Uint8Array(4), 0)
    await fs.syncDirectory('/')
    await (await fs.open('/other/file', 'create')).close()
    await turn()
    expect(onChange).not.toHaveBeenCalled()
  })

  it('hears of what a failed operation changed nevertheless', async () => {
    const fs = new InMemoryFileSystem({ failedSync: 'btrfs' })
    const file = await fs.open('/file', 'create')
    const onChange = vi.fn()
    await fs.watch('/', onChange)
    fs.faults.add({ on: 'write', fault: { error: 'ENOSPC', afterBytes: 2 } })
    await expect(file.write([bytes('text')], 0)).rejects.toThrow('ENOSPC')
    await turn()
    expect(onChange).toHaveBeenCalledTimes(1)
    fs.faults.failNext('sync', 'EIO')
    await expect(file.sync()).rejects.toThrow('EIO')
    await turn()
    expect(onChange).toHaveBeenCalledTimes(2)
    expect(await file.size()).toBe(0)
  })

  it('hears of bytes that go back when memory is short', async () => {
    const fs = new InMemoryFileSystem({ failedSync: 'ext4' })
    const file = await fs.open('/file', 'create')
    await file.write([bytes('text')], 0)
    fs.faults.failNext('sync', 'EIO')
    await expect(file.sync()).rejects.toThrow('EIO')
    const onChange = vi.fn()
    await fs.watch('/', onChange)
    fs.evict()
    await turn()
    expect(onChange).toHaveBeenCalledOnce()
  })

  it.each(['crash', 'kill'] as const)('is dead after a %s, even for what changed before', async (death) => {
    const fs = new InMemoryFileSystem()
    const onChange = vi.fn()
    await fs.watch('/', onChange)
    expect(fs.openHandles).toBe(1)
    const made = fs.mkdir('/sub')
    fs[death]()
    expect(fs.openHandles).toBe(0)
    await made.catch(() => {})
    await (await fs.open('/file', 'create')).close()
    await turn()
    expect(onChange).not.toHaveBeenCalled()
  })

  it('fails as it is told to', async () => {
    const fs = new InMemoryFileSystem()
    fs.faults.failNext('watch', 'EMFILE')
    await expect(fs.watch('/', () => {})).rejects.toMatchObject({ code: 'EMFILE', syscall: 'watch' })
    expect(fs.openHandles).toBe(0)
  })
})
