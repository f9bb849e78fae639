/**
 * A file system that monitors how hostile files are read: a read buffer may exceed the real content of a file only by a
 * constant, and the bytes that are read are counted. A file can be much longer than its content, with zeros after it,
 * and can be something other than a regular file.
 */
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, OpenOptions, Watch } from '@sq/sim'
import { Violation } from '../history.ts'

/** More than the head of a segment, but harmless. */
const MAX_BYTES_BEYOND_FILE = 4096
/** The limit on one read from a file with zeros after its content. */
const MAX_SPARSE_BYTES = 512 * 1024 + 64

/** The error code and the kind of everything that is not a regular file. */
const KINDS = {
  link: { code: 'ELOOP', kind: 'link' },
  directory: { code: 'EISDIR', kind: 'directory' },
  FIFO: { code: 'EFTYPE', kind: 'other' },
} as const

/** What a name can be instead of a regular file. */
export type FileKind = keyof typeof KINDS

/** Differences from the file system in memory, by path. */
export interface Strangeness {
  /** The size of a file. */
  readonly sizes: ReadonlyMap<string, number>
  readonly kinds: ReadonlyMap<string, FileKind>
}

export class WatchedFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #sizes: Map<string, number>
  readonly #kinds: Map<string, FileKind>
  /** The first violation. */
  violation: Violation | null = null
  /** The bytes that were requested. */
  bytesRead = 0

  constructor(fs: FileSystem, { sizes, kinds }: Strangeness) {
    this.#fs = fs
    this.#sizes = new Map(sizes)
    this.#kinds = new Map(kinds)
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    this.#refuseKind(path)
    const handle = await this.#fs.open(path, mode, options)
    const read = async (buffer: Uint8Array, position: number): Promise<number> => {
      this.bytesRead += buffer.byteLength
      const { sizeBytes } = await this.#fs.stat(path)
      const longer = this.#sizes.get(path)
      const most = Math.max(sizeBytes + MAX_BYTES_BEYOND_FILE, longer === undefined ? 0 : MAX_SPARSE_BYTES)
      if (buffer.byteLength > most) {
        const seen = `${path}, which has ${sizeBytes} bytes, is read into a buffer of ${buffer.byteLength} bytes`
        this.violation ??= new Violation(`10: ${seen}`)
      }
      const bytesRead = await handle.read(buffer, position)
      if (longer === undefined) return bytesRead
      const end = Math.max(bytesRead, Math.min(longer - position, buffer.byteLength))
      buffer.fill(0, bytesRead, end)
      return end
    }
    return {
      read,
      write: (buffers, position) => handle.write(buffers, position),
      sync: () => handle.sync(),
      writeDurable: (buffers, position) => handle.writeDurable(buffers, position),
      truncate: async (sizeBytes) => {
        await handle.truncate(sizeBytes)
        this.#sizes.delete(path)
      },
      size: async () => Math.max(this.#sizes.get(path) ?? 0, await handle.size()),
      identity: () => handle.identity(),
      close: () => handle.close(),
    }
  }

  mkdir(path: string): Promise<void> {
    return this.#fs.mkdir(path)
  }

  readdir(path: string): Promise<string[]> {
    return this.#fs.readdir(path)
  }

  async stat(path: string): Promise<FileStat> {
    const stat = await this.#fs.stat(path)
    const kind = this.#kinds.get(path)
    const sizeBytes = Math.max(this.#sizes.get(path) ?? 0, stat.sizeBytes)
    return { ...stat, sizeBytes, kind: kind === undefined ? stat.kind : KINDS[kind].kind }
  }

  #refuseKind(path: string): void {
    const kind = this.#kinds.get(path)
    if (kind === undefined) return
    const { code } = KINDS[kind]
    throw Object.assign(new Error(`${code}: ${path} is a ${kind}`), { code })
  }

  async unlink(path: string): Promise<void> {
    if (this.#kinds.get(path) === 'directory') this.#refuseKind(path)
    await this.#fs.unlink(path)
    this.#sizes.delete(path)
    this.#kinds.delete(path)
  }

  rmdir(path: string): Promise<void> {
    return this.#fs.rmdir(path)
  }

  link(existing: string, path: string): Promise<void> {
    this.#refuseKind(existing)
    return this.#fs.link(existing, path)
  }

  space(path: string): Promise<FileSystemSpace> {
    return this.#fs.space(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#fs.rename(from, to)
    this.#sizes.delete(from)
    this.#sizes.delete(to)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#fs.syncDirectory(path)
  }

  async lock(path: string): Promise<FileLock> {
    this.#refuseKind(path)
    return this.#fs.lock(path)
  }

  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#fs.watch(directory, onChange)
  }
}
