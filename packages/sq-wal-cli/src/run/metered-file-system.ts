/** A file system with a count of the bytes that are read, for progress bars of work that reports no progress. */
import type { FileHandle, FileSystem, OpenMode, OpenOptions } from '@sq/sim'
import { DelegatingFileSystem } from '../delegating-file-system.ts'

export class MeteredFileSystem extends DelegatingFileSystem {
  readonly #onRead: (bytes: number) => void

  constructor(fs: FileSystem, onRead: (bytes: number) => void) {
    super(fs)
    this.#onRead = onRead
  }

  override async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const handle = await super.open(path, mode, options)
    const read = handle.read.bind(handle)
    handle.read = async (buffer, position) => {
      const bytesRead = await read(buffer, position)
      this.#onRead(bytesRead)
      return bytesRead
    }
    return handle
  }
}
