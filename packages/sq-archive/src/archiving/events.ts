/**
 * The channels of `node:diagnostics_channel` that archivers publish to, and their messages. Without a subscriber no
 * message is built.
 */
import { channel } from 'node:diagnostics_channel'
import type { FencedError, LogMismatchError } from '../errors.ts'

/** The type of the message on each channel. Durations are in milliseconds of the archiver's monotonic clock. */
export interface ArchiveEvents {
  'sq:archive:upload': UploadEvent
  'sq:archive:retry': RetryEvent
  'sq:archive:stop': StopEvent
}

/** The log that an event is about. */
export interface ArchiveEvent {
  readonly topic: string
  readonly partition: number
  /** The prefix of the archive in its store. */
  readonly prefix: string
}

/** A segment is archived. */
export interface UploadEvent extends ArchiveEvent {
  readonly key: string
  readonly bytes: number
  /** Everything before this offset is archived. */
  readonly archivedOffset: bigint
  /** From the first attempt until it was confirmed. */
  readonly durationMs: number
}

/** An attempt has failed, and is made again. */
export interface RetryEvent extends ArchiveEvent {
  readonly error: unknown
  /** The number of failures in succession. */
  readonly failures: number
  readonly delayMs: number
}

/** A log is not archived any more, until it is attached again. */
export interface StopEvent extends ArchiveEvent {
  readonly error: FencedError | LogMismatchError
}

type Channel = ReturnType<typeof channel>

// Held here because Node drops a channel without references.
const channels: { readonly [Name in keyof ArchiveEvents]: Channel } = {
  'sq:archive:upload': channel('sq:archive:upload'),
  'sq:archive:retry': channel('sq:archive:retry'),
  'sq:archive:stop': channel('sq:archive:stop'),
}

/** Publishes an event. `details` is called only if there is a subscriber. */
export function publish<Name extends keyof ArchiveEvents>(
  name: Name,
  { topic, partition, prefix = '' }: { topic: string; partition: number; prefix?: string },
  details: () => Omit<ArchiveEvents[Name], keyof ArchiveEvent>,
): void {
  const listened = channels[name]
  if (listened.hasSubscribers) listened.publish({ topic, partition, prefix, ...details() })
}
