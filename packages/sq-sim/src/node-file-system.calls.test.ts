/** The system calls of `NodeFileSystem`, and its behaviour if they fail in ways that a real disk does not reproduce. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NodeFileSystem } from './node-file-system.ts'
import { systemError } from './system-error.ts'

type ReadDone = (error: Error | null, bytes: number, buffer: Uint8Array) => void
type ReadCall = [fd: number, buffer: Uint8Array, offset: number, length: number, position: number, done: ReadDone]

/** Replacements for the next calls of `fs.read`. */
const reads = vi.hoisted((): ((...call: ReadCall) => void)[] => [])

type OpenCall = [path: string, flags: number, mode: number, done: (error: Error | null, fd: number) => void]

/** What `fs.open` refuses. */
const unreadable = vi.hoisted(() => new Set<string>())

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs')>()
  const { mkdir, access, stat } = real.promises
  const promises = { ...real.promises, mkdir: vi.fn(mkdir), access: vi.fn(access), stat: vi.fn(stat) }
  return {
    ...real,
    promises,
    open: vi.fn((...[path, flags, mode, done]: OpenCall) => {
      if (unreadable.has(path)) done(systemError('EACCES', { syscall: 'open' }), 0)
      else real.open(path, flags, mode, done)
    }),
    close: vi.fn(real.close),
    fsync: vi.fn(real.fsync),
    fchown: vi.fn(real.fchown),
    read: (...call: ReadCall) => (reads.shift() ?? real.read)(...call),
    writev: vi.fn(real.writev),
    writevSync: vi.fn(real.writevSync),
  }
})

const real = await vi.importActual<typeof import('node:fs')>('node:fs')
const nodeFs = new NodeFileSystem()
let directory = ''
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sq-sim-'))
  vi.clearAllMocks()
})
afterEach(() => fs.rmSync(directory, { recursive: true }))

/** An error that Node has no name for. */
function unnamed(syscall: string): Error {
  const code = 'Unknown system error -122'
  return Object.assign(new Error(`${code}: ${code}, ${syscall}`), { errno: -122, code, syscall })
}

/** Makes a directory look as if it belonged to another user and group. */
async function ofAnotherUser(path: fs.PathLike): Promise<fs.Stats> {
  const stat = await real.promises.stat(path)
  return Object.assign(stat, { uid: stat.uid + 1, gid: stat.gid + 1 })
}

/** Makes `fs.fchown` succeed, or fail with the error. */
function answer(error: Error | null): void {
  vi.mocked(fs.fchown).mockImplementation((_fd, _uid, _gid, done) => done(error))
}

/** Whether a call of `fs.open` succeeded. Only a lock is first opened as an existing file, which fails. */
function wasOpened(_: unknown, nth: number): boolean {
  const { O_CREAT, O_EXCL } = fs.constants
  const flags = Number(vi.mocked(fs.open).mock.calls[nth]?.[1])
  return (flags & (O_CREAT | O_EXCL)) !== 0 || (flags & fs.constants.O_RDWR) === 0
}

/** The directories that were created and synced so far, in order. */
function made(): string[] {
  const opened = vi.mocked(fs.open).mock
  const calls: [number, string][] = vi
    .mocked(fs.promises.mkdir)
    .mock.calls.map(([path], i) => [
      vi.mocked(fs.promises.mkdir).mock.invocationCallOrder[i] ?? 0,
      `mkdir ${String(path)}`,
    ])
  // Directories are opened only to be synced.
  opened.calls.forEach(([path], i) => calls.push([opened.invocationCallOrder[i] ?? 0, `sync ${String(path)}`]))
  return calls.toSorted(([a], [b]) => a - b).map(([, call]) => call.replaceAll(directory, '*'))
}

describe.runIf(process.platform === 'linux')('NodeFileSystem', () => {
  it('opens for writing with O_DSYNC, and for reading without any right to write', async () => {
    const path = `${directory}/file`
    await (await nodeFs.open(path, 'create')).close()
    await (await nodeFs.open(path, 'read-write')).close()
    await (await nodeFs.open(path, 'read')).close()
    const { O_CREAT, O_DSYNC, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_RDONLY } = fs.constants
    const flags = vi.mocked(fs.open).mock.calls.map((call): unknown => call[1])
    const regular = O_NOFOLLOW | O_NONBLOCK
    expect(flags).toEqual([O_RDWR | O_DSYNC | O_CREAT | O_EXCL, O_RDWR | O_DSYNC | regular, O_RDONLY | regular])
  })

  it.each([true, false])('writes durably with one call, blocking: %s', async (blocking) => {
    const file = await new NodeFileSystem({ blocking }).open(`${directory}/file`, 'create')
    await file.writeDurable([Buffer.from('one'), Buffer.from('two')], 0)
    const calls = [vi.mocked(fs.writev), vi.mocked(fs.writevSync), vi.mocked(fs.fsync)]
    expect(calls.map((call) => call.mock.calls.length)).toEqual(blocking ? [0, 1, 0] : [1, 0, 0])
    await file.close()
  })

  it('syncs with fsync', async () => {
    const file = await nodeFs.open(`${directory}/file`, 'create')
    await file.sync()
    expect(fs.fsync).toHaveBeenCalledOnce()
    await file.close()
  })

  it('creates directories outermost first, each durable before the next, and the existing parent durable', async () => {
    await nodeFs.mkdir(`${directory}/a/b`)
    expect(made()).toEqual([`sync ${tmpdir()}`, 'mkdir */a', 'sync *', 'mkdir */a/b', 'sync */a'])
    expect(fs.fsync).toHaveBeenCalledTimes(3)
    vi.clearAllMocks()
    await nodeFs.mkdir(`${directory}/a/b`)
    expect(made()).toEqual([])
  })

  it('accepts a directory that another process creates in the meantime, but not a file', async () => {
    vi.mocked(fs.promises.mkdir).mockImplementationOnce(async (path) => {
      await real.promises.mkdir(path)
      await real.promises.mkdir(path)
      return undefined
    })
    await nodeFs.mkdir(`${directory}/a`)
    expect(made()).toEqual([`sync ${tmpdir()}`, 'mkdir */a', 'sync *'])
    vi.mocked(fs.promises.mkdir).mockImplementationOnce(async (path) => {
      fs.writeFileSync(String(path), '')
      await real.promises.mkdir(path)
      return undefined
    })
    await expect(nodeFs.mkdir(`${directory}/b`)).rejects.toMatchObject({ code: 'EEXIST' })
  })

  it('creates no directory below one that could not be made durable', async () => {
    vi.mocked(fs.fsync).mockImplementationOnce(real.fsync)
    vi.mocked(fs.fsync).mockImplementationOnce((_, done) => done(systemError('EIO', { syscall: 'fsync' })))
    await expect(nodeFs.mkdir(`${directory}/a/b`)).rejects.toMatchObject({ code: 'EIO', path: directory })
    expect(fs.readdirSync(`${directory}/a`)).toEqual([])
  })

  it('treats EINVAL from the sync of a directory as success, and closes the directory', async () => {
    vi.mocked(fs.fsync).mockImplementationOnce((_, done) => done(systemError('EINVAL', { syscall: 'fsync' })))
    await nodeFs.syncDirectory(directory)
    expect(fs.close).toHaveBeenCalledOnce()
  })

  describe('with a directory that may not be read', () => {
    beforeEach(() => {
      fs.mkdirSync(`${directory}/data`)
      unreadable.add(directory)
    })
    afterEach(() => unreadable.clear())

    it('does not sync a directory that it may not change either, even in mkdir', async () => {
      const refused = systemError('EACCES', { syscall: 'access' })
      vi.mocked(fs.promises.access).mockRejectedValueOnce(refused).mockRejectedValueOnce(refused)
      await nodeFs.syncDirectory(directory)
      await nodeFs.mkdir(`${directory}/data/topic/0`)
      const asked = [directory, fs.constants.W_OK]
      expect(vi.mocked(fs.promises.access).mock.calls).toEqual([asked, asked])
      expect(fs.existsSync(`${directory}/data/topic/0`)).toBe(true)
    })

    it('reports the error if the directory may be changed, because its names may be new', async () => {
      await expect(nodeFs.syncDirectory(directory)).rejects.toMatchObject({ code: 'EACCES', path: directory })
      await expect(nodeFs.mkdir(`${directory}/data/topic/0`)).rejects.toMatchObject({ code: 'EACCES', path: directory })
      expect(fs.existsSync(`${directory}/data/topic`)).toBe(false)
    })

    it('reports the error if it cannot find out whether the directory may be changed', async () => {
      vi.mocked(fs.promises.access).mockRejectedValueOnce(systemError('EIO', { syscall: 'access' }))
      await expect(nodeFs.syncDirectory(directory)).rejects.toMatchObject({ code: 'EACCES', path: directory })
    })
  })

  it('closes a directory even if its sync fails, and rejects', async () => {
    vi.mocked(fs.fsync).mockImplementationOnce((_, done) => done(systemError('EIO', { syscall: 'fsync' })))
    await expect(nodeFs.syncDirectory(directory)).rejects.toMatchObject({ code: 'EIO', path: directory })
    expect(fs.close).toHaveBeenCalledOnce()
  })

  describe('in a directory of another user', () => {
    /** The directory looks as if it belonged to another user. */
    beforeEach(() => void vi.mocked(fs.promises.stat).mockImplementation(ofAnotherUser))
    afterEach(() => {
      vi.mocked(fs.promises.stat).mockReset()
      vi.mocked(fs.fchown).mockReset()
    })

    const verbs = [
      ['open', async () => (await nodeFs.open(`${directory}/it`, 'create')).close()],
      ['lock', async () => (await nodeFs.lock(`${directory}/it`)).release()],
      ['mkdir', () => nodeFs.mkdir(`${directory}/it`)],
    ] as const

    it.each(verbs)('makes the owner durable before the name: %s', async (name, make) => {
      answer(null)
      await make()
      expect(fs.fchown).toHaveBeenCalledOnce()
      // mkdir also syncs the parent directory.
      expect(fs.fsync).toHaveBeenCalledTimes(name === 'mkdir' ? 3 : 1)
    })

    it.each(['EPERM', 'EINVAL', 'ENOSYS'])('keeps what it created if the owner cannot be changed: %s', async (code) => {
      answer(systemError(code, { syscall: 'fchown' }))
      for (const [, make] of verbs) {
        await make()
        expect(fs.existsSync(`${directory}/it`)).toBe(true)
        fs.rmSync(`${directory}/it`, { recursive: true })
      }
    })

    it.each(verbs)('rejects with any other failure, and leaves nothing open: %s', async (_, make) => {
      answer(systemError('EIO', { syscall: 'fchown' }))
      await expect(make()).rejects.toMatchObject({ code: 'EIO', path: `${directory}/it` })
      expect(vi.mocked(fs.close).mock.calls.length).toBe(vi.mocked(fs.open).mock.calls.filter(wasOpened).length)
    })
  })

  it('continues a short write and an interrupted one, blocking or not', async () => {
    const interrupted = systemError('EINTR', { syscall: 'write' })
    vi.mocked(fs.writev)
      .mockImplementationOnce((fd, _buffers, position, done) => real.writev(fd, [Buffer.from('on')], position, done))
      .mockImplementationOnce((_fd, buffers, _position, done) => done?.(interrupted, 0, [...buffers]))
    vi.mocked(fs.writevSync)
      .mockImplementationOnce((fd, _buffers, position) => real.writevSync(fd, [Buffer.from('on')], position))
      .mockImplementationOnce(() => {
        throw interrupted
      })
    for (const blocking of [true, false]) {
      const file = await new NodeFileSystem({ blocking }).open(`${directory}/${blocking}`, 'create')
      await file.writeDurable([Buffer.from('one'), Buffer.from('two')], 0)
      await file.close()
      expect(fs.readFileSync(`${directory}/${blocking}`, 'utf8')).toBe('onetwo')
    }
  })

  it('uses the name of the system for an error that Node has no name for', async () => {
    const quota = { code: 'EDQUOT', message: expect.stringMatching(/^EDQUOT: disk quota exceeded, /) }
    vi.mocked(fs.writev).mockImplementationOnce((_fd, buffers, _at, done) => done?.(unnamed('write'), 0, [...buffers]))
    const file = await nodeFs.open(`${directory}/file`, 'create')
    await expect(file.writeDurable([Buffer.from('one')], 0)).rejects.toMatchObject(quota)
    await file.close()
    vi.mocked(fs.promises.mkdir).mockRejectedValueOnce(unnamed('mkdir'))
    await expect(nodeFs.mkdir(`${directory}/new`)).rejects.toMatchObject(quota)
  })

  it('continues a short read and an interrupted one', async () => {
    fs.writeFileSync(`${directory}/file`, 'content')
    const file = await nodeFs.open(`${directory}/file`, 'read')
    reads.push(
      (fd, buffer, offset, _length, position, done) => real.read(fd, buffer, offset, 3, position, done),
      (_fd, buffer, _offset, _length, _position, done) => done(systemError('EINTR', { syscall: 'read' }), 0, buffer),
    )
    const buffer = Buffer.alloc(7)
    expect(await file.read(buffer, 0)).toBe(7)
    expect(buffer.toString()).toBe('content')
    await file.close()
  })

  it('closes a descriptor once, even if closing it fails', async () => {
    const file = await nodeFs.open(`${directory}/file`, 'create')
    vi.mocked(fs.close).mockImplementationOnce((fd, done) =>
      real.close(fd, () => done?.(systemError('EIO', { syscall: 'close' }))),
    )
    await expect(file.close()).rejects.toMatchObject({ code: 'EIO' })
    await file.close()
    expect(fs.close).toHaveBeenCalledOnce()
  })
})
