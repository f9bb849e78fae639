/** An object that is open as a file: it reads whole blocks, and ahead where it is read in order. */
import type { FileHandle } from '@sq/sim'
import type { BlockRange, Run } from './block-cache.ts'
import { failure, reported } from './file-errors.ts'
import { ReadAhead } from './read-ahead.ts'
import type { ReadAheadBudget } from './read-ahead.ts'

export const BLOCK_BYTES: number = 256 * 1024

/** An object that is open. */
interface OpenObject {
  readonly path: string
  readonly bytes: number
  readonly identity: string
  /** The runs that have some blocks of the object. */
  readonly runs: (range: BlockRange) => readonly Run[]
  readonly budget: ReadAheadBudget
}

export class ObjectHandle implements FileHandle {
  readonly #object: OpenObject
  readonly #ahead: ReadAhead
  #isClosed = false

  constructor(object: OpenObject) {
    this.#object = object
    this.#ahead = new ReadAhead(object.budget, Math.ceil(object.bytes / BLOCK_BYTES))
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#check('read')
    const { bytes, path, runs } = this.#object
    const end = Math.min(position + buffer.length, bytes)
    if (end <= position) return 0
    const range = { from: Math.floor(position / BLOCK_BYTES), to: Math.ceil(end / BLOCK_BYTES) }
    const needed = runs(range)
    // A failure is met, and told, when the blocks are needed.
    runs(this.#ahead.after(range))
    return reported('read', path, async () => {
      for (const run of needed) {
        const from = run.from * BLOCK_BYTES
        const part = (await run.bytes).subarray(Math.max(position - from, 0), end - from)
        buffer.set(part, Math.max(from - position, 0))
      }
      return end - position
    })
  }

  async size(): Promise<number> {
    this.#check('fstat')
    return this.#object.bytes
  }

  async identity(): Promise<string> {
    this.#check('fstat')
    return this.#object.identity
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#ahead.end()
  }

  async write(): Promise<void> {
    throw failure('EBADF', 'write', this.#object.path, 'the file is open for reading')
  }

  async writeDurable(): Promise<void> {
    throw failure('EBADF', 'write', this.#object.path, 'the file is open for reading')
  }

  async sync(): Promise<void> {
    throw failure('EBADF', 'fsync', this.#object.path, 'the file is open for reading')
  }

  async truncate(): Promise<void> {
    throw failure('EBADF', 'ftruncate', this.#object.path, 'the file is open for reading')
  }

  #check(syscall: string): void {
    if (this.#isClosed) throw failure('EBADF', syscall, this.#object.path, 'the file is closed')
  }
}
