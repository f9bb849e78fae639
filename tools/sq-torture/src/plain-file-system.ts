/**
 * A file system in memory that has names and bytes, and nothing else: no crash model, no faults, no observers. Most
 * recoveries of an exploration are not stopped, and are several times cheaper on it than on an `InMemoryFileSystem`. It
 * passes the conformance suite of `@sq/sim`, except for watches, which it does not have.
 */
import { posix } from 'node:path'
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '@sq/sim'
import type { CrashImage } from '@sq/sim/memory'

interface File {
  readonly kind: 'file'
  readonly identity: string
  /** At least `sizeBytes` bytes, zeros after them. */
  bytes: Uint8Array
  sizeBytes: number
  /** Whether the bytes belong to the image: they are copied before they are changed. */
  isShared: boolean
  /** The number of its names. */
  links: number
  isLocked: boolean
}

interface Directory {
  readonly kind: 'directory'
  readonly identity: string
  readonly names: Map<string, Inode>
}

type Inode = File | Directory

interface Place {
  readonly path: string
  readonly directory: Directory
  readonly name: string
  readonly inode: Inode | undefined
}

/** Distinguishes the files of all these file systems. */
let inodes = 0

const makeFile = (bytes: Uint8Array): File => ({
  kind: 'file',
  identity: `plain:${inodes++}`,
  bytes,
  sizeBytes: bytes.byteLength,
  isShared: true,
  links: 0,
  isLocked: false,
})

const makeDirectory = (): Directory => ({ kind: 'directory', identity: `plain:${inodes++}`, names: new Map() })

export class PlainFileSystem implements FileSystem {
  /** The number of open handles and locks. */
  openHandles = 0
  readonly #root = makeDirectory()

  /** The image is not changed. */
  constructor(image?: CrashImage) {
    for (const [path, bytes] of image?.entries ?? []) {
      const { directory, name } = this.#locate(path, 'open')
      const linked = image?.links.get(path)
      if (bytes === null) directory.names.set(name, makeDirectory())
      else setFile(directory, name, linked === undefined ? makeFile(bytes) : this.#fileAt(linked))
    }
  }

  /** The names in a directory, synchronously; none if it does not exist. */
  namesIn(path: string): string[] {
    let inode: Inode | undefined = this.#root
    for (const name of namesOf(path)) inode = inode?.kind === 'directory' ? inode.names.get(name) : undefined
    return inode?.kind === 'directory' ? [...inode.names.keys()] : []
  }

  /** The bytes of a file, synchronously. */
  bytesOf(path: string): Uint8Array {
    const { bytes, sizeBytes } = this.#fileAt(path)
    return bytes.subarray(0, sizeBytes)
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    const { directory, name, inode } = this.#locate(path, 'open')
    if (mode === 'create') {
      if (inode) throw failure('EEXIST', 'open', path)
      const file = makeFile(new Uint8Array(0))
      setFile(directory, name, file)
      return new Handle(file, true, this)
    }
    return new Handle(fileOf(inode, 'open', path), mode === 'read-write', this)
  }

  async mkdir(path: string): Promise<void> {
    let directory = this.#root
    for (const name of namesOf(path)) {
      let inode = directory.names.get(name)
      if (inode?.kind === 'file') throw failure(this.#locate(path, 'mkdir').inode ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
      if (!inode) directory.names.set(name, (inode = makeDirectory()))
      directory = inode
    }
  }

  async readdir(path: string): Promise<string[]> {
    return [...directoryOf(this.#locate(path, 'scandir').inode, 'scandir', path).names.keys()]
  }

  async stat(path: string): Promise<FileStat> {
    const { inode } = this.#locate(path, 'stat')
    if (!inode) throw failure('ENOENT', 'stat', path)
    const { kind, identity } = inode
    if (kind === 'directory') return { kind, sizeBytes: 0, links: 1, identity }
    return { kind, sizeBytes: inode.sizeBytes, links: inode.links, identity }
  }

  async unlink(path: string): Promise<void> {
    const { directory, name, inode } = this.#locate(path, 'unlink')
    fileOf(inode, 'unlink', path).links--
    directory.names.delete(name)
  }

  async rmdir(path: string): Promise<void> {
    const { directory, name, inode } = this.#locate(path, 'rmdir')
    if (directoryOf(inode, 'rmdir', path).names.size > 0) throw failure('ENOTEMPTY', 'rmdir', path)
    directory.names.delete(name)
  }

  async link(existing: string, path: string): Promise<void> {
    const { inode } = this.#locate(existing, 'link')
    const target = this.#locate(path, 'link')
    if (inode?.kind === 'directory') throw failure('EPERM', 'link', existing)
    if (target.inode) throw failure('EEXIST', 'link', path)
    setFile(target.directory, target.name, fileOf(inode, 'link', existing))
  }

  async space(path: string): Promise<FileSystemSpace> {
    if (!this.#locate(path, 'statfs').inode) throw failure('ENOENT', 'statfs', path)
    return { freeBytes: 2 ** 40, totalBytes: 2 ** 40 }
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#locate(from, 'rename')
    const target = this.#locate(to, 'rename')
    const refusal = refusalToRename(source, target)
    if (refusal !== null || !source.inode) throw failure(refusal ?? 'ENOENT', 'rename', from)
    if (target.inode === source.inode) return
    if (target.inode?.kind === 'file') target.inode.links--
    source.directory.names.delete(source.name)
    target.directory.names.set(target.name, source.inode)
  }

  async syncDirectory(path: string): Promise<void> {
    directoryOf(this.#locate(path, 'fsync').inode, 'fsync', path)
  }

  async lock(path: string): Promise<FileLock> {
    const { directory, name, inode } = this.#locate(path, 'open')
    const file = inode ? fileOf(inode, 'open', path) : makeFile(new Uint8Array(0))
    if (file.isLocked) throw failure('ELOCKED', 'open', path)
    if (!inode) setFile(directory, name, file)
    file.isLocked = true
    this.openHandles++
    let isHeld = true
    return {
      identity: file.identity,
      release: async (): Promise<void> => {
        if (!isHeld) return
        isHeld = false
        file.isLocked = false
        this.openHandles--
      },
    }
  }

  watch(): Promise<Watch> {
    return Promise.reject(new Error('this file system has no watches'))
  }

  #fileAt(path: string): File {
    return fileOf(this.#locate(path, 'link').inode, 'link', path)
  }

  #locate(path: string, syscall: string): Place {
    const names = namesOf(path)
    const name = names.pop()
    let directory = this.#root
    for (const parent of names) directory = directoryOf(directory.names.get(parent), syscall, path)
    if (name === undefined) return { path: '/', directory, name: '', inode: directory }
    return { path, directory, name, inode: directory.names.get(name) }
  }
}

class Handle implements FileHandle {
  readonly #file: File
  readonly #isWriting: boolean
  readonly #fs: PlainFileSystem
  #isOpen = true

  constructor(file: File, isWriting: boolean, fs: PlainFileSystem) {
    this.#file = file
    this.#isWriting = isWriting
    this.#fs = fs
    fs.openHandles++
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#check('read', position)
    const { bytes, sizeBytes } = this.#file
    const found = bytes.subarray(Math.min(position, sizeBytes), Math.min(position + buffer.byteLength, sizeBytes))
    buffer.set(found)
    return found.byteLength
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.#check('write', position, true)
    let at = position
    for (const buffer of buffers) {
      if (buffer.byteLength > 0) this.#makeOwn(Math.max(at + buffer.byteLength, this.#file.sizeBytes)).set(buffer, at)
      at += buffer.byteLength
    }
  }

  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.write(buffers, position)
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#check('ftruncate', sizeBytes, true)
    const before = this.#file.sizeBytes
    this.#makeOwn(sizeBytes).fill(0, sizeBytes, before)
  }

  async sync(): Promise<void> {
    this.#check('fsync')
  }

  async size(): Promise<number> {
    this.#check('fstat')
    return this.#file.sizeBytes
  }

  async identity(): Promise<string> {
    this.#check('fstat')
    return this.#file.identity
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#fs.openHandles--
    this.#isOpen = false
  }

  #check(syscall: string, position = 0, isWriting = false): void {
    if (!this.#isOpen || (isWriting && !this.#isWriting)) throw failure('EBADF', syscall)
    if (!Number.isSafeInteger(position) || position < 0)
      throw new RangeError(`there is no position or size ${position}`)
  }

  /** Gives the file another size, and a private copy of its bytes, which can be changed. */
  #makeOwn(sizeBytes: number): Uint8Array {
    const file = this.#file
    if (file.isShared || file.bytes.byteLength < sizeBytes) {
      const { bytes } = file
      file.bytes = new Uint8Array(Math.max(sizeBytes, Math.min(2 * bytes.byteLength, bytes.byteLength + 4096)))
      file.bytes.set(bytes)
      file.isShared = false
    }
    file.sizeBytes = sizeBytes
    return file.bytes
  }
}

function namesOf(path: string): string[] {
  const normal = path.includes('/.') || path.includes('//') || !path.startsWith('/') ? posix.resolve('/', path) : path
  return normal === '/' ? [] : normal.slice(1).split('/')
}

/** Gives a file a name. */
function setFile(directory: Directory, name: string, file: File): void {
  directory.names.set(name, file)
  file.links++
}

function fileOf(inode: Inode | undefined, syscall: string, path: string): File {
  if (!inode) throw failure('ENOENT', syscall, path)
  if (inode.kind === 'directory') throw failure('EISDIR', syscall, path)
  return inode
}

function directoryOf(inode: Inode | undefined, syscall: string, path: string): Directory {
  if (!inode) throw failure('ENOENT', syscall, path)
  if (inode.kind === 'file') throw failure('ENOTDIR', syscall, path)
  return inode
}

/** The code with which Linux refuses a rename; null if it is possible. */
function refusalToRename(source: Place, target: Place): string | null {
  if (source.name === '' || target.name === '') return 'EBUSY'
  if (!source.inode) return 'ENOENT'
  const isOwn = target.inode === source.inode
  if (!isOwn && source.inode.kind === 'directory' && isIn(target.directory, source.inode)) return 'EINVAL'
  if (!target.inode || isOwn) return null
  if (source.inode.kind === 'file') return target.inode.kind === 'file' ? null : 'EISDIR'
  if (target.inode.kind === 'file') return 'ENOTDIR'
  return target.inode.names.size === 0 ? null : 'ENOTEMPTY'
}

function isIn(directory: Directory, above: Directory): boolean {
  if (directory === above) return true
  return [...above.names.values()].some((inode) => inode.kind === 'directory' && isIn(directory, inode))
}

function failure(code: string, syscall: string, path?: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} ${path}`), { code })
}
