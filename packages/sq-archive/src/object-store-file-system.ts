/**
 * Objects as a read-only file system, so that readers, verification and tools of the log work on an object store. A
 * path is a key: `/orders/0/00000000000000000000.wal`. It reads aligned blocks, keeps the ones used last in memory, and
 * reads ahead where a file is read in order.
 */
import { SystemClock } from '@sq/sim'
import type { Clock, FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '@sq/sim'
import { posix } from 'node:path'
import { BlockCache } from './block-cache.ts'
import type { BlockRange } from './block-cache.ts'
import { failure, readOnly, reported } from './file-errors.ts'
import { LateUploads } from './late-uploads.ts'
import { BLOCK_BYTES, ObjectHandle } from './object-handle.ts'
import { checkKey } from './object-key.ts'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'
import { ReadAheadBudget } from './read-ahead.ts'
import { Sightings } from './sightings.ts'
import { checkWholeNumber } from './whole-number.ts'

const MAX_CACHE_BYTES = 64 * 1024 * 1024
const POLL_MS = 5000
/** The longest that a timer can wait. */
const MAX_POLL_MS = 2 ** 31 - 1

/** Options of `ObjectStoreFileSystem`. All are optional. */
export interface ObjectStoreFileSystemOptions {
  /** The directory `/` of the file system: keys that begin with this and `/`. All keys if empty, the default. */
  readonly prefix?: string
  /** The most bytes of objects to keep in memory, from 0 on. Default 64 MiB. */
  readonly maxCacheBytes?: number
  /**
   * How often a watch reports that there may be a change, and how long what the store has said of an object is believed,
   * in milliseconds, from 1 to 2^31 - 1. Default 5,000.
   */
  readonly pollMs?: number
  /** The clock of the watches; the machine's clock if not given. */
  readonly clock?: Clock
}

/** Each store in this process has a number, so that two file systems on one store give a file the same identity. */
const storeNumbers = new WeakMap<ObjectStore, number>()
let stores = 0

export class ObjectStoreFileSystem implements FileSystem {
  readonly #store: ObjectStore
  /** Empty, or ends with `/`. */
  readonly #prefix: string
  readonly #cache: BlockCache
  readonly #budget: ReadAheadBudget
  readonly #lateUploads: LateUploads
  readonly #sightings: Sightings
  readonly #pollMs: number
  readonly #clock: Clock
  readonly #number: number

  /** Throws a `RangeError` for a bad number, and an `ObjectStoreError` for a bad prefix. */
  constructor(store: ObjectStore, options: ObjectStoreFileSystemOptions = {}) {
    const { prefix = '', maxCacheBytes = MAX_CACHE_BYTES, pollMs = POLL_MS, clock = new SystemClock() } = options
    if (prefix !== '') checkKey(prefix)
    checkWholeNumber('maxCacheBytes', maxCacheBytes, { least: 0 })
    checkWholeNumber('pollMs', pollMs, { least: 1, most: MAX_POLL_MS })
    this.#store = store
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#cache = new BlockCache(maxCacheBytes)
    // What is read ahead must not drive out what was read ahead before it.
    this.#budget = new ReadAheadBudget(Math.floor(maxCacheBytes / 2 / BLOCK_BYTES))
    this.#lateUploads = new LateUploads(store)
    this.#sightings = new Sightings(clock, pollMs)
    this.#pollMs = pollMs
    this.#clock = clock
    const number = storeNumbers.get(store) ?? stores++
    storeNumbers.set(store, number)
    this.#number = number
  }

  /** Opens an object. Rejects with `EROFS` for any mode but `read`, with `ENOENT`, and with `EISDIR`. */
  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    if (mode !== 'read') throw readOnly('open', path)
    const found = await this.#find('open', path)
    if (found === 'directory') throw failure('EISDIR', 'open', path, 'it is a directory')
    const { key, bytes } = found
    return new ObjectHandle({
      path,
      bytes,
      identity: this.#identity(key),
      runs: (range) => this.#cache.get(key, range, (missing) => this.#fetch(found, missing)),
      budget: this.#budget,
    })
  }

  async stat(path: string): Promise<FileStat> {
    const found = await this.#find('stat', path)
    if (found === 'directory') {
      return { kind: 'directory', sizeBytes: 0, links: 1, identity: this.#identity(`${this.#keyOf(path)}/`) }
    }
    return { kind: 'file', sizeBytes: found.bytes, links: 1, identity: this.#identity(found.key) }
  }

  /**
   * The names in a directory, by one listing of it: what is in its directories is not listed. Segments that landed in an
   * archive after retention had deleted them are left out: the log begins after them.
   */
  async readdir(path: string): Promise<string[]> {
    const folder = this.#folderOf(path)
    const names: string[] = []
    const objects: ObjectInfo[] = []
    await reported('readdir', path, async () => {
      for await (const entry of this.#store.list(folder, { shallow: true })) {
        this.#sightings.add(entry)
        const name = entry.key.slice(folder.length)
        names.push(name.endsWith('/') ? name.slice(0, -1) : name)
        if (!name.endsWith('/')) objects.push(entry)
      }
    })
    if (names.length === 0 && folder !== this.#prefix) {
      const found = await this.#find('readdir', path)
      if (found !== 'directory') throw failure('ENOTDIR', 'readdir', path, 'it is an object')
    }
    const late = await reported('readdir', path, () => this.#lateUploads.among(objects, folder))
    return late.size === 0 ? names : names.filter((name) => !late.has(folder + name))
  }

  /**
   * Forgets what is in memory of an object, so that it is read from the store again. Call it after a `CorruptLogError`,
   * with its `path`: a bit may have changed on the way from the store. `TieredReader` does so by itself.
   */
  forget(path: string): void {
    this.#cache.drop(this.#keyOf(path))
  }

  /**
   * Calls back every few seconds, for an object store reports no changes. Rejects with `ENOENT` and `ENOTDIR`.
   */
  async watch(directory: string, onChange: () => void): Promise<Watch> {
    const found = await this.#find('watch', directory)
    if (found !== 'directory') throw failure('ENOTDIR', 'watch', directory, 'it is an object')
    const poll = (): (() => void) =>
      this.#clock.setTimer(this.#pollMs, () => {
        cancel = poll()
        onChange()
      })
    let cancel = poll()
    return { close: () => cancel() }
  }

  async mkdir(path: string): Promise<void> {
    throw readOnly('mkdir', path)
  }

  async unlink(path: string): Promise<void> {
    throw readOnly('unlink', path)
  }

  async rmdir(path: string): Promise<void> {
    throw readOnly('rmdir', path)
  }

  async link(_existing: string, path: string): Promise<void> {
    throw readOnly('link', path)
  }

  async rename(_from: string, to: string): Promise<void> {
    throw readOnly('rename', to)
  }

  async syncDirectory(path: string): Promise<void> {
    throw readOnly('fsync', path)
  }

  async lock(path: string): Promise<FileLock> {
    throw readOnly('lock', path)
  }

  /** An object store has no limit that it states: this says that there is none. */
  async space(path: string): Promise<FileSystemSpace> {
    await this.#find('statfs', path)
    return { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER }
  }

  async #find(syscall: string, path: string): Promise<ObjectInfo | 'directory'> {
    const [key, folder] = [this.#keyOf(path), this.#folderOf(path)]
    if (folder === this.#prefix || this.#sightings.hasDirectory(folder)) return 'directory'
    return reported(syscall, path, async () => {
      const seen = this.#sightings.object(key)
      if (seen !== null) return seen
      const asObject = () => this.#head(key)
      const asDirectory = () => this.#directory(folder)
      // Nearly all names with a dot are those of objects, and nearly all others those of directories.
      const [first, second] = posix.extname(key) === '' ? [asDirectory, asObject] : [asObject, asDirectory]
      const found = (await first()) ?? (await second())
      if (found === null) throw failure('ENOENT', syscall, path, 'no such object')
      return found
    })
  }

  async #directory(folder: string): Promise<'directory' | null> {
    for await (const object of this.#store.list(folder)) {
      this.#sightings.add(object)
      return 'directory'
    }
    return null
  }

  async #head(key: string): Promise<ObjectInfo | null> {
    try {
      const found = await this.#store.head(key)
      if (found !== null) this.#sightings.add(found)
      return found
    } catch (error) {
      // A name that no object can have, for example that of a temporary file.
      if (error instanceof ObjectStoreError && error.code === 'bad-key') return null
      throw error
    }
  }

  async #fetch({ key, bytes }: ObjectInfo, { from, to }: BlockRange): Promise<Uint8Array> {
    const position = from * BLOCK_BYTES
    const run = Buffer.allocUnsafeSlow(Math.min(to * BLOCK_BYTES, bytes) - position)
    const read = await this.#store.get(key, run, position)
    if (read < run.length) {
      const cause = `${read} bytes at position ${position}, expected ${run.length}`
      throw new ObjectStoreError('failed', `the store returned too little of ${JSON.stringify(key)}: ${cause}`, { key })
    }
    return run
  }

  #keyOf(path: string): string {
    return this.#prefix + posix.resolve('/', path).slice(1)
  }

  #folderOf(path: string): string {
    const key = this.#keyOf(path)
    return key === this.#prefix ? key : `${key}/`
  }

  #identity(key: string): string {
    return `object store ${this.#number} ${key}`
  }
}
