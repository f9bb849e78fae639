import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { WalIoError } from '../../errors.ts'
import { SegmentDirectory } from './partition-directory.ts'

const PATH = '/d'
const NAME = '/d/00000000000000000000.wal'

let fs: InMemoryFileSystem
let directory: SegmentDirectory

beforeEach(async () => {
  fs = new InMemoryFileSystem()
  await fs.mkdir(PATH)
  fs.operations.resetCounts()
  directory = new SegmentDirectory(fs, PATH, { check: async () => {} })
})

async function makeUnfinished(): Promise<void> {
  await (await fs.open(directory.unfinishedPath, 'create')).close()
}

describe('sync', () => {
  it('makes the directory durable the first time, and then only after a change', async () => {
    await directory.sync()
    await directory.sync()
    expect(fs.operations.count('syncDirectory')).toBe(1)
  })

  it('is tried again after it failed', async () => {
    fs.faults.failNext('syncDirectory', 'EIO')
    const error: unknown = await directory.sync().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ code: 'SQ_WAL_IO', path: PATH, cause: { code: 'EIO' } })
    await directory.sync()
    await directory.sync()
    expect(fs.operations.count('syncDirectory')).toBe(2)
  })
})

describe('a sync that is under way while a name changes', () => {
  beforeEach(async () => {
    await makeUnfinished()
    await directory.finish(NAME)
  })

  it('does not count for a change that began before it and ended after it', async () => {
    const hold = fs.faults.hold('unlink')
    const unlinking = directory.unlink(NAME)
    await hold.reached
    await directory.sync()
    hold.release()
    await unlinking
    fs.operations.resetCounts()
    await directory.sync()
    expect(fs.operations.count('syncDirectory')).toBe(1)
  })

  it('does not count for a change that was made durable and followed by another one', async () => {
    await directory.unlink(NAME)
    let finish: (() => void) | undefined
    const told = new Promise<void>((resolve) => (finish = resolve))
    const syncDirectory = fs.syncDirectory.bind(fs)
    fs.syncDirectory = async (path) => {
      fs.syncDirectory = syncDirectory
      await syncDirectory(path)
      await told
    }
    const syncing = directory.sync()
    await makeUnfinished()
    await directory.finish(NAME)
    await directory.unlink(NAME)
    finish?.()
    await syncing
    fs.operations.resetCounts()
    await directory.sync()
    expect(fs.operations.count('syncDirectory')).toBe(1)
  })
})

describe('unlink', () => {
  it('is not durable until it is synced', async () => {
    await makeUnfinished()
    await directory.finish(NAME)
    const before = fs.clone()
    await directory.unlink(NAME)
    expect(await fs.readdir(PATH)).toEqual([])
    await directory.sync()
    fs.crash()
    expect(await fs.readdir(PATH)).toEqual([])
    expect(await before.readdir(PATH)).toHaveLength(1)
  })

  it('accepts a file that is gone, and rejects if it cannot be removed', async () => {
    await directory.unlink(NAME)
    fs.faults.failNext('unlink', 'EIO')
    await expect(directory.unlink(NAME)).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: NAME })
  })
})

describe('finish', () => {
  it('gives the unfinished segment its name, durably', async () => {
    await makeUnfinished()
    await directory.finish(NAME)
    fs.crash()
    expect(await fs.readdir(PATH)).toEqual(['00000000000000000000.wal'])
  })

  it('makes no change while an earlier one is not durable', async () => {
    await makeUnfinished()
    fs.faults.failNext('syncDirectory', 'EIO')
    await expect(directory.finish(NAME)).rejects.toThrow(WalIoError)
    expect(fs.operations.count('rename')).toBe(0)
  })

  it('makes no change once the lock is lost', async () => {
    await makeUnfinished()
    const lost = new Error('the lock is lost')
    const withoutLock = new SegmentDirectory(fs, PATH, { check: () => Promise.reject(lost) })
    await expect(withoutLock.finish(NAME)).rejects.toBe(lost)
    expect(fs.operations.count('rename')).toBe(0)
  })

  it('is followed by a sync even if the sync of the rename failed', async () => {
    await makeUnfinished()
    await directory.sync()
    fs.faults.failNext('syncDirectory', 'EIO')
    await expect(directory.finish(NAME)).rejects.toThrow(WalIoError)
    fs.operations.resetCounts()
    await makeUnfinished()
    const order: string[] = []
    fs.operations.observe(({ operation, phase }) => phase === 'start' && order.push(operation))
    await directory.finish('/d/00000000000000000007.wal')
    expect(order).toEqual(['syncDirectory', 'rename', 'syncDirectory'])
  })

  it('leaves the earlier segment of that name, or the new one, wherever the power is cut', async () => {
    await (await fs.open(NAME, 'create')).close()
    const handle = await fs.open(directory.unfinishedPath, 'create')
    await handle.writeDurable([Buffer.from('new')], 0)
    await fs.syncDirectory(PATH)
    const seen = new Set<string>()
    fs.operations.observe(() => {
      const image = fs.clone()
      image.crash()
      const names = image.volume.readdirSync(PATH).map(String)
      seen.add(`${names.includes('00000000000000000000.wal')} ${String(image.volume.readFileSync(NAME))}`)
    })
    await directory.finish(NAME)
    expect([...seen]).toEqual(['true ', 'true new'])
  })
})

describe('remove', () => {
  beforeEach(async () => {
    await (await fs.open(NAME, 'create')).close()
    await directory.sync()
  })

  it('removes a name, durably', async () => {
    await directory.remove(NAME)
    fs.crash()
    expect(await fs.readdir(PATH)).toEqual([])
  })

  it('makes no change while an earlier one is not durable', async () => {
    await makeUnfinished()
    fs.faults.add({ on: 'syncDirectory', fault: { error: 'EIO' } })
    await expect(directory.finish('/d/00000000000000000007.wal')).rejects.toThrow(WalIoError)
    fs.faults.failNext('syncDirectory', 'EIO')
    await expect(directory.remove(NAME)).rejects.toThrow(WalIoError)
    expect(fs.operations.count('unlink')).toBe(0)
  })

  it('makes no change once the lock is lost', async () => {
    const lost = new Error('the lock is lost')
    const withoutLock = new SegmentDirectory(fs, PATH, { check: () => Promise.reject(lost) })
    await expect(withoutLock.remove(NAME)).rejects.toBe(lost)
    expect(fs.operations.count('unlink')).toBe(0)
  })

  it('is durable with the next sync if its own failed', async () => {
    fs.faults.failNext('syncDirectory', 'EIO')
    await expect(directory.remove(NAME)).rejects.toThrow(WalIoError)
    await directory.sync()
    fs.crash()
    expect(await fs.readdir(PATH)).toEqual([])
  })
})

describe('removeUnfinished', () => {
  it('removes next.tmp and nothing else', async () => {
    await makeUnfinished()
    await (await fs.open(NAME, 'create')).close()
    await directory.removeUnfinished()
    expect(await fs.readdir(PATH)).toEqual(['00000000000000000000.wal'])
  })

  it('does nothing if there is none', async () => {
    await expect(directory.removeUnfinished()).resolves.toBeUndefined()
  })

  it('rejects with the path of a file that it could not remove', async () => {
    await makeUnfinished()
    fs.faults.failNext('unlink', 'EACCES')
    const error: unknown = await directory.removeUnfinished().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ path: '/d/next.tmp', cause: { code: 'EACCES' } })
  })
})
