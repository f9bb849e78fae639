/**
 * Archives one log: one loop that takes its ended segments, oldest first, and uploads one after another. Everything that
 * fails is tried again, until another writer owns the archive or the log does not continue it.
 */
import type { Clock, FileSystem, Random } from '@sq/sim'
import { listSegments } from '@sq/storage'
import type { ClosedSegment, RetentionPolicy, SegmentEnds, SegmentInfo, WalWriter } from '@sq/storage'
import { lastArchived } from '../archived-log.ts'
import type { ArchivedSegment } from '../archived-log.ts'
import { ArchiverClosedError, FencedError, LogMismatchError } from '../errors.ts'
import { FileSource } from '../object-source.ts'
import type { ObjectStore } from '../object-store.ts'
import type { LogPlace } from '../segment-key.ts'
import { publish } from './events.ts'
import { LocalCopies } from './local-copies.ts'
import { checkOwnDirectory, endsOf, isEnded, segmentsToArchive } from './local-log.ts'
import { backoffMs, Pause } from './pause.ts'
import { SegmentQueue } from './segment-queue.ts'
import { SegmentUpload } from './segment-upload.ts'
import type { Slots } from './slots.ts'
import { Waiters } from './waiters.ts'
import { isSameLink } from '../segment-link.ts'

/** Which archived segments to delete locally: the limits of `WalWriter.deleteSegments`. */
export type LocalRetention = Pick<RetentionPolicy, 'maxTotalBytes' | 'maxAgeMs' | 'trustClock'>

/** What the archivers of all logs share. */
export interface ArchivingContext {
  readonly fs: FileSystem
  readonly dataDir: string
  readonly store: ObjectStore
  readonly prefix: string
  readonly clock: Clock
  readonly random: Random
  readonly slots: Slots
  readonly localRetention: LocalRetention | null
  readonly maxUnarchivedMs: number | null
  readonly onStopped: (error: FencedError | LogMismatchError) => void
  /** The log is not attached any more. */
  readonly onClosed: () => void
}

/** What an archiver needs of the writer of a log. */
export type ArchivedWriter = Pick<WalWriter, 'logEndOffset' | 'closeActiveSegment' | 'deleteSegments'>

/** Options of `Archiver.attach`. */
export interface AttachOptions {
  /**
   * Whether to begin an archive with a log whose first segments are no longer here, if there is none yet. Default false:
   * then such a log is refused, because its archive may be in another place, for example on a disk that is not mounted.
   */
  readonly beginArchive?: boolean
  /** The initial value of `LogArchiver.archiveBelow`. Default null. */
  readonly archiveBelow?: bigint | null
}

/** Counters of the archiving of one log, since it was attached, and what is left to do. */
export interface LogArchiverStats {
  /** Everything before this offset is archived. */
  readonly archivedOffset: bigint
  readonly uploadedSegments: number
  readonly uploadedBytes: number
  /** Attempts that failed and are made again. */
  readonly retries: number
  /** Ended segments that are not archived yet. */
  readonly pendingSegments: number
  readonly pendingBytes: number
  /** Why the last attempt failed, or why archived segments are not deleted locally; null if all is well. */
  readonly lastError: unknown
}

/** Archives one log. `Archiver.attach` makes it. */
export class LogArchiver {
  readonly topic: string
  readonly partition: number
  readonly #context: ArchivingContext
  readonly #place: LogPlace
  readonly #writer: ArchivedWriter
  readonly #queue = new SegmentQueue()
  readonly #waiters = new Waiters()
  readonly #pause = new Pause()
  readonly #running: Promise<void>
  #archiveBelow: bigint | null
  /** The last segment of the archive; null if the archive is empty. */
  #last: ArchivedSegment | null = null
  #isStarted = false
  readonly #copies: LocalCopies
  readonly #beginArchive: boolean
  /** Why archived segments are not deleted locally; null if nothing prevents it. */
  #keptError: unknown = null
  #state: 'open' | 'draining' | 'closed' = 'open'
  #error: FencedError | LogMismatchError | null = null
  #lastError: unknown = null
  #uploadedSegments = 0
  #uploadedBytes = 0
  #retries = 0
  #cancelTimer: () => void = () => {}
  /** The end of the log when the timer fired before. */
  #endBefore = 0n

  /** @internal */
  constructor(context: ArchivingContext, writer: ArchivedWriter, log: LogPlace & AttachOptions) {
    const { topic, partition, archiveBelow = null, beginArchive = false } = log
    this.#archiveBelow = archiveBelow
    this.topic = topic
    this.partition = partition
    this.#context = context
    this.#writer = writer
    this.#place = { prefix: context.prefix, topic, partition }
    this.#beginArchive = beginArchive
    this.#copies = new LocalCopies(context.store, this.#place)
    this.#endBefore = writer.logEndOffset
    this.#running = this.#run()
    this.#setTimer()
  }

  /** Everything before this offset is archived. 0 before the archive was looked at. */
  get archivedOffset(): bigint {
    return this.#last?.nextOffset ?? 0n
  }

  /** Why the log is not archived any more; null while it is. */
  get error(): FencedError | LogMismatchError | null {
    return this.#error
  }

  /**
   * Only records before this offset are archived, and only whole segments: the high watermark of a replicated log, from
   * which on it may still be truncated. Null, the default: all records.
   */
  get archiveBelow(): bigint | null {
    return this.#archiveBelow
  }

  /** Set it whenever the high watermark moves. */
  set archiveBelow(offset: bigint | null) {
    this.#archiveBelow = offset
    this.#pause.end()
  }

  /**
   * Resolves once the record with this offset is archived: it survives the loss of this machine. That happens after its
   * segment has ended, so set `maxUnarchivedMs`, or call `closeActiveSegment` of the writer.
   *
   * Rejects with `FencedError` or `LogMismatchError` if the log is not archived any more, with `ArchiverClosedError`
   * once it is closed, and with the reason of an aborted `signal`.
   */
  async waitArchived(offset: bigint, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#isStarted && offset < this.archivedOffset) return
    if (this.#error !== null) throw this.#error
    if (this.#state === 'closed') throw this.#closedError()
    await this.#waiters.wait(offset, signal)
  }

  /** Cheap: nothing is read. */
  stats(): LogArchiverStats {
    return {
      archivedOffset: this.archivedOffset,
      uploadedSegments: this.#uploadedSegments,
      uploadedBytes: this.#uploadedBytes,
      retries: this.#retries,
      pendingSegments: this.#queue.count,
      pendingBytes: this.#queue.bytes,
      lastError: this.#lastError ?? this.#keptError,
    }
  }

  /**
   * Archives the segments that have ended, and stops. It does not end the active segment. Resolves when nothing is under
   * way any more, also if the log was fenced. While the store fails it goes on trying: abort `signal` to end that. Then
   * it rejects with the reason of the signal; an upload that has begun may still take effect.
   */
  async close({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#state === 'open') this.#state = 'draining'
    this.#cancelTimer()
    this.#pause.end()
    let reject: ((reason: unknown) => void) | undefined
    const aborted = new Promise<never>((_, settle) => {
      reject = settle
    })
    const abort = (): void => {
      this.#stop()
      reject?.(signal?.reason)
    }
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort)
    try {
      await Promise.race([this.#running, aborted])
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** @internal A segment of this log has ended. */
  segmentClosed(segment: ClosedSegment): void {
    // What ends after `close` was called is for the next process.
    if (this.#state !== 'open') return
    this.#queue.add(segment, this.archivedOffset)
    this.#pause.end()
  }

  async #run(): Promise<void> {
    try {
      await this.#untilDone(() => this.#start())
      while (this.#state !== 'closed') {
        if (this.#queue.isStale) await this.#untilDone(async () => void (await this.#list()))
        const segment = this.#next()
        if (segment !== undefined) await this.#archive(segment)
        else if (this.#state === 'draining') break
        else await this.#pause.wait()
      }
    } catch (error) {
      if (!(error instanceof FencedError || error instanceof LogMismatchError)) throw error
      this.#error = error
      this.#lastError = error
      this.#waiters.fail(error)
      publish('sq:archive:stop', this.#place, () => ({ error }))
      this.#context.onStopped(error)
    } finally {
      this.#stop()
    }
  }

  #stop(): void {
    this.#state = 'closed'
    this.#cancelTimer()
    this.#pause.end()
    this.#waiters.fail(this.#closedError())
    this.#context.onClosed()
  }

  /** Makes attempts until one succeeds, or the archiver is stopped. */
  async #untilDone(attempt: () => Promise<void>): Promise<void> {
    const { slots, random, clock } = this.#context
    for (let failures = 1; this.#state !== 'closed'; failures++) {
      try {
        await slots.run(async () => {
          if (!this.#isClosed()) await attempt()
        })
        this.#lastError = null
        return
      } catch (error) {
        if (error instanceof FencedError || error instanceof LogMismatchError) throw error
        this.#lastError = error
        this.#retries++
        const delayMs = backoffMs(failures, random)
        publish('sq:archive:retry', this.#place, () => ({ error, failures, delayMs }))
        const dueMs = clock.monotonic() + delayMs
        // What ends a pause early is no reason to try again.
        for (let leftMs = delayMs; leftMs > 0 && !this.#isClosed(); leftMs = dueMs - clock.monotonic()) {
          await this.#pause.wait({ clock, delayMs: leftMs })
        }
      }
    }
  }

  /** Finds the end of the archive, and compares the log with it. */
  async #start(): Promise<void> {
    await checkOwnDirectory(this.#context, this.#place)
    this.#last = await lastArchived(this.#context.store, this.#place)
    const segments = await this.#list()
    this.#copies.begin(segments.filter((segment) => isEnded(segment) && segment.nextOffset <= this.archivedOffset))
    this.#isStarted = true
    this.#waiters.reached(this.archivedOffset)
    await this.#deleteLocal()
  }

  /** Lists the log, and finds what is left to archive. */
  async #list(): Promise<SegmentInfo[]> {
    const { fs, dataDir } = this.#context
    let segments: SegmentInfo[] = []
    await this.#queue.fill(async () => {
      segments = await listSegments(fs, { dataDir }, this.topic, this.partition)
      return segmentsToArchive(fs, segments, { log: this.#name, last: this.#last, beginArchive: this.#beginArchive })
    })
    return segments
  }

  /** The segment to archive next; undefined if there is none. */
  #next(): SegmentInfo | undefined {
    const { first } = this.#queue
    const isHeld = first !== undefined && this.#archiveBelow !== null && first.nextOffset > this.#archiveBelow
    return isHeld ? undefined : first
  }

  /** Archives a segment, unless it turns out to be no longer the next one of the log. */
  async #archive(segment: SegmentInfo): Promise<void> {
    const { store, clock } = this.#context
    const upload = new SegmentUpload(store, this.#place, { segment, before: this.#last })
    const startedMs = clock.monotonic()
    let archived: ArchivedSegment | null = null
    await this.#untilDone(async () => {
      if (this.#queue.isStale) await this.#list()
      const { first } = this.#queue
      if (first?.baseOffset === segment.baseOffset && isSameLink(first.link, segment.link)) {
        archived = await this.#attempt(upload)
      }
    })
    if (archived === null || this.#isClosed()) return
    this.#copies.add(segment)
    this.#archived(archived, clock.monotonic() - startedMs)
    await this.#deleteLocal()
  }

  async #attempt(upload: SegmentUpload): Promise<ArchivedSegment> {
    const { segment, key } = upload
    const { ends, source } = await this.#open(segment)
    try {
      await upload.attempt(source)
    } finally {
      await source.close()
    }
    const { createdMs, previous, link, isSealed } = ends
    const { baseOffset, nextOffset, bytes } = segment
    return { key, bytes, baseOffset, nextOffset, createdMs, previous, link, isSealed }
  }

  /** Opens a segment, and checks that it is the next one. Otherwise the log may have been truncated: it is listed. */
  async #open(segment: SegmentInfo): Promise<{ ends: SegmentEnds; source: FileSource }> {
    const { fs } = this.#context
    try {
      const ends = await endsOf(fs, segment)
      const isNext = this.#last === null || isSameLink(ends.previous, this.#last.link)
      if (!isNext || !isSameLink(ends.link, segment.link)) throw new Error(`the segment ${segment.path} has changed`)
      return { ends, source: await FileSource.open(fs, segment.path, segment.bytes) }
    } catch (error) {
      this.#queue.isStale = true
      throw error
    }
  }

  #archived(segment: ArchivedSegment, durationMs: number): void {
    const { key, bytes } = segment
    this.#queue.shift()
    this.#last = segment
    this.#uploadedSegments++
    this.#uploadedBytes += bytes
    this.#waiters.reached(segment.nextOffset)
    publish('sq:archive:upload', this.#place, () => ({ key, bytes, archivedOffset: segment.nextOffset, durationMs }))
  }

  /** Deletes local segments that are archived, as far as the retention releases them. */
  async #deleteLocal(): Promise<void> {
    const { localRetention } = this.#context
    if (localRetention === null || this.#last === null) return
    try {
      const { keepFromOffset, lost } = await this.#copies.deletable(this.archivedOffset)
      this.#copies.remove(await this.#writer.deleteSegments({ ...localRetention, keepFromOffset }))
      this.#keptError = lost
    } catch (error) {
      this.#keptError = error
    }
  }

  #setTimer(): void {
    const { maxUnarchivedMs, clock } = this.#context
    if (maxUnarchivedMs === null || this.#state !== 'open') return
    this.#cancelTimer = clock.setTimer(Math.ceil(maxUnarchivedMs / 2), () => {
      this.#setTimer()
      void this.#endOldSegment()
    })
  }

  /** Ends the active segment if it has records that were there when the timer fired before. */
  async #endOldSegment(): Promise<void> {
    const endedTo = this.#queue.last?.nextOffset ?? this.archivedOffset
    const isOld = this.#isStarted && this.#endBefore > endedTo
    this.#endBefore = this.#writer.logEndOffset
    if (!isOld) return
    try {
      const segment = await this.#writer.closeActiveSegment()
      if (segment !== null) this.segmentClosed(segment)
    } catch (error) {
      this.#lastError = error
    }
  }

  /** A method, because it may change while something is awaited. */
  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #closedError(): ArchiverClosedError {
    return new ArchiverClosedError(this.#name)
  }

  get #name(): string {
    return `${this.topic}/${this.partition}`
  }
}
