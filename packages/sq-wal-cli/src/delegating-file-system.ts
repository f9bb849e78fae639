/** A file system that passes everything on to another one, for those that change a part of it. */
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, OpenOptions, Watch } from '@sq/sim'

export class DelegatingFileSystem implements FileSystem {
  readonly #fs: FileSystem

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    return this.#fs.open(path, mode, options)
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
