/**
 * Objects as files of a directory: on a second disk, or on a mount. A key is a path. An object is written to a
 * temporary file, synced, and then linked to its name, which fails if the name exists.
 */
import { dirname, join } from 'node:path'
import { NodeFileSystem, Random } from '@sq/sim'
import type { FileHandle, FileSystem } from '@sq/sim'
import { checkKey, compareKeys, TEMPORARY } from './object-key.ts'
import { partsOf } from './object-source.ts'
import { ObjectStoreError } from './object-store.ts'
import type { ListOptions, ObjectInfo, ObjectSource, ObjectStore } from './object-store.ts'

export class DirectoryObjectStore implements ObjectStore {
  readonly #fs: FileSystem
  readonly #root: string
  /** Names temporary files, of which other processes may create some at the same time. */
  readonly #random = Random.fromEntropy()
  /** Directories whose names are durable. */
  readonly #durable = new Set<string>()

  /**
   * `root` is created by the first `put` if it is missing. The file system must have hard links. Only the store may
   * change what is in `root`; any number of stores, in any process, may use it at the same time.
   */
  constructor(fs: FileSystem, root: string) {
    this.#fs = fs
    this.#root = root
  }

  async put(key: string, source: ObjectSource): Promise<'created' | 'exists'> {
    checkKey(key)
    const path = join(this.#root, key)
    const directory = dirname(path)
    return reported('store', key, async () => {
      await beforeItIsStored(key, () => this.#makeDirectory(directory))
      if ((await this.#stat(path)) !== null) {
        // The process that has linked it may not have made its name durable yet.
        await this.#fs.syncDirectory(directory)
        return 'exists'
      }
      const temporary = `${path}.${this.#random.bigUint64().toString(16)}${TEMPORARY}`
      try {
        await beforeItIsStored(key, () => this.#write(temporary, key, source))
        return await this.#link(key, { temporary, path })
      } finally {
        // What a crash leaves of it is never listed.
        await this.#fs.unlink(temporary).catch(ignoreMissing)
      }
    })
  }

  async get(key: string, buffer: Uint8Array, position: number): Promise<number> {
    checkKey(key)
    return reported('read', key, async () => {
      const file = await this.#fs.open(join(this.#root, key), 'read')
      try {
        return await file.read(buffer, position)
      } finally {
        await file.close()
      }
    })
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkKey(key)
    return reported('look for', key, async () => {
      const bytes = await this.#stat(join(this.#root, key))
      return bytes === null ? null : { key, bytes }
    })
  }

  async *list(
    prefix: string,
    { after = '', shallow = false }: ListOptions = {},
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    // Directories that hold a key with the prefix are in the directory that the prefix names up to its last slash.
    yield* this.#listIn(prefix.slice(0, prefix.lastIndexOf('/') + 1), { prefix, after, shallow })
  }

  async delete(key: string): Promise<void> {
    checkKey(key)
    const path = join(this.#root, key)
    await reported('delete', key, async () => {
      try {
        await this.#fs.unlink(path)
      } catch (error) {
        ignoreMissing(error)
      }
      // Also if it is gone: an earlier deletion may have failed after it removed the name.
      await this.#fs.syncDirectory(dirname(path)).catch(ignoreMissing)
    })
  }

  /** @internal Whether a directory is the one that has the objects of a folder. */
  async isFolder(fs: FileSystem, path: string, folder: string): Promise<boolean> {
    const areComparable = fs === this.#fs || (fs instanceof NodeFileSystem && this.#fs instanceof NodeFileSystem)
    if (!areComparable) return false
    try {
      return (await fs.stat(path)).identity === (await this.#fs.stat(join(this.#root, folder))).identity
    } catch (error) {
      ignoreMissing(error)
      return false
    }
  }

  /**
   * Creates a directory and makes its name durable, and those of its parents: they may have been created by a call that
   * failed, or by another process that has not synced them yet.
   */
  async #makeDirectory(path: string): Promise<void> {
    if (this.#durable.has(path)) return
    await this.#fs.mkdir(path)
    const parents: string[] = []
    for (let below = path, above = dirname(below); above !== below; below = above, above = dirname(below)) {
      parents.push(above)
      if (this.#durable.has(above)) break
    }
    for (const parent of parents.toReversed()) await this.#fs.syncDirectory(parent)
    for (const durable of [path, ...parents]) this.#durable.add(durable)
  }

  async #write(temporary: string, key: string, source: ObjectSource): Promise<void> {
    const file: FileHandle = await this.#fs.open(temporary, 'create')
    try {
      let position = 0
      for await (const part of partsOf(key, source)) {
        await file.write([part], position)
        position += part.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #link(
    key: string,
    { temporary, path }: { readonly temporary: string; readonly path: string },
  ): Promise<'created' | 'exists'> {
    const result = await beforeItIsStored(key, async () => {
      try {
        await this.#fs.link(temporary, path)
        return 'created'
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || (await this.#stat(path)) === null) throw error
        return 'exists'
      }
    })
    await this.#fs.syncDirectory(dirname(path))
    return result
  }

  /** The size of a file; null if there is none. */
  async #stat(path: string): Promise<number | null> {
    try {
      const { kind, sizeBytes } = await this.#fs.stat(path)
      return kind === 'file' ? sizeBytes : null
    } catch (error) {
      ignoreMissing(error)
      return null
    }
  }

  /** `folder` is empty or ends with a slash. */
  async *#listIn(
    folder: string,
    range: { prefix: string; after: string; shallow: boolean },
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    const names = await reported('list', folder, () => this.#names(join(this.#root, folder)))
    const { prefix, after, shallow } = range
    const found: { readonly key: string; readonly bytes: number | null }[] = []
    for (const name of names) {
      const path = folder + name
      const leadsToPrefix = path.startsWith(prefix) || prefix.startsWith(`${path}/`)
      const isBefore = after !== '' && compareKeys(path, after) <= 0 && !after.startsWith(`${path}/`)
      if (name.endsWith(TEMPORARY) || !leadsToPrefix || (isBefore && isAllBefore(path, after))) continue
      const kind = await reported('list', path, () => this.#kindOf(join(this.#root, path)))
      // A directory stands where its first key would: `a.wal` comes before `a/`.
      if (kind === 'directory') found.push({ key: `${path}/`, bytes: null })
      else if (kind !== null && !isBefore) found.push({ key: path, bytes: kind })
    }
    for (const { key, bytes } of found.toSorted((one, other) => compareKeys(one.key, other.key))) {
      if (bytes !== null) yield { key, bytes }
      else if (!shallow) yield* this.#listIn(key, range)
      else if (compareKeys(key, after) > 0) yield { key, bytes: 0 }
    }
  }

  async #names(directory: string): Promise<string[]> {
    try {
      return await this.#fs.readdir(directory)
    } catch (error) {
      ignoreMissing(error)
      return []
    }
  }

  /** The size of a file, or that it is a directory; null for anything else, and for what has been deleted. */
  async #kindOf(path: string): Promise<number | 'directory' | null> {
    try {
      const { kind, sizeBytes } = await this.#fs.stat(path)
      if (kind === 'directory') return kind
      return kind === 'file' ? sizeBytes : null
    } catch (error) {
      ignoreMissing(error)
      return null
    }
  }
}

/** Whether the keys below a directory come before a key that is not below it. */
function isAllBefore(path: string, after: string): boolean {
  return compareKeys(`${path}/`, after) < 0
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}

/** A directory is no object, and a name below a file leads to none. */
function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

/** Codes of errors that stay until someone changes something: rights, a file in the place of a directory, no hard links. */
const LASTING: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EEXIST',
  'ENAMETOOLONG',
  'ENOSYS',
  'ENOTDIR',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'EROFS',
])

/** Runs a step of `put` that stores nothing if it fails, and says so if it cannot succeed. */
async function beforeItIsStored<T>(key: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (!LASTING.has(codeOf(error))) throw error
    const says = `could not store ${JSON.stringify(key)}: ${messageOf(error)}`
    throw new ObjectStoreError('denied', says, { key, cause: error })
  }
}

/** Turns an error of the file system into one of the store. */
async function reported<T>(
  doing: 'store' | 'read' | 'look for' | 'list' | 'delete',
  key: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof ObjectStoreError) throw error
    const what = `could not ${doing} ${JSON.stringify(key)}`
    if (doing === 'read' && isMissing(error)) {
      throw new ObjectStoreError('not-found', `there is no object ${JSON.stringify(key)}`, { key, cause: error })
    }
    throw new ObjectStoreError('failed', `${what}: ${messageOf(error)}`, { key, cause: error })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
