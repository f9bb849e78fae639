/**
 * A file system in memory that a test can crash. Names and bytes are in a memfs volume; separate from it is the state
 * of the disk, which decides what a power cut leaves.
 */
import { posix } from 'node:path'
import type { Volume } from 'memfs'
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '../file-system.ts'
import type { Random } from '../random.ts'
import { lockedError } from '../system-error.ts'
import type { CrashChoice } from './crash.ts'
import { CrashImage, CrashState } from './crash.ts'
import type { FileState } from './durable-state.ts'
import type { Faults } from './faults.ts'
import { InMemoryFileHandle } from './in-memory-file-handle.ts'
import type { FailedSyncModel, Place } from './machine.ts'
import { Machine } from './machine.ts'
import type { Operation, Operations } from './operations.ts'

const TOTAL_BYTES = 2 ** 40

/** The initial content of the disk, and its faults. */
export interface InMemoryFileSystemOptions {
  /** The content of the disk, all durable; only `/` if not given. */
  readonly image?: CrashImage
  /** What a failed sync does to its file; `ext4` if not given. */
  readonly failedSync?: FailedSyncModel
  /** After a crash, any subset of the unsynced changes of a directory may be there, and not only the first ones. */
  readonly weakNames?: boolean
  /** Every sync resolves but makes nothing durable: a drive that lies about flushes. */
  readonly lyingDrive?: boolean
}

/**
 * An in-memory file system. Paths are absolute, with `/` on every platform; there are no symbolic links,
 * and one file system. Operations take effect
 * in the turn in which they are called, unless a fault delays them.
 *
 * @example
 * ```ts
 * const fs = new InMemoryFileSystem()
 * const file = await fs.open('/log', 'create')
 * await file.write([Buffer.from('hello')], 0)
 * await fs.syncDirectory('/')
 * fs.crash() // the power fails: the name was synced, the bytes were not
 * console.log((await fs.stat('/log')).sizeBytes) // 0
 * ```
 */
export class InMemoryFileSystem implements FileSystem {
  readonly #machine: Machine
  readonly #weakNames: boolean

  constructor(options: InMemoryFileSystemOptions = {}) {
    this.#machine = new Machine(options.failedSync ?? 'ext4', options.lyingDrive ?? false)
    this.#weakNames = options.weakNames ?? false
    if (options.image) this.#machine.boot(options.image)
  }

  /**
   * The faults of this file system.
   *
   * @example
   * ```ts
   * const fs = new InMemoryFileSystem()
   * const file = await fs.open('/log', 'create')
   * fs.faults.failNext('sync', 'EIO')
   * const failure = await file.sync().catch((error) => error.code)
   * console.log(failure) // EIO
   * ```
   */
  get faults(): Faults {
    return this.#machine.faults
  }

  /** The operations so far. */
  get operations(): Operations {
    return this.#machine.operations
  }

  /** The files as processes see them. Read only: changes that are made here do not reach the simulated disk. */
  get volume(): Volume {
    return this.#machine.visible.volume
  }

  /** The handles, locks and watches that are open. */
  get openHandles(): number {
    return this.#machine.openHandles + this.#machine.locks.size + this.#machine.watches.size
  }

  open(path: string, mode: OpenMode): Promise<FileHandle> {
    const operation = mode === 'create' ? 'create' : 'open'
    return this.#run(operation, path, (place) => {
      if (mode === 'create' && place.inode) throw this.#machine.error('EEXIST', operation, place)
      if (mode === 'read-write') this.#checkWritable(operation, path)
      return new InMemoryFileHandle(this.#machine, {
        file: mode === 'create' ? this.#makeFile(place) : this.#file(place, operation),
        writing: mode !== 'read',
      })
    })
  }

  async mkdir(path: string): Promise<void> {
    const missing: string[] = []
    let existing = resolve(path)
    for (;;) {
      const inode = this.#lookUp(existing)
      if (inode?.kind === 'directory') break
      if (inode) throw this.#machine.error(missing.length > 0 ? 'ENOTDIR' : 'EEXIST', 'mkdir', { path })
      missing.push(existing)
      existing = posix.dirname(existing)
    }
    if (missing.length > 0) await this.syncDirectory(posix.dirname(existing))
    for (const directory of missing.toReversed()) {
      await this.#run('mkdir', directory, (place) => {
        if (place.inode?.kind === 'directory') return
        if (place.inode) throw this.#machine.error('EEXIST', 'mkdir', { path })
        this.#machine.visible.makeDirectory(place.path)
        this.#change(place, this.#machine.disk.makeDirectory(place.path))
      })
      await this.syncDirectory(posix.dirname(directory))
    }
  }

  readdir(path: string): Promise<string[]> {
    return this.#run('readdir', path, (place) => [...this.#directory(place, 'readdir').names.keys()])
  }

  stat(path: string): Promise<FileStat> {
    return this.#run('stat', path, ({ inode }) => {
      if (!inode) throw this.#machine.error('ENOENT', 'stat', { path })
      const sizeBytes = inode.kind === 'file' ? inode.sizeBytes : 0
      const links = inode.kind === 'file' ? inode.names.length : 1
      return { kind: inode.kind, sizeBytes, links, identity: this.#machine.identityOf(inode) }
    })
  }

  unlink(path: string): Promise<void> {
    return this.#run('unlink', path, (place) => {
      this.#file(place, 'unlink')
      this.#machine.visible.unlink(place.path)
      this.#change(place, null)
    })
  }

  rmdir(path: string): Promise<void> {
    return this.#run('rmdir', path, (place) => {
      const { names } = this.#directory(place, 'rmdir')
      if (place.name === '') throw this.#machine.error('EBUSY', 'rmdir', { path })
      if (names.size > 0) throw this.#machine.error('ENOTEMPTY', 'rmdir', { path })
      this.#machine.visible.removeDirectory(place.path)
      this.#change(place, null)
    })
  }

  async link(existing: string, path: string): Promise<void> {
    const paths = { path: resolve(existing), to: resolve(path) }
    await this.#machine.run('link', paths, () => {
      const { inode } = this.#machine.locate(paths.path, 'link')
      const target = this.#machine.locate(paths.to, 'link')
      if (!inode) throw this.#machine.error('ENOENT', 'link', paths)
      if (inode.kind === 'directory') throw this.#machine.error('EPERM', 'link', paths)
      if (target.inode) throw this.#machine.error('EEXIST', 'link', paths)
      this.#machine.visible.link(paths.path, paths.to)
      this.#change(target, inode)
    })
  }

  /** A terabyte, less the sizes of the files. It only reports: writes fail with `ENOSPC` where a fault says so. */
  space(path: string): Promise<FileSystemSpace> {
    return this.#run('space', path, ({ inode }) => {
      if (!inode) throw this.#machine.error('ENOENT', 'space', { path })
      let usedBytes = 0
      for (const file of this.#machine.disk.inodes()) {
        if (file.kind === 'file' && file.names.length > 0) usedBytes += file.sizeBytes
      }
      return { freeBytes: Math.max(TOTAL_BYTES - usedBytes, 0), totalBytes: TOTAL_BYTES }
    })
  }

  async rename(from: string, to: string): Promise<void> {
    const paths = { path: resolve(from), to: resolve(to) }
    await this.#machine.run('rename', paths, () => {
      const source = this.#machine.locate(paths.path, 'rename')
      const target = this.#machine.locate(paths.to, 'rename')
      const { inode } = source
      const refusal = refusalToRename(source, target)
      if (refusal !== null || !inode) throw this.#machine.error(refusal ?? 'ENOENT', 'rename', paths)
      if (target.inode === inode) return
      this.#machine.visible.rename(source.path, target.path)
      this.#machine.changeNames([
        { directory: target.directory, name: target.name, inode },
        { directory: source.directory, name: source.name, inode: null },
      ])
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#run('syncDirectory', path, (place) => {
      const directory = this.#directory(place, 'syncDirectory')
      if (!this.#machine.lyingDrive) directory.sync()
    })
  }

  async lock(path: string): Promise<FileLock> {
    const machine = this.#machine
    const { life } = machine
    const file = await this.#run('lock', path, (place) => {
      this.#checkWritable('lock', path)
      const locked = place.inode ? this.#file(place, 'lock') : this.#makeFile(place)
      if (machine.locks.has(locked)) throw lockedError(path)
      machine.locks.add(locked)
      return locked
    })
    let held = true
    return {
      identity: machine.identityOf(file),
      async release(): Promise<void> {
        if (held && machine.life === life) machine.locks.delete(file)
        held = false
      },
    }
  }

  /** Calls back in a microtask after the operation that changed something, and never again after a crash or a kill. */
  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#run('watch', directory, (place) =>
      this.#machine.watches.add(this.#directory(place, 'watch'), this.#machine.wayTo(place.path), onChange),
    )
  }

  /** Everything that a power cut may leave at this moment. */
  crashState(): CrashState {
    return new CrashState(this.#machine.disk, this.#weakNames)
  }

  /**
   * Cuts the power and restarts the machine. All handles, locks and watches are dead. Nothing that was not durable is
   * left, unless chosen otherwise: by a choice among the alternatives of `crashState`, at random, or by an image, which
   * replaces everything.
   */
  crash(outcome: CrashChoice | { readonly random: Random } | CrashImage = { picks: [] }): void {
    const image = outcome instanceof CrashImage ? outcome : this.#choose(outcome)
    this.#machine.kill()
    this.#machine.boot(image)
  }

  /**
   * Kills the process: its handles and locks are dead. What was written stays visible, and as undecided on the disk as
   * before.
   */
  kill(): void {
    this.#machine.kill()
  }

  /** Drops clean pages from memory, as the kernel may at any time: what a failed sync lost is no longer visible. */
  evict(): void {
    this.#machine.evict()
  }

  /** A separate file system in the same state, visible and durable, without the handles, locks, faults and counts. */
  clone(): InMemoryFileSystem {
    const { failedSync, lyingDrive } = this.#machine
    const copy = new InMemoryFileSystem({ failedSync, lyingDrive, weakNames: this.#weakNames })
    copy.#machine.copy(this.#machine)
    return copy
  }

  #choose(outcome: CrashChoice | { readonly random: Random }): CrashImage {
    const state = this.crashState()
    return state.image('random' in outcome ? state.randomChoice(outcome.random) : outcome)
  }

  #run<T>(operation: Operation, path: string, body: (place: Place) => T): Promise<T> {
    const target = { path: resolve(path) }
    return this.#machine.run(operation, target, () => body(this.#machine.locate(target.path, operation)))
  }

  #lookUp(path: string): Place['inode'] {
    try {
      return this.#machine.locate(path, 'mkdir').inode
    } catch {
      return undefined
    }
  }

  #file({ inode, path }: Place, operation: Operation): FileState {
    if (!inode) throw this.#machine.error('ENOENT', operation, { path })
    if (inode.kind === 'directory') throw this.#machine.error('EISDIR', operation, { path })
    return inode
  }

  #directory({ inode, path }: Place, operation: Operation): Extract<Place['inode'], { kind: 'directory' }> {
    if (!inode) throw this.#machine.error('ENOENT', operation, { path })
    if (inode.kind === 'file') throw this.#machine.error('ENOTDIR', operation, { path })
    return inode
  }

  #makeFile(place: Place): FileState {
    this.#machine.visible.makeFile(place.path, new Uint8Array(0))
    const file = this.#machine.disk.makeFile(place.path)
    this.#change(place, file)
    return file
  }

  #change({ directory, name }: Place, inode: Place['inode'] | null): void {
    this.#machine.changeNames([{ directory, name, inode: inode ?? null }])
  }

  #checkWritable(operation: Operation, path: string): void {
    if (this.#machine.readOnly) throw this.#machine.error('EROFS', operation, { path })
  }
}

/** The code with which Linux refuses a rename; null if it is possible. */
function refusalToRename(source: Place, target: Place): string | null {
  if (source.name === '' || target.name === '') return 'EBUSY'
  if (!source.inode) return 'ENOENT'
  if (!target.inode || target.inode === source.inode) return isBelow(target, source) ? 'EINVAL' : null
  if (source.inode.kind === 'file') return target.inode.kind === 'file' ? null : 'EISDIR'
  if (isBelow(target, source)) return 'EINVAL'
  if (target.inode.kind === 'file') return 'ENOTDIR'
  return target.inode.names.size === 0 ? null : 'ENOTEMPTY'
}

function isBelow(place: Place, above: Place): boolean {
  return above.inode?.kind === 'directory' && place.path.startsWith(`${above.path}/`)
}

function resolve(path: string): string {
  return posix.resolve('/', path)
}
