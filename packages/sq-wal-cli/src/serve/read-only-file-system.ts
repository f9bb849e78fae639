/** A file system through which nothing can be written: each writing call fails before it reaches the real one. */
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '@sq/sim'

export class ReadOnlyFileSystem implements FileSystem {
  readonly #fs: FileSystem

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    if (mode !== 'read') throw readOnly('open for writing', path)
    return this.#fs.open(path, 'read')
  }

  readdir(path: string): Promise<string[]> {
    return this.#fs.readdir(path)
  }

  stat(path: string): Promise<FileStat> {
    return this.#fs.stat(path)
  }

  space(path: string): Promise<FileSystemSpace> {
    return this.#fs.space(path)
  }

  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#fs.watch(directory, onChange)
  }

  async mkdir(path: string): Promise<void> {
    throw readOnly('create', path)
  }

  async unlink(path: string): Promise<void> {
    throw readOnly('remove', path)
  }

  async rmdir(path: string): Promise<void> {
    throw readOnly('remove', path)
  }

  async link(_existing: string, path: string): Promise<void> {
    throw readOnly('create', path)
  }

  async rename(from: string): Promise<void> {
    throw readOnly('rename', from)
  }

  async syncDirectory(path: string): Promise<void> {
    throw readOnly('sync', path)
  }

  async lock(path: string): Promise<FileLock> {
    throw readOnly('lock', path)
  }
}

function readOnly(what: string, path: string): Error {
  return Object.assign(new Error(`cannot ${what} ${path}: this command only reads`), { code: 'EROFS' })
}
