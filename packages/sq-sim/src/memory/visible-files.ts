/** What processes see: names and bytes in a memfs volume. Only this file uses memfs, an optional dependency. */
import type { Volume } from 'memfs'
import { findPackage } from '../required-package.ts'

type Memfs = typeof import('memfs')

function loadMemfs(): Memfs {
  try {
    const loaded = findPackage('memfs').load()
    if (isMemfs(loaded)) return loaded
  } catch (cause) {
    throw new Error('@sq/sim/memory needs memfs, which is not installed: run npm install --save-dev memfs', { cause })
  }
  throw new Error('@sq/sim/memory needs memfs, but the installed package of that name has no Volume')
}

function isMemfs(loaded: unknown): loaded is Memfs {
  return typeof loaded === 'object' && loaded !== null && 'Volume' in loaded
}

const memfs = loadMemfs()

/** A descriptor of the volume, shared by all handles of the file. */
interface Descriptor {
  readonly number: number
  users: number
}

/** A file is identified by a key, which is the same under every name and after the last name is gone. */
export class VisibleFiles {
  readonly volume: Volume = new memfs.Volume()
  readonly #open = new Map<object, Descriptor>()

  makeDirectory(path: string): void {
    this.volume.mkdirSync(path)
  }

  makeFile(path: string, bytes: Uint8Array): void {
    this.volume.writeFileSync(path, bytes)
  }

  /** The bytes of the file at a path. */
  bytes(path: string): Uint8Array {
    const bytes = this.volume.readFileSync(path)
    return typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  }

  unlink(path: string): void {
    this.volume.unlinkSync(path)
  }

  removeDirectory(path: string): void {
    this.volume.rmdirSync(path)
  }

  /** Gives a file a second name. */
  link(existing: string, path: string): void {
    this.volume.linkSync(existing, path)
  }

  /** Renames a file, or a directory with everything in it. Replaces a file or an empty directory. */
  rename(from: string, to: string): void {
    const replaced = this.volume.lstatSync(to, { throwIfNoEntry: false })
    // memfs counts the name twice if it replaces it itself, and then never finds the directory empty again.
    if (replaced?.isDirectory()) this.removeDirectory(to)
    else if (replaced) this.unlink(to)
    this.volume.renameSync(from, to)
  }

  open(key: object, path: string): void {
    const descriptor = this.#open.get(key)
    if (descriptor) descriptor.users++
    else this.#open.set(key, { number: this.volume.openSync(path, 'r+'), users: 1 })
  }

  close(key: object): void {
    const descriptor = this.#open.get(key)
    if (!descriptor || --descriptor.users > 0) return
    this.#open.delete(key)
    this.volume.closeSync(descriptor.number)
  }

  closeAll(): void {
    for (const { number } of this.#open.values()) this.volume.closeSync(number)
    this.#open.clear()
  }

  /** Removes everything. Ten times as fast as creating another volume. */
  clear(): void {
    this.#open.clear()
    this.volume.reset()
  }

  /** Fills the buffer from an open file; less at the end of the file. */
  read(key: object, buffer: Uint8Array, position: number): number {
    return this.volume.readSync(this.#number(key), buffer, 0, buffer.byteLength, position)
  }

  write(key: object, buffer: Uint8Array, position: number): void {
    this.volume.writeSync(this.#number(key), buffer, 0, buffer.byteLength, position)
  }

  truncate(key: object, sizeBytes: number): void {
    this.volume.ftruncateSync(this.#number(key), sizeBytes)
  }

  #number(key: object): number {
    const descriptor = this.#open.get(key)
    if (!descriptor) throw new Error('a file is read or written although it is not open')
    return descriptor.number
  }
}
