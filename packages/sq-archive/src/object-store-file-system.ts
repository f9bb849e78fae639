/**
 * Objects as a read-only file system, so that readers, verification and tools of the log work on an object store. A
 * path is a key: `/orders/0/00000000000000000000.wal`. It reads aligned blocks, keeps the ones used last in memory, and
 * reads ahead where a file is read in order.
 */
import { SystemClock } from '@sq/sim'
import type { Clock, FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '@sq/sim'
import { posix } from 'node:path'
import { BlockCache } from './block-cache.ts'
import { LateUploads } from './late-uploads.ts'
import { checkKey } from './object-key.ts'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectInfo, ObjectStore, ObjectStoreErrorCode } from './object-store.ts'

const BLOCK_BYTES = 256 * 1024
/** Blocks that are asked for before they are needed, once two have been read in order. */
const AHEAD_BLOCKS = 8
const MAX_CACHE_BYTES = 64 * 1024 * 1024
const POLL_MS = 5000

/** Comes after every character that a key can have. */
const LAST_CHARACTER = '\u{10ffff}'

/** Options of `ObjectStoreFileSystem`. All are optional. */
export interface ObjectStoreFileSystemOptions {
  /** The directory `/` of the file system: keys that begin with this and `/`. All keys if empty, the default. */
  readonly prefix?: string
  /** The most bytes of objects to keep in memory. Default 64 MiB. */
  readonly maxCacheBytes?: number
  /** How often a watch reports that there may be a change, in milliseconds. Default 5,000. */
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
  readonly #lateUploads: LateUploads
  readonly #pollMs: number
  readonly #clock: Clock
  readonly #number: number

  constructor(store: ObjectStore, options: ObjectStoreFileSystemOptions = {}) {
    const { prefix = '', maxCacheBytes = MAX_CACHE_BYTES, pollMs = POLL_MS, clock = new SystemClock() } = options
    if (prefix !== '') checkKey(prefix)
    this.#store = store
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#cache = new BlockCache(maxCacheBytes)
    this.#lateUploads = new LateUploads(store)
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
      block: (index) => this.#block(key, bytes, index),
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
   * The names below a path. Objects below a name are skipped, and not listed one by one. Segments that landed in an
   * archive after retention had deleted them are left out: the log begins after them.
   */
  async readdir(path: string): Promise<string[]> {
    const folder = this.#folderOf(path)
    const names: string[] = []
    const objects: ObjectInfo[] = []
    let after: string | null = null
    do after = await reported('readdir', path, () => this.#names(folder, after, { names, objects }))
    while (after !== null)
    if (names.length === 0 && folder !== this.#prefix) {
      const found = await this.#find('readdir', path)
      if (found !== 'directory') throw failure('ENOTDIR', 'readdir', path, 'it is an object')
    }
    const late = await reported('readdir', path, () => this.#lateUploads.among(objects, folder))
    return late.size === 0 ? names : names.filter((name) => !late.has(folder + name))
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

  /**
   * Adds what is in a folder to the names, and to the objects, from after a key on, up to the first name that is a
   * directory. Resolves with a key after everything in that directory; null at the end.
   */
  async #names(
    folder: string,
    after: string | null,
    { names, objects }: { readonly names: string[]; readonly objects: ObjectInfo[] },
  ): Promise<string | null> {
    for await (const object of this.#store.list(folder, after === null ? {} : { after })) {
      const { key } = object
      const rest = key.slice(folder.length)
      const slash = rest.indexOf('/')
      if (slash < 0) {
        names.push(rest)
        objects.push(object)
      } else {
        names.push(rest.slice(0, slash))
        return `${folder}${rest.slice(0, slash)}/${LAST_CHARACTER}`
      }
    }
    return null
  }

  async #find(syscall: string, path: string): Promise<ObjectInfo | 'directory'> {
    const folder = this.#folderOf(path)
    if (folder === this.#prefix) return 'directory'
    return reported(syscall, path, async () => {
      const key = this.#keyOf(path)
      const found = await this.#head(key)
      if (found !== null) return found
      for await (const _ of this.#store.list(folder)) return 'directory'
      throw failure('ENOENT', syscall, path, 'no such object')
    })
  }

  async #head(key: string): Promise<ObjectInfo | null> {
    try {
      return await this.#store.head(key)
    } catch (error) {
      // A name that no object can have, for example that of a temporary file.
      if (error instanceof ObjectStoreError && error.code === 'bad-key') return null
      throw error
    }
  }

  #block(key: string, bytes: number, index: number): Promise<Uint8Array> {
    return this.#cache.get(`${key} ${index}`, async () => {
      const position = index * BLOCK_BYTES
      const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, bytes - position))
      const read = await this.#store.get(key, block, position)
      if (read < block.length) {
        const cause = `${read} bytes at position ${position}, expected ${block.length}`
        throw new ObjectStoreError('failed', `the store returned too little of ${JSON.stringify(key)}: ${cause}`, {
          key,
        })
      }
      return block
    })
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

/** An object that is open. */
interface OpenObject {
  readonly path: string
  readonly bytes: number
  readonly identity: string
  /** A block of the object, by its number. */
  readonly block: (index: number) => Promise<Uint8Array>
}

class ObjectHandle implements FileHandle {
  readonly #object: OpenObject
  #isClosed = false
  /** The last block that was read, and the one after the last that was asked for. */
  #last = -1
  #asked = 0

  constructor(object: OpenObject) {
    this.#object = object
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#check('read')
    const { bytes, path } = this.#object
    const end = Math.min(position + buffer.length, bytes)
    return reported('read', path, async () => {
      let at = position
      while (at < end) {
        const index = Math.floor(at / BLOCK_BYTES)
        const block = await this.#blockAt(index)
        const part = block.subarray(at - index * BLOCK_BYTES, end - index * BLOCK_BYTES)
        buffer.set(part, at - position)
        at += part.length
      }
      return Math.max(at - position, 0)
    })
  }

  async size(): Promise<number> {
    this.#check('fstat')
    return this.#object.bytes
  }

  async identity(): Promise<string> {
    this.#check('fstat')
    return this.#object.identity
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  async write(): Promise<void> {
    throw failure('EBADF', 'write', this.#object.path, 'the file is open for reading')
  }

  async writeDurable(): Promise<void> {
    throw failure('EBADF', 'write', this.#object.path, 'the file is open for reading')
  }

  async sync(): Promise<void> {
    throw failure('EBADF', 'fsync', this.#object.path, 'the file is open for reading')
  }

  async truncate(): Promise<void> {
    throw failure('EBADF', 'ftruncate', this.#object.path, 'the file is open for reading')
  }

  #blockAt(index: number): Promise<Uint8Array> {
    const { bytes, block } = this.#object
    const isInOrder = index === this.#last + 1 && index > 0
    if (!isInOrder) this.#asked = 0
    this.#last = index
    if (isInOrder) {
      const end = Math.min(index + 1 + AHEAD_BLOCKS, Math.ceil(bytes / BLOCK_BYTES))
      // A failure is met, and told, when the block is needed.
      for (let next = Math.max(index + 1, this.#asked); next < end; next++) block(next).catch(() => {})
      this.#asked = Math.max(this.#asked, end)
    }
    return block(index)
  }

  #check(syscall: string): void {
    if (this.#isClosed) throw failure('EBADF', syscall, this.#object.path, 'the file is closed')
  }
}

function readOnly(syscall: string, path: string): Error {
  return failure('EROFS', syscall, path, 'an object store can only be read as a file system')
}

function failure(code: string, syscall: string, path: string, says: string, cause?: unknown): Error {
  const error = new Error(`${code}: ${says}, ${syscall} '${path}'`, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code, syscall, path })
}

/** The codes of a file system for those of a store. All others are `EIO`. */
const CODES: Partial<Record<ObjectStoreErrorCode, string>> = {
  'not-found': 'ENOENT',
  'bad-key': 'ENOENT',
  denied: 'EACCES',
}

/** Turns an error of the store into one of a file system. */
async function reported<T>(syscall: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error
    const code = CODES[error.code] ?? 'EIO'
    throw failure(code, syscall, path, error.message, error)
  }
}
