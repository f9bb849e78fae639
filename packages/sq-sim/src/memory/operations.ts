/** The operations of an in-memory file system: their names, their counts, and a trace. */
import { createHash } from 'node:crypto'
import { isError } from '../system-error.ts'

/**
 * `writeDurable` counts as a `write` and a `sync`; opening with mode `create` as `create`; `mkdir` once for each
 * directory created, each followed by a `syncDirectory`; a write continued after a short one as another `write`.
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
  | 'rmdir'
  | 'link'
  | 'space'
  | 'rename'
  | 'syncDirectory'
  | 'lock'
  | 'watch'

/** The details of an operation. */
export interface Target {
  readonly path: string
  /** The new path of a rename or a link. */
  readonly to?: string
  /** The position of a read or write, or the new size of a truncation. */
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

/** Called twice for each operation, when it begins and when it ends, in that turn. */
export type OperationListener = (event: OperationEvent) => void

/** Counts the operations of a file system, reports them to observers, and records them. */
export class Operations {
  readonly #counts = new Map<Operation, number>()
  readonly #listeners = new Set<OperationListener>()

  /** The number of operations begun; of all kinds if none is named. */
  count(operation?: Operation): number {
    if (operation !== undefined) return this.#counts.get(operation) ?? 0
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  /** Resets all counts to 0. */
  resetCounts(): void {
    this.#counts.clear()
  }

  /**
   * Calls the listener before and after every operation, in the same turn, so that a crash can be explored at that
   * moment. An exception of the listener goes to the caller of the operation. Returns a function that stops this.
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

/** The operations of a run, one line each. Two runs are the same exactly if their hashes are. */
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

  /** The SHA-256, in hexadecimal, of all lines and of all bytes read and written. */
  hash(): string {
    return this.#bytes.copy().digest('hex')
  }

  /** Stops recording. Recorded lines stay. */
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
