/**
 * The channels of `node:diagnostics_channel` that the log publishes to, and their messages. Without a subscriber no
 * message is built. Node turns an exception of a subscriber into an uncaught exception; it never reaches the log.
 */
import { channel } from 'node:diagnostics_channel'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import type { Recovery } from './recovery.ts'

/**
 * The type of the message on each channel. Durations are in milliseconds of the writer's monotonic clock. A message is
 * published in the same turn in which the thing happened, so a subscriber delays the log by as long as it takes.
 */
export interface WalEvents {
  'sq:wal:append': AppendEvent
  'sq:wal:commit': CommitEvent
  'sq:wal:rotate': RotateEvent
  'sq:wal:abandon': AbandonEvent
  'sq:wal:recover': RecoverEvent
  'sq:wal:delete': DeleteEvent
  'sq:wal:delete-records': DeleteRecordsEvent
  'sq:wal:truncate': TruncateEvent
  'sq:wal:reset': ResetEvent
}

/** The log that an event is about. */
export interface LogEvent {
  readonly topic: string
  readonly partition: number
  /** The directory of the partition, an absolute path: the same topic may be in several data directories. */
  readonly directory: string
}

/** An append or a batch was acknowledged. */
export interface AppendEvent extends LogEvent {
  /** Of its first record. */
  readonly offset: bigint
  readonly records: number
  /** Encoded bytes, without the header of the frame. */
  readonly bytes: number
  /** From the call to the acknowledgement. */
  readonly durationMs: number
}

/**
 * Why a commit took no more records.
 *
 * - `idle`: no commit was being written when its first record came; it was formed at the end of that turn of the event
 *   loop.
 * - `grouped`: another commit was being written when its first record came; it was formed when that commit ended.
 * - `full`: its size; later records went into the next commit.
 */
export type CommitReason = 'idle' | 'grouped' | 'full'

/** A commit became durable, or failed. */
export interface CommitEvent extends LogEvent {
  /** Of its first record. */
  readonly baseOffset: bigint
  readonly records: number
  /** Of its frame. */
  readonly bytes: number
  readonly reason: CommitReason
  /** From the turn of the commit to its end, including the creation of a new segment if it needed one. */
  readonly durationMs: number
  /** The error that its appends, and all that waited behind them, were rejected with; null if the commit is durable. */
  readonly error: Error | null
}

/** Why a segment was sealed: its size, its age, or a call of `closeActiveSegment`. */
export type RotateReason = 'size' | 'age' | 'request'

/** A segment was ended by its SEAL. */
export interface RotateEvent extends LogEvent {
  readonly segment: ClosedSegment
  readonly reason: RotateReason
}

/** After a failed write the log rolled over to a new segment. */
export interface AbandonEvent extends LogEvent {
  /** The abandoned file, and the number of its bytes that are valid: 0 if the new file replaced it. */
  readonly path: string
  readonly bytes: number
  /** The offset at which the log continues. */
  readonly nextOffset: bigint
  /**
   * The error of the write that failed: of a commit, of the SEAL that should have ended the file, or of durability
   * markers, for example during recovery.
   */
  readonly error: Error | null
}

/** A log was opened for writing. */
export interface RecoverEvent extends LogEvent {
  readonly recovery: Recovery
  readonly durationMs: number
}

/**
 * An old segment was deleted, durably. If its removal could not be made durable at once, the event comes with the next
 * deletion of the writer that can.
 */
export interface DeleteEvent extends LogEvent {
  readonly segment: SegmentInfo
}

/**
 * Records were deleted from the beginning of a log, durably, by `deleteRecords`. The segments that hold no other
 * records are deleted after that, and each has an event of its own.
 */
export interface DeleteRecordsEvent extends LogEvent {
  /** The log start offset before and after. */
  readonly previousLogStartOffset: bigint
  readonly logStartOffset: bigint
  /** From the turn of the call until the log start offset was durable. */
  readonly durationMs: number
}

/** Records were dropped from the end of a log, durably. */
export interface TruncateEvent extends LogEvent {
  /** The log end offset before and after. */
  readonly previousNextOffset: bigint
  readonly nextOffset: bigint
}

/** All records of a log were dropped, durably, and it continues at another offset. */
export interface ResetEvent extends LogEvent {
  /** The log end offset before and after. */
  readonly previousNextOffset: bigint
  readonly nextOffset: bigint
}

type Channel = ReturnType<typeof channel>

// Held here because Node drops a channel without references.
const channels: { readonly [Name in keyof WalEvents]: Channel } = {
  'sq:wal:append': channel('sq:wal:append'),
  'sq:wal:commit': channel('sq:wal:commit'),
  'sq:wal:rotate': channel('sq:wal:rotate'),
  'sq:wal:abandon': channel('sq:wal:abandon'),
  'sq:wal:recover': channel('sq:wal:recover'),
  'sq:wal:delete': channel('sq:wal:delete'),
  'sq:wal:delete-records': channel('sq:wal:delete-records'),
  'sq:wal:truncate': channel('sq:wal:truncate'),
  'sq:wal:reset': channel('sq:wal:reset'),
}

/** Whether a channel has subscribers: for measurements that must begin before there is something to publish. */
export function hasListeners(name: keyof WalEvents): boolean {
  return channels[name].hasSubscribers
}

/** Publishes an event. `details` is called only if there is a subscriber. */
export function publish<Name extends keyof WalEvents>(
  name: Name,
  { topic, partition, directory }: Partition,
  details: () => Omit<WalEvents[Name], keyof LogEvent>,
): void {
  const listened = channels[name]
  if (listened.hasSubscribers) listened.publish({ topic, partition, directory, ...details() })
}
