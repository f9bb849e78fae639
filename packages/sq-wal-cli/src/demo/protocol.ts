/** What the demo and its child say to each other: the task on the child's command line, the reports over IPC. */
import type { Source } from './input.ts'

export interface AppendTask {
  readonly source: Source
  readonly dataDir: string
  /** Append the records below this one. */
  readonly until: number
  /** Close the log then and end; else stay with the log open, to be killed. */
  readonly close: boolean
}

export type AppendReport =
  | { readonly kind: 'opened'; readonly nextOffset: number; readonly discardedBytes: number }
  /** Every record below `nextOffset` is acknowledged. */
  | { readonly kind: 'acknowledged'; readonly nextOffset: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string }
