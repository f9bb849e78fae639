/** The messages between the demo and its child: the task on the child's command line, the reports over IPC. */
import type { Source } from './input.ts'

export interface AppendTask {
  readonly source: Source
  readonly dataDir: string
  /** Append the records before this one. */
  readonly until: number
  /** True: close the log at the end and exit. False: keep the log open and wait to be killed. */
  readonly close: boolean
}

export type AppendReport =
  | { readonly kind: 'opened'; readonly nextOffset: number; readonly discardedBytes: number }
  /** Every record before `nextOffset` is acknowledged. */
  | { readonly kind: 'acknowledged'; readonly nextOffset: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string }
