/** The real file system with a count of the bytes that are read, for progress bars of work that reports no progress. */
import { NodeFileSystem } from '@sq/sim'
import type { FileHandle, OpenMode, OpenOptions } from '@sq/sim'

export class MeteredFileSystem extends NodeFileSystem {
  readonly #onRead: (bytes: number) => void

  constructor(onRead: (bytes: number) => void) {
    super()
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
