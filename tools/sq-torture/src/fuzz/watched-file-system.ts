/**
 * A file system that watches over whoever reads hostile files: no buffer to be read into may be larger than what a file
 * really holds by more than a constant, and what is read is counted. Files may be far longer than what they hold, with
 * zeros behind it, and may be of kinds that are no regular file.
 */
import type { FileHandle, FileLock, FileStat, FileSystem, OpenMode, OpenOptions, Watch } from '@sq/sim'
import { Violation } from '../history.ts'

/** More than the head of a segment, and less than anything that could hurt. */
const MAX_BYTES_BEYOND_FILE = 4096
/** What may be read at a time of a file with zeros behind its bytes. */
const MAX_SPARSE_BYTES = 512 * 1024 + 64

/** With which code the file system refuses what is no regular file, and what it says that it is. */
const KINDS = {
  link: { code: 'ELOOP', kind: 'link' },
  directory: { code: 'EISDIR', kind: 'directory' },
  FIFO: { code: 'EFTYPE', kind: 'other' },
} as const

/** What a name may lead to instead of a regular file. */
export type FileKind = keyof typeof KINDS

/** What is not as it is in memory, by path. */
export interface Strangeness {
  /** How long a file is. */
  readonly sizes: ReadonlyMap<string, number>
  readonly kinds: ReadonlyMap<string, FileKind>
}

export class WatchedFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #sizes: Map<string, number>
  readonly #kinds: Map<string, FileKind>
  /** The first thing that went too far. */
  violation: Violation | null = null
  /** Bytes asked for. */
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
        const seen = `${path}, which holds ${sizeBytes} bytes, is read into a buffer of ${buffer.byteLength}`
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
