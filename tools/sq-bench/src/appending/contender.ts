/** What is measured: something that makes values durable, here or in a program of its own. */

/** A place to append to, opened for one measurement. */
export interface Appender {
  /** Resolves once the value is durable, as far as the contender promises that. */
  append(value: Buffer): Promise<unknown>
  /** The same for several values at once. */
  appendBatch(values: readonly Buffer[]): Promise<unknown>
  close(): Promise<void>
}

/** What is known of a contender before it runs. */
export interface Described {
  readonly name: string
  /** `limit`: the disk without a log; `ours`; `peer`: what others have for Node; `native`: what they have elsewhere. */
  readonly kind: 'limit' | 'ours' | 'peer' | 'native'
  /** Whether it blocks the event loop while the disk works. */
  readonly blocks: boolean
  /**
   * Who gathers the appends of several producers: it does so itself; `in front`, code of this benchmark does before
   * they come to it, as a user of it would have to; `nobody`.
   */
  readonly gathers: 'itself' | 'in front' | 'nobody'
  /** What must be known of the promise it keeps, or how it keeps it; null where there is nothing to say. */
  readonly caveat: string | null
}

/** Something in this process. */
export interface OpenedContender extends Described {
  /** In a directory that is there and empty. */
  open(directory: string): Promise<Appender>
}

/** A program that does a measurement by itself; its sources say how it is called. */
interface ProgramContender extends Described {
  /** The path of what is run. */
  readonly program: string
}

export type Contender = OpenedContender | ProgramContender
