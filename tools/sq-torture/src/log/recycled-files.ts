/**
 * A file system in which every new segment is written over the bytes of an earlier one, as in a recycled file: behind
 * what the log writes are whole frames of another segment, and a trailer. The bytes are durable before the log writes
 * its first one.
 */
import { posix } from 'node:path'
import { crc32 } from 'node:zlib'
import type { FileHandle, FileSystem, OpenMode, OpenOptions } from '@sq/sim'

/** The name of a segment that is being created. */
const UNFINISHED = 'next.tmp'

export class RecycledFiles {
  /** The bytes of each segment that was created, in this order, with everything that its creator wrote. */
  readonly written: Buffer[] = []
  /** Whether a file is being made that looks like an earlier segment. None of its operations belongs to the log. */
  isPreparing = false
  readonly #earlier: readonly Buffer[]

  /**
   * The n-th new segment is written over the n-th of these. If there are fewer, or none are given, it is written over
   * the segment that was created before it.
   */
  constructor(earlier: readonly Buffer[] = []) {
    this.#earlier = earlier
  }

  /** A view of a file system; its new segments are recycled files. */
  over(fs: FileSystem): FileSystem {
    return {
      open: (path, mode, options) => this.#open(fs, { path, mode, options }),
      mkdir: (path) => fs.mkdir(path),
      readdir: (path) => fs.readdir(path),
      stat: (path) => fs.stat(path),
      unlink: (path) => fs.unlink(path),
      rmdir: (path) => fs.rmdir(path),
      link: (existing, path) => fs.link(existing, path),
      space: (path) => fs.space(path),
      rename: (from, to) => fs.rename(from, to),
      syncDirectory: (path) => fs.syncDirectory(path),
      lock: (path) => fs.lock(path),
      watch: (directory, onChange) => fs.watch(directory, onChange),
    }
  }

  async #open(
    fs: FileSystem,
    { path, mode, options }: { path: string; mode: OpenMode; options: OpenOptions | undefined },
  ): Promise<FileHandle> {
    const handle = await fs.open(path, mode, options)
    if (mode !== 'create' || posix.basename(path) !== UNFINISHED) return handle
    let nth: number | null = null
    const before = async (buffers: readonly Uint8Array[], position: number): Promise<void> => {
      // A log start has the same name while it is written.
      if (nth === null && startsSegment(buffers)) {
        nth = this.written.push(Buffer.alloc(0)) - 1
        await this.#fill(handle, this.#earlier[nth] ?? this.written[nth - 1])
      }
      if (nth !== null) this.#note(nth, buffers, position)
    }
    return {
      read: (buffer, position) => handle.read(buffer, position),
      write: (buffers, position) => before(buffers, position).then(() => handle.write(buffers, position)),
      writeDurable: (buffers, position) => before(buffers, position).then(() => handle.writeDurable(buffers, position)),
      sync: () => handle.sync(),
      truncate: (sizeBytes) => handle.truncate(sizeBytes),
      size: () => handle.size(),
      identity: () => handle.identity(),
      close: () => handle.close(),
    }
  }

  async #fill(handle: FileHandle, earlier: Buffer | undefined): Promise<void> {
    if (earlier === undefined) return
    this.isPreparing = true
    try {
      await handle.write([earlier, trailer(earlier.length)], 0)
      await handle.sync()
    } finally {
      this.isPreparing = false
    }
  }

  #note(nth: number, buffers: readonly Uint8Array[], position: number): void {
    const bytes = Buffer.concat(buffers)
    const before = this.written[nth] ?? Buffer.alloc(0)
    const after = Buffer.alloc(Math.max(before.length, position + bytes.length))
    before.copy(after)
    bytes.copy(after, position)
    this.written[nth] = after
  }
}

function startsSegment(buffers: readonly Uint8Array[]): boolean {
  return Buffer.from(buffers[0]?.subarray(0, 4) ?? []).toString('latin1') === 'SQWL'
}

/** The trailer of a recycled file, at a position. */
function trailer(position: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.write('SQSTALE\n', 'latin1')
  bytes.writeUInt32LE(position, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
  return bytes
}
