/** What a process of the part `idle-partitions` measures. */

export const PARTITIONS = 2000

export interface Outcome {
  /** Resident memory once every partition is open and has a tailing reader. */
  readonly openedBytes: number
  /** The time of one append to each partition, the first one of each: until all are acknowledged, and all received. */
  readonly acknowledgedMs: number
  /** The time of the same system calls without a log, until all are durable. */
  readonly bareMs: number
  readonly firstCommitMs: number
  /** The same for the append after it, until all have received it. */
  readonly nextCommitMs: number
  /** Resident memory once every partition has got a batch of 900 KB and is idle. */
  readonly idleBytes: number
}
