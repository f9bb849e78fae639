/** A file system that measures reads, and in which files may be much longer than their content. */
import type { FileHandle, FileSystem, OpenMode } from '@sq/sim'

/** No test needs more. A test that reads more would never end, and not show why. */
const MOST_BYTES_READ = 2 ** 28

export class MeasuredFiles {
  readonly fs: FileSystem
  reads = 0
  bytesRead = 0
  largestRead = 0
  /** The number of buffers of the longest write. */
  mostBuffers = 0
  /** The lengths of files that are extended with zeros. */
  readonly #sparse = new Map<string, number>()

  constructor(fs: FileSystem) {
    this.fs = {
      open: async (path, mode) => this.#measured(fs, path, mode),
      readdir: (path) => fs.readdir(path),
      stat: (path) => fs.stat(path),
      mkdir: (path) => fs.mkdir(path),
      unlink: (path) => fs.unlink(path),
      rmdir: (path) => fs.rmdir(path),
      link: (existing, path) => fs.link(existing, path),
      space: (path) => fs.space(path),
      rename: (from, to) => fs.rename(from, to),
      syncDirectory: (path) => fs.syncDirectory(path),
      watch: (directory, onChange) => fs.watch(directory, onChange),
      lock: (path) => fs.lock(path),
    }
  }

  /** Makes a file this long. */
  lengthen(path: string, sizeBytes: number): void {
    this.#sparse.set(path, sizeBytes)
  }

  async #measured(fs: FileSystem, path: string, mode: OpenMode): Promise<FileHandle> {
    const handle = await fs.open(path, mode)
    const noted = (buffers: readonly Uint8Array[]) => {
      this.mostBuffers = Math.max(this.mostBuffers, buffers.length)
      return buffers
    }
    return {
      read: async (buffer, position) => {
        this.reads++
        this.bytesRead += buffer.length
        if (this.bytesRead > MOST_BYTES_READ) throw new Error(`more than ${MOST_BYTES_READ} bytes are read`)
        this.largestRead = Math.max(this.largestRead, buffer.length)
        const bytesRead = await handle.read(buffer, position)
        const size = this.#sparse.get(path)
        if (size === undefined) return bytesRead
        const end = Math.max(bytesRead, Math.min(size - position, buffer.length))
        buffer.fill(0, bytesRead, end)
        return end
      },
      size: async () => this.#sparse.get(path) ?? handle.size(),
      write: (buffers, position) => handle.write(noted(buffers), position),
      writeDurable: (buffers, position) => handle.writeDurable(noted(buffers), position),
      sync: () => handle.sync(),
      truncate: (sizeBytes) => handle.truncate(sizeBytes),
      identity: () => handle.identity(),
      close: () => handle.close(),
    }
  }
}
