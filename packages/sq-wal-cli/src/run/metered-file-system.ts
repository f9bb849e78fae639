/** A file system with a count of the bytes that are read, for progress bars of work that reports no progress. */
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, OpenOptions, Watch } from '@sq/sim'

export class MeteredFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #onRead: (bytes: number) => void

  constructor(fs: FileSystem, onRead: (bytes: number) => void) {
    this.#fs = fs
    this.#onRead = onRead
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const handle = await this.#fs.open(path, mode, options)
    const read = handle.read.bind(handle)
    handle.read = async (buffer, position) => {
      const bytesRead = await read(buffer, position)
      this.#onRead(bytesRead)
      return bytesRead
    }
    return handle
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

  rmdir(path: string): Promise<void> {
    return this.#fs.rmdir(path)
  }

  link(existing: string, path: string): Promise<void> {
    return this.#fs.link(existing, path)
  }

  space(path: string): Promise<FileSystemSpace> {
    return this.#fs.space(path)
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
