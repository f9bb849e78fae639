/** What a process of the part `archive` is told to do, and what it finds. */
import type { Location } from './contender.ts'

export interface Task {
  /** Whether to restore the log, or to write the same objects to files without a log. */
  readonly what: 'restore' | 'raw'
  readonly location: Location
  /** The directory to create. */
  readonly to: string
}

export interface Outcome {
  readonly timeMs: number
  readonly bytes: number
  /** The most memory that the process had resident. */
  readonly peakBytes: number
}
