/** What is measured: a store that makes values durable, in this process or in a separate program. */

/** A store, opened for one measurement. */
export interface Appender {
  /** Resolves once the value is durable, as far as the contender promises that. */
  append(value: Buffer): Promise<unknown>
  /** Appends several values at once. Resolves once all of them are durable, as far as the contender promises that. */
  appendBatch(values: readonly Buffer[]): Promise<unknown>
  close(): Promise<void>
}

/** The properties of a contender that are known before it runs. */
export interface Described {
  readonly name: string
  /**
   * `limit`: plain files, without a log. `ours`: this log. `peer`: a store for Node. `native`: a store in C++ or Go.
   */
  readonly kind: 'limit' | 'ours' | 'peer' | 'native'
  /** Whether it blocks the event loop while the disk works. */
  readonly blocks: boolean
  /**
   * How appends of several producers come to share a commit. `own`: the contender does it. `added`: the benchmark does
   * it in front of the contender, as its user would have to. `none`: each append has its own commit.
   */
  readonly groupCommit: 'own' | 'added' | 'none'
  /** What a reader must know to compare the figures fairly, or null. */
  readonly caveat: string | null
}

/** A contender that runs in this process. */
export interface OpenedContender extends Described {
  /** The directory exists and is empty. */
  open(directory: string): Promise<Appender>
}

/** A program that takes the measurement itself. The comment at the top of its source lists its arguments. */
interface ProgramContender extends Described {
  /** The path of the executable. */
  readonly program: string
}

export type Contender = OpenedContender | ProgramContender
