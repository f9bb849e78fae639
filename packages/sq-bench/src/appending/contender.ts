/** What is measured: something that makes values durable. */

/** A place to append to, opened for one measurement. */
export interface Appender {
  /** Resolves once the value is durable, as far as the contender promises that. */
  append(value: Buffer): Promise<unknown>
  /** The same for several values at once. */
  appendBatch(values: readonly Buffer[]): Promise<unknown>
  close(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** `limit`: the disk without a log; `ours`; `peer`: what others have. */
  readonly kind: 'limit' | 'ours' | 'peer'
  /** Whether it blocks the event loop while the disk works. */
  readonly blocks: boolean
  /** Whether it gathers the appends of several producers: without that, only one producer makes sense. */
  readonly gathers: boolean
  /** What must be known of the promise it keeps; null where an acknowledged value is durable. */
  readonly caveat: string | null
  /** In a directory that is there and empty. */
  open(directory: string): Promise<Appender>
}
