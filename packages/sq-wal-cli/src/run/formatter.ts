/** What a format of records does. */
import type { LogRecord } from '@sq/storage'

/** The log of a record. */
export interface RecordLog {
  readonly topic: string
  readonly partition: number
}

/** Makes the pieces of the output. `writesLog`: whether the record may be of any of several logs. */
export type Formatter = (record: LogRecord, log: RecordLog, writesLog: boolean) => Iterable<string | Uint8Array>
