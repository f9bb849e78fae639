/**
 * The real file system, on `node:fs`. Descriptors for writing are opened with `O_DSYNC`, so a durable write is one
 * system call and one round trip through the thread pool. A plain `write` then pays for durability too.
 */
import * as fs from 'node:fs'
import * as paths from 'node:path'
import {
  closeDescriptor,
  descriptorIdentity,
  descriptorStat,
  fsyncDescriptor,
  identityOf,
  openDescriptor,
  rethrow,
  settle,
  settleVoid,
  withPath,
} from './descriptor.ts'
import { watchDirectory } from './directory-watch.ts'
import { openLockFile, takeLock } from './file-lock.ts'
import type {
  FileHandle,
  FileLock,
  FileStat,
  FileSystem,
  FileSystemSpace,
  OpenMode,
  OpenOptions,
  Watch,
} from './file-system.ts'
import { Gate } from './gate.ts'
import { loadTryLock } from './lock-binding.ts'
import { makeDirectory, makeFile } from './new-file.ts'
import { checkRegular, openRegular } from './regular-file.ts'
import { checkPosition, codeOf, isDenied, systemError } from './system-error.ts'
import { isTransient, WriteProgress } from './write-progress.ts'

/** Options for the real disk. */
export interface NodeFileSystemOptions {
  /**
   * Do durable writes on the calling thread. This gives the lowest latency for one producer, but blocks the process
   * until the disk has answered. Default false.
   */
  readonly blocking?: boolean
  /**
   * Take no locks: `lock` creates its file and resolves. You must then make sure that no two writers use one log.
   * Default false.
   */
  readonly unlocked?: boolean
}

const { O_RDONLY, O_RDWR } = fs.constants
// Windows lacks both. On macOS O_DSYNC leaves the bytes in the cache of the drive, and only the fsync of Node flushes
// that.
const optional: Readonly<Partial<typeof fs.constants>> = fs.constants
const O_DIRECTORY = optional.O_DIRECTORY ?? 0
const O_DSYNC = process.platform === 'darwin' ? 0 : (optional.O_DSYNC ?? 0)

/** Enough for interrupted calls, and a limit for one that never succeeds. */
const MAX_READ_ATTEMPTS = 16

/**
 * The file system of the machine. One object serves a whole process and need not be closed.
 *
 * @example
 * ```ts
 * const fs = new NodeFileSystem()
 * const file = await fs.open('./notes.txt', 'create')
 * await file.writeDurable([Buffer.from('hello')], 0)
 * await fs.syncDirectory('.') // the name is durable, too
 * await file.close()
 * ```
 */
export class NodeFileSystem implements FileSystem {
  readonly #blocking: boolean
  readonly #unlocked: boolean

  constructor(options: NodeFileSystemOptions = {}) {
    this.#blocking = options.blocking ?? false
    this.#unlocked = options.unlocked ?? false
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const writing = mode !== 'read'
    const flags = writing ? O_RDWR | O_DSYNC : O_RDONLY
    const isNew = mode === 'create'
    const descriptor = isNew ? await makeFile(path, flags, options) : (await openRegular(path, flags)).descriptor
    return new NodeFileHandle(descriptor, { path, writing, blocking: this.#blocking })
  }

  async mkdir(path: string): Promise<void> {
    const missing: string[] = []
    let existing = paths.resolve(path)
    while (!(await isDirectory(existing, missing.length > 0 ? 'ENOTDIR' : 'EEXIST'))) {
      missing.push(existing)
      existing = paths.dirname(existing)
      // A drive that is not there, on Windows.
      if (existing === missing.at(-1)) throw systemError('ENOENT', { syscall: 'mkdir', path })
    }
    if (missing.length > 0) await this.syncDirectory(paths.dirname(existing))
    for (const directory of missing.toReversed()) {
      await makeDirectory(directory)
      // Another process may have created it just now, as a file.
      await isDirectory(directory, 'EEXIST')
      await this.syncDirectory(paths.dirname(directory))
    }
  }

  readdir(path: string): Promise<string[]> {
    return fs.promises.readdir(path).catch(rethrow)
  }

  async stat(path: string): Promise<FileStat> {
    const stat = await fs.promises.lstat(path, { bigint: true }).catch(rethrow)
    return { kind: kindOf(stat), sizeBytes: Number(stat.size), links: Number(stat.nlink), identity: identityOf(stat) }
  }

  async unlink(path: string): Promise<void> {
    await fs.promises.unlink(path).catch(rethrow)
  }

  async rmdir(path: string): Promise<void> {
    await fs.promises.rmdir(path).catch(rethrow)
  }

  async link(existing: string, path: string): Promise<void> {
    // The system would also give a second name to a symbolic link, a FIFO or a device.
    await checkRegular(existing)
    await fs.promises.link(existing, path).catch(rethrow)
  }

  async space(path: string): Promise<FileSystemSpace> {
    const { bavail, blocks, bsize } = await fs.promises.statfs(path).catch(rethrow)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }

  async rename(from: string, to: string): Promise<void> {
    await fs.promises.rename(from, to).catch(rethrow)
  }

  async syncDirectory(path: string): Promise<void> {
    if (process.platform === 'win32') return
    const descriptor = await openDescriptor(path, O_RDONLY | O_DIRECTORY).catch(async (error: unknown) => {
      if (isDenied(error) && !(await mayChange(path))) return null
      throw error
    })
    if (descriptor === null) return
    try {
      await fsyncDescriptor(descriptor, path)
    } catch (error) {
      // The codes of a file system whose directories cannot be synced and need not be.
      if (codeOf(error) !== 'EINVAL') throw error
    } finally {
      await closeDescriptor(descriptor, path)
    }
  }

  async lock(path: string): Promise<FileLock> {
    const tryLock = this.#unlocked ? () => true : loadTryLock(path)
    const descriptor = await openLockFile(path)
    try {
      takeLock(tryLock, { descriptor, path })
      const identity = await descriptorIdentity(descriptor, path)
      const gate = new Gate()
      const release = async (): Promise<void> => {
        if (await gate.close()) await closeDescriptor(descriptor, path)
      }
      return { identity, release }
    } catch (error) {
      await closeDescriptor(descriptor, path)
      throw error
    }
  }

  /**
   * Uses inotify on Linux. On macOS and Windows, where notifications may be late or lost, and wherever no watch is
   * available (`EMFILE`, `ENOSPC`, not supported), it also calls back ten times a second. On Linux, changes that other
   * machines make on a network file system are not noticed.
   */
  watch(directory: string, onChange: () => void): Promise<Watch> {
    return watchDirectory(directory, onChange)
  }
}

interface OpenFile {
  readonly path: string
  readonly writing: boolean
  readonly blocking: boolean
}

class NodeFileHandle implements FileHandle {
  readonly #descriptor: number
  readonly #file: OpenFile
  readonly #gate = new Gate()

  constructor(descriptor: number, file: OpenFile) {
    this.#descriptor = descriptor
    this.#file = file
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#use('read', async () => {
      checkPosition(position, 'position')
      let filled = 0
      let attempts = 0
      while (filled < buffer.byteLength) {
        try {
          const bytes = await this.#readSome(buffer.subarray(filled), position + filled)
          if (bytes === 0) break
          filled += bytes
          attempts = 0
        } catch (error) {
          if (!isTransient(error) || ++attempts === MAX_READ_ATTEMPTS) throw error
        }
      }
      return filled
    })
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#useForWriting('write', () => this.#write(buffers, position))
  }

  sync(): Promise<void> {
    return this.#use('fsync', () => fsyncDescriptor(this.#descriptor, this.#file.path))
  }

  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#useForWriting('write', async () => {
      if (this.#file.blocking) this.#writeBlocking(buffers, position)
      else await this.#write(buffers, position)
      if (O_DSYNC === 0) await fsyncDescriptor(this.#descriptor, this.#file.path)
    })
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#useForWriting('ftruncate', async () => {
      checkPosition(sizeBytes, 'sizeBytes')
      await settleVoid(this.#file.path, (done) => fs.ftruncate(this.#descriptor, sizeBytes, done))
    })
  }

  size(): Promise<number> {
    return this.#use('fstat', async () => (await descriptorStat(this.#descriptor, this.#file.path)).size)
  }

  identity(): Promise<string> {
    const path = this.#file.path
    return this.#use('fstat', () => descriptorIdentity(this.#descriptor, path))
  }

  async close(): Promise<void> {
    if (await this.#gate.close()) await closeDescriptor(this.#descriptor, this.#file.path)
  }

  async #write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    checkPosition(position, 'position')
    const progress = new WriteProgress(buffers, position, this.#file.path)
    while (!progress.done) {
      try {
        progress.wrote(await this.#writeSome(progress.next(), progress.position))
      } catch (error) {
        progress.failed(error)
      }
    }
  }

  #writeBlocking(buffers: readonly Uint8Array[], position: number): void {
    checkPosition(position, 'position')
    const progress = new WriteProgress(buffers, position, this.#file.path)
    while (!progress.done) {
      try {
        progress.wrote(fs.writevSync(this.#descriptor, progress.next(), progress.position))
      } catch (error) {
        progress.failed(withPath(error, this.#file.path))
      }
    }
  }

  #readSome(buffer: Uint8Array, position: number): Promise<number> {
    return settle(this.#file.path, (done) => fs.read(this.#descriptor, buffer, 0, buffer.byteLength, position, done))
  }

  #writeSome(buffers: Uint8Array[], position: number): Promise<number> {
    return settle(this.#file.path, (done) => fs.writev(this.#descriptor, buffers, position, done))
  }

  async #use<T>(syscall: string, operation: () => Promise<T>): Promise<T> {
    if (!this.#gate.enter()) throw systemError('EBADF', { syscall, path: this.#file.path })
    try {
      return await operation()
    } finally {
      this.#gate.leave()
    }
  }

  async #useForWriting(syscall: string, operation: () => Promise<void>): Promise<void> {
    if (!this.#file.writing) throw systemError('EBADF', { syscall, path: this.#file.path })
    return this.#use(syscall, operation)
  }
}

function kindOf(stat: fs.BigIntStats): FileStat['kind'] {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  return stat.isSymbolicLink() ? 'link' : 'other'
}

/** Whether this process may create names in a directory. */
async function mayChange(path: string): Promise<boolean> {
  try {
    await fs.promises.access(path, fs.constants.W_OK)
    return true
  } catch (error) {
    return !isDenied(error)
  }
}

/** False if nothing is there. Throws the code if something else is there. */
async function isDirectory(path: string, otherwise: 'EEXIST' | 'ENOTDIR'): Promise<boolean> {
  try {
    if ((await fs.promises.stat(path)).isDirectory()) return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    rethrow(error)
  }
  throw systemError(otherwise, { syscall: 'mkdir', path })
}
