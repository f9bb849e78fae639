/**
 * The outcomes that Rebello et al. found on Linux ("Can Applications Recover from fsync Failures?", ATC 2020): what
 * reads return, what the next sync returns, what is on the disk, and which handles get the error.
 */
import { describe, expect, it } from 'vitest'
import type { FileHandle } from '../file-system.ts'
import { Random } from '../random.ts'
import type { FailedSyncModel } from './index.ts'
import { InMemoryFileSystem } from './index.ts'

const page = (letter: string): Uint8Array => Buffer.alloc(4096, letter)

/** The first letter of each page of `/file`: as processes see it, or as it is after a power cut. */
const seen = (fs: InMemoryFileSystem): string => {
  const buffer = fs.volume.readFileSync('/file')
  let letters = ''
  for (let i = 0; i < buffer.length; i += 4096) letters += String(buffer.slice(i, i + 1)).replace('\0', '0')
  return letters
}
const onDisk = (fs: InMemoryFileSystem): string => {
  const crashed = fs.clone()
  crashed.crash()
  return seen(crashed)
}

interface Setting {
  readonly fs: InMemoryFileSystem
  readonly file: FileHandle
}

/** A durable file of pages `ABC`. */
async function setting(failedSync: FailedSyncModel): Promise<Setting> {
  const fs = new InMemoryFileSystem({ failedSync })
  const file = await fs.open('/file', 'create')
  await file.writeDurable([page('A'), page('B'), page('C')], 0)
  await fs.syncDirectory('/')
  return { fs, file }
}

/** The paper's first workload: a page in the middle is overwritten, and the sync fails. */
async function updated(failedSync: FailedSyncModel): Promise<Setting> {
  const made = await setting(failedSync)
  await made.file.write([page('X')], 4096)
  made.fs.faults.failNext('sync', 'EIO')
  await expect(made.file.sync()).rejects.toMatchObject({ code: 'EIO' })
  return made
}

/** The second: pages are appended, and the sync fails for the first of them. */
async function appended(failedSync: FailedSyncModel): Promise<Setting> {
  const made = await setting(failedSync)
  await made.file.write([page('X'), page('Y')], 3 * 4096)
  made.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [3] } })
  await expect(made.file.sync()).rejects.toMatchObject({ code: 'EIO' })
  return made
}

describe.each(['ext4', 'xfs'] as const)('after a failed sync on %s', (model) => {
  it('reads show the new bytes, the next sync says OK, and the disk has the old ones', async () => {
    const { fs, file } = await updated(model)
    expect(seen(fs)).toBe('AXC')
    await file.sync()
    expect([seen(fs), onDisk(fs)]).toEqual(['AXC', 'ABC'])
  })

  it('eviction from the page cache brings the old bytes back', async () => {
    const { fs, file } = await updated(model)
    await file.sync()
    fs.evict()
    expect(seen(fs)).toBe('ABC')
    await file.write([Buffer.from('Z')], 4096)
    expect(fs.crashState().points).toHaveLength(1)
  })

  it('eviction leaves the size alone', async () => {
    const { fs, file } = await setting(model)
    await file.write([Buffer.from('short')], 3 * 4096)
    fs.faults.failNext('sync', 'EIO')
    await file.sync().catch(() => {})
    fs.evict()
    expect([seen(fs), await file.size(), (await fs.stat('/file')).sizeBytes]).toEqual(['ABC0', 12_293, 12_293])
    expect(fs.volume.statSync('/file').size).toBe(12_293)
  })

  it('a restarted process reads the new bytes, until they are evicted', async () => {
    const { fs } = await updated(model)
    fs.kill()
    expect(seen(fs)).toBe('AXC')
    await (await fs.open('/file', 'read-write')).sync()
    expect(onDisk(fs)).toBe('ABC')
    fs.evict()
    expect(seen(fs)).toBe('ABC')
  })

  it('a write to the page makes all of it dirty again', async () => {
    const { fs, file } = await updated(model)
    await file.write([Buffer.from('Z')], 4096 + 1000)
    await file.sync()
    fs.evict()
    fs.crash()
    expect(seen(fs)).toBe('AXC')
  })

  it('a page that was written again is not evicted', async () => {
    const { fs, file } = await updated(model)
    await file.write([Buffer.from('Z')], 4096 + 1000)
    fs.evict()
    expect(seen(fs)).toBe('AXC')
  })

  it('a truncated file grows with zeros, not with its earlier bytes', async () => {
    const { fs, file } = await setting(model)
    await file.truncate(4096 + 100)
    fs.faults.failNext('sync', 'EIO')
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
    await file.sync()
    await file.truncate(3 * 4096)
    await file.sync()
    fs.evict()
    expect([seen(fs), onDisk(fs)]).toEqual(['AB0', 'AB0'])
    expect(Buffer.from(fs.volume.readFileSync('/file')).lastIndexOf('B')).toBe(4096 + 99)
  })

  it('an append keeps its size; the page that failed reads as zeros on the disk, the others are there', async () => {
    const { fs, file } = await appended(model)
    expect([seen(fs), onDisk(fs)]).toEqual(['ABCXY', 'ABC'])
    await file.sync()
    expect([seen(fs), onDisk(fs)]).toEqual(['ABCXY', 'ABC0Y'])
    fs.evict()
    expect(seen(fs)).toBe('ABC0Y')
  })

  it('bytes that never reached the disk may read as anything after a crash', async () => {
    const { fs, file } = await appended(model)
    await file.sync()
    expect(fs.crashState().points).toEqual([])
    fs.crash({ picks: [], fill: 'stale' })
    expect(seen(fs)).toMatch(/^ABC[ABC]Y$/)
  })

  it('bytes written again after that, or truncated and grown again, read as one version only', async () => {
    const { fs, file } = await appended(model)
    await file.sync()
    await file.writeDurable([page('Z')], 3 * 4096)
    const rewritten = fs.clone()
    rewritten.crash({ picks: [], fill: 'garbage' })
    expect(seen(rewritten)).toBe('ABCZY')

    const cut = (await appended(model)).fs
    const again = await cut.open('/file', 'read-write')
    await again.sync()
    await again.truncate(3 * 4096)
    cut.faults.failNext('sync', 'EIO')
    await again.sync().catch(() => {})
    await again.sync()
    await again.truncate(5 * 4096)
    await again.sync()
    cut.crash({ picks: [], fill: 'garbage' })
    expect(seen(cut)).toBe('ABC00')
  })

  it('bytes that never reached the disk are gone if a smaller size survived', async () => {
    const { fs, file } = await appended(model)
    await file.sync()
    await file.truncate(100)
    expect(fs.crashState().points[0]).toMatchObject({ kind: 'size', alternatives: 2 })
    fs.crash({ picks: [1], fill: 'garbage' })
    expect([seen(fs), (await fs.stat('/file')).sizeBytes]).toEqual(['A', 100])
  })

  it('a clone remembers what was lost', async () => {
    const { fs, file } = await appended(model)
    const before = fs.clone()
    before.evict()
    expect(seen(before)).toBe('ABC0Y')
    await file.sync()
    const after = fs.clone()
    after.crash({ picks: [], fill: 'stale' })
    expect(seen(after)).toMatch(/^ABC[ABC]Y$/)
  })

  it('every handle open at the time gets the error once, even if its sync succeeds; later handles do not', async () => {
    const made = await setting(model)
    const other = await made.fs.open('/file', 'read-write')
    await made.file.write([page('X')], 4096)
    made.fs.faults.failNext('sync', 'EIO')
    await expect(made.file.sync()).rejects.toMatchObject({ code: 'EIO' })
    const later = await made.fs.open('/file', 'read-write')
    await other.write([page('Z')], 0)
    await later.sync()
    await expect(other.writeDurable([page('Z')], 0)).rejects.toMatchObject({ code: 'EIO' })
    await other.writeDurable([page('Z')], 0)
    await made.file.sync()
  })

  it('the lost pages are chosen at random, by seed', async () => {
    const disks = new Set<string>()
    for (let seed = 0; seed < 30; seed++) {
      const { fs, file } = await setting(model)
      await file.write([page('X'), page('Y'), page('Z')], 0)
      fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: new Random(seed) } })
      await file.sync().catch(() => {})
      await file.sync()
      disks.add(onDisk(fs))
    }
    expect(disks.size).toBe(8)
  })
})

describe('after a failed sync on btrfs', () => {
  it('the file goes back to what was durable, for reads and on the disk', async () => {
    const { fs, file } = await updated('btrfs')
    expect([seen(fs), onDisk(fs)]).toEqual(['ABC', 'ABC'])
    await file.sync()
    expect([seen(fs), onDisk(fs)]).toEqual(['ABC', 'ABC'])
  })

  it('an append is gone with its size, and the next one at the old position leaves a hole', async () => {
    const { fs, file } = await appended('btrfs')
    expect([seen(fs), await file.size()]).toEqual(['ABC', 3 * 4096])
    await file.writeDurable([page('Z')], 5 * 4096)
    expect([seen(fs), onDisk(fs)]).toEqual(['ABC00Z', 'ABC00Z'])
  })
})

describe('after a failed sync that makes the file system read-only', () => {
  it('every later change and sync fails with EROFS, and reads still work', async () => {
    const { fs, file } = await updated('readonly')
    const readOnly = { code: 'EROFS' }
    await expect(file.sync()).rejects.toMatchObject(readOnly)
    await expect(file.write([page('Z')], 0)).rejects.toMatchObject(readOnly)
    await expect(file.writeDurable([page('Z')], 0)).rejects.toMatchObject(readOnly)
    await expect(file.truncate(0)).rejects.toMatchObject(readOnly)
    await expect(fs.open('/new', 'create')).rejects.toMatchObject(readOnly)
    await expect(fs.open('/file', 'read-write')).rejects.toMatchObject(readOnly)
    await expect(fs.mkdir('/a')).rejects.toMatchObject(readOnly)
    await expect(fs.unlink('/file')).rejects.toMatchObject(readOnly)
    await expect(fs.rename('/file', '/new')).rejects.toMatchObject(readOnly)
    await expect(fs.syncDirectory('/')).rejects.toMatchObject(readOnly)
    await expect(fs.lock('/lock')).rejects.toMatchObject(readOnly)
    await (await fs.open('/file', 'read')).read(new Uint8Array(1), 0)
    expect([seen(fs), onDisk(fs)]).toEqual(['AXC', 'ABC'])
  })

  it('the file system stays read-only when the process dies, and is writable after a restart of the machine', async () => {
    const { fs } = await updated('readonly')
    fs.kill()
    await expect(fs.unlink('/file')).rejects.toMatchObject({ code: 'EROFS' })
    await expect(fs.clone().unlink('/file')).rejects.toMatchObject({ code: 'EROFS' })
    fs.crash()
    await fs.unlink('/file')
  })
})

describe('a failed directory sync', () => {
  it('leaves the changes undecided, and the next sync makes them durable', async () => {
    const fs = new InMemoryFileSystem()
    await (await fs.open('/file', 'create')).close()
    fs.faults.failNext('syncDirectory', 'EIO')
    await expect(fs.syncDirectory('/')).rejects.toMatchObject({ code: 'EIO' })
    expect(fs.crashState().points).toEqual([{ kind: 'names', path: '/', alternatives: 2 }])
    await fs.syncDirectory('/')
    expect(fs.crashState().points).toEqual([])
  })
})

describe('a drive that lies', () => {
  it('completes every sync and makes nothing durable', async () => {
    const image = (await setting('ext4')).fs.crashState().image({ picks: [] })
    const fs = new InMemoryFileSystem({ image, lyingDrive: true })
    await fs.mkdir('/a')
    const file = await fs.open('/file', 'read-write')
    await file.writeDurable([page('X')], 0)
    await file.sync()
    await fs.syncDirectory('/')
    expect(seen(fs)).toBe('XBC')
    fs.crash()
    expect([seen(fs), await fs.readdir('/')]).toEqual(['ABC', ['file']])
  })
})
