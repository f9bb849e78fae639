/**
 * A file system that watches over whoever reads hostile files: no buffer to be read into may be larger than the file by
 * more than a constant.
 */
import type { FileHandle, FileLock, FileStat, FileSystem, OpenMode, OpenOptions, Watch } from '@sq/sim'
import { Violation } from '../history.ts'

/** More than the head of a segment, and less than anything that could hurt. */
const MAX_BYTES_BEYOND_FILE = 4096

export class WatchedFileSystem implements FileSystem {
  readonly #fs: FileSystem
  /** The first thing that went too far. */
  violation: Violation | null = null

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const handle = await this.#fs.open(path, mode, options)
    const read = async (buffer: Uint8Array, position: number): Promise<number> => {
      const { sizeBytes } = await this.#fs.stat(path)
      if (buffer.byteLength > sizeBytes + MAX_BYTES_BEYOND_FILE) {
        const seen = `${path} of ${sizeBytes} bytes is read into a buffer of ${buffer.byteLength}`
        this.violation ??= new Violation(`10: ${seen}`)
      }
      return handle.read(buffer, position)
    }
    return {
      read,
      write: (buffers, position) => handle.write(buffers, position),
      sync: () => handle.sync(),
      writeDurable: (buffers, position) => handle.writeDurable(buffers, position),
      truncate: (sizeBytes) => handle.truncate(sizeBytes),
      size: () => handle.size(),
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

  stat(path: string): Promise<FileStat> {
    return this.#fs.stat(path)
  }

  unlink(path: string): Promise<void> {
    return this.#fs.unlink(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#fs.rename(from, to)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#fs.syncDirectory(path)
  }

  lock(path: string): Promise<FileLock> {
    return this.#fs.lock(path)
  }

  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#fs.watch(directory, onChange)
  }
}
