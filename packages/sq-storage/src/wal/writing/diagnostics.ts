/**
 * What the log tells whoever listens: its channels of `node:diagnostics_channel`, and what each carries. Where nobody
 * listens nothing is built. What a listener throws, Node makes an uncaught exception of; it never reaches the log.
 */
import { channel } from 'node:diagnostics_channel'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import type { Recovery } from './recovery.ts'

/**
 * The type of the message on each channel. Durations are in milliseconds of the writer's monotonic clock. Messages come
 * in the turn in which the thing happened; a listener delays the log by what it takes.
 */
export interface WalEvents {
  'sq:wal:append': AppendEvent
  'sq:wal:commit': CommitEvent
  'sq:wal:rotate': RotateEvent
  'sq:wal:abandon': AbandonEvent
  'sq:wal:recover': RecoverEvent
  'sq:wal:delete': DeleteEvent
  'sq:wal:truncate': TruncateEvent
}

/** Which log it is about. */
interface LogEvent {
  readonly topic: string
  readonly partition: number
}

/** An append or a batch was acknowledged. */
export interface AppendEvent extends LogEvent {
  /** Of its first record. */
  readonly offset: bigint
  readonly records: number
  /** As encoded, without the frame's header. */
  readonly bytes: number
  /** From the call to the acknowledgement. */
  readonly durationMs: number
}

/**
 * What ended the gathering of a commit: the turn of the event loop, when no commit was being written as its first
 * record came (`idle`); the end of the commit that was (`grouped`); or its size, so that later records went into the
 * next (`full`).
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
  /** From when the disk's turn came, with the making of a new segment where it needed one. */
  readonly durationMs: number
  /** What its appends, and all that waited behind them, were rejected with; null where it is durable. */
  readonly error: Error | null
}

/** Why a segment was sealed: it was full, or too old, or somebody asked for it. */
export type RotateReason = 'size' | 'age' | 'request'

/** A segment was ended by its SEAL. */
export interface RotateEvent extends LogEvent {
  readonly segment: ClosedSegment
  readonly reason: RotateReason
}

/** After a failed write the log goes on in a new file. */
export interface AbandonEvent extends LogEvent {
  /** The file that is given up, and how many of its bytes are valid: 0 where the new one has replaced it. */
  readonly path: string
  readonly bytes: number
  /** Where the log goes on. */
  readonly nextOffset: bigint
  /** The failed write: of a commit, of the SEAL that was to end the file, or of MARKs, by recovery say. */
  readonly error: Error | null
}

/** A log was opened for writing. */
export interface RecoverEvent extends LogEvent {
  readonly recovery: Recovery
  readonly durationMs: number
}

/** An old segment was deleted, durably. */
export interface DeleteEvent extends LogEvent {
  readonly segment: SegmentInfo
}

/** Records were dropped from the end of a log, durably. */
export interface TruncateEvent extends LogEvent {
  /** Where the log ended before, and where it goes on. */
  readonly previousNextOffset: bigint
  readonly nextOffset: bigint
}

type Channel = ReturnType<typeof channel>

// Held here, for Node forgets a channel that nobody holds.
const channels: { readonly [Name in keyof WalEvents]: Channel } = {
  'sq:wal:append': channel('sq:wal:append'),
  'sq:wal:commit': channel('sq:wal:commit'),
  'sq:wal:rotate': channel('sq:wal:rotate'),
  'sq:wal:abandon': channel('sq:wal:abandon'),
  'sq:wal:recover': channel('sq:wal:recover'),
  'sq:wal:delete': channel('sq:wal:delete'),
  'sq:wal:truncate': channel('sq:wal:truncate'),
}

/** Whether anybody listens: for what must be begun before there is something to tell. */
export function hasListeners(name: keyof WalEvents): boolean {
  return channels[name].hasSubscribers
}

/** Tells whoever listens. `details` is called only then. */
export function publish<Name extends keyof WalEvents>(
  name: Name,
  { topic, partition }: Partition,
  details: () => Omit<WalEvents[Name], keyof LogEvent>,
): void {
  const listened = channels[name]
  if (listened.hasSubscribers) listened.publish({ topic, partition, ...details() })
}
