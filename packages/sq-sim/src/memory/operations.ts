/** What is asked of an in-memory file system: the names of the operations, their counts, and a trace of them. */
import { createHash } from 'node:crypto'
import { isError } from '../system-error.ts'

/**
 * `writeDurable` counts as a `write` and a `sync`; opening with mode `create` as `create`; `mkdir` once for each
 * directory made, each followed by a `syncDirectory`; a write carried on after a short one as one more `write`.
 */
export type Operation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'close'
  | 'mkdir'
  | 'readdir'
  | 'stat'
  | 'unlink'
  | 'rename'
  | 'syncDirectory'
  | 'lock'
  | 'watch'

/** What an operation is about. */
export interface Target {
  readonly path: string
  /** Where a rename leads. */
  readonly to?: string
  /** Where in the file a read or write begins, or the new size of a truncated one. */
  readonly position?: number
  readonly buffers?: readonly Uint8Array[]
}

export interface OperationEvent extends Target {
  readonly operation: Operation
  /** `start`: nothing has happened yet. `end`: it has succeeded or failed. */
  readonly phase: 'start' | 'end'
  /** Why it failed. */
  readonly error?: unknown
}

/** Told of each operation twice, as it begins and as it ends, in that turn. */
export type OperationListener = (event: OperationEvent) => void

/** Counts what a file system does, tells observers of it, and records it. */
export class Operations {
  readonly #counts = new Map<Operation, number>()
  readonly #listeners = new Set<OperationListener>()

  /** How often an operation was begun; all of them, if none is named. */
  count(operation?: Operation): number {
    if (operation !== undefined) return this.#counts.get(operation) ?? 0
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  /** Starts all counts again at 0. */
  resetCounts(): void {
    this.#counts.clear()
  }

  /**
   * Calls the listener before and after every operation, in the same turn, so that a crash may be explored right there.
   * What it throws, the operation's caller gets. Returns a function that ends this.
   */
  observe(listener: OperationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Records every operation from now on. */
  trace(): Trace {
    return new Trace(this)
  }

  /** @internal */
  started(operation: Operation, target: Target): void {
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1)
    if (this.#listeners.size > 0) this.#tell({ ...target, operation, phase: 'start' })
  }

  /** @internal */
  ended(operation: Operation, target: Target, error?: unknown): void {
    if (this.#listeners.size > 0) this.#tell({ ...target, operation, phase: 'end', error })
  }

  #tell(event: OperationEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** The operations of a run, one line each: two runs are the same exactly when their hashes are. */
export class Trace {
  readonly #lines: string[] = []
  readonly #bytes = createHash('sha256')
  readonly #stop: () => void

  constructor(operations: Operations) {
    this.#stop = operations.observe((event) => {
      if (event.phase === 'end') this.#add(event)
    })
  }

  /** For example `write '/a' 512+100` or `sync '/a': EIO: i/o error, fsync '/a'`. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /** A SHA-256, as hexadecimal digits, of all lines and of all bytes read and written. */
  hash(): string {
    return this.#bytes.copy().digest('hex')
  }

  /** Records nothing more. What was recorded stays. */
  stop(): void {
    this.#stop()
  }

  #add({ operation, path, to, position, buffers, error }: OperationEvent): void {
    let line = `${operation} '${path}'`
    if (to !== undefined) line += ` -> '${to}'`
    if (position !== undefined) line += ` ${position}`
    if (buffers) line += `+${buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)}`
    if (error !== undefined) line += `: ${isError(error) ? error.message : 'failed'}`
    this.#lines.push(line)
    this.#bytes.update(`${line}\n`)
    for (const buffer of buffers ?? []) this.#bytes.update(buffer)
  }
}
