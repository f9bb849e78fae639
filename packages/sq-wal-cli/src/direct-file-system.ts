/**
 * Reads files on the calling thread. For a command that looks at the ends of thousands of files: that many trips through
 * the thread pool take longer than the reads.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import type { FileHandle, FileStat, OpenMode, OpenOptions } from '@sq/sim'
import { NodeFileSystem } from '@sq/sim'
import { DelegatingFileSystem } from './delegating-file-system.ts'

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export class DirectFileSystem extends DelegatingFileSystem {
  constructor() {
    super(new NodeFileSystem())
  }

  override async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const descriptor = mode === 'read' ? openRegular(path) : null
    // The real file system finds the same, and says it in its own way.
    return descriptor === null ? super.open(path, mode, options) : new DirectFile(descriptor)
  }

  override async stat(path: string): Promise<FileStat> {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (stat?.isFile() !== true) return super.stat(path)
    const { size, nlink, dev, ino } = stat
    return { kind: 'file', sizeBytes: Number(size), links: Number(nlink), identity: `${dev}:${ino}` }
  }
}

/** Null if it cannot be opened, or is not a regular file. */
function openRegular(path: string): number | null {
  let descriptor: number
  try {
    descriptor = openSync(path, FLAGS)
  } catch {
    return null
  }
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  return null
}

class DirectFile implements FileHandle {
  #descriptor: number | null

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const bytes = readSync(this.#open(), buffer, done, buffer.length - done, position + done)
      if (bytes === 0) break
      done += bytes
    }
    return done
  }

  async size(): Promise<number> {
    return fstatSync(this.#open()).size
  }

  async identity(): Promise<string> {
    const { dev, ino } = fstatSync(this.#open(), { bigint: true })
    return `${dev}:${ino}`
  }

  async close(): Promise<void> {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }

  write(): Promise<void> {
    return readOnly()
  }

  writeDurable(): Promise<void> {
    return readOnly()
  }

  sync(): Promise<void> {
    return readOnly()
  }

  truncate(): Promise<void> {
    return readOnly()
  }

  #open(): number {
    if (this.#descriptor === null) throw Object.assign(new Error('EBADF: the file is closed'), { code: 'EBADF' })
    return this.#descriptor
  }
}

function readOnly(): Promise<never> {
  return Promise.reject(Object.assign(new Error('EBADF: the file is open for reading only'), { code: 'EBADF' }))
}
