/**
 * The end of a log, where commits go: the active segment, and the change from one segment to the next. It decides when
 * a segment is full or too old, seals it, creates the next one, and rolls over to a new segment after a failed write.
 * It also deletes records and segments, truncates and resets.
 */
import { basename, join } from 'node:path'
import type { ResolvedWalConfig } from '../../config.ts'
import { invariant, OffsetOutOfRangeError } from '../../errors.ts'
import type { IndexEntry } from '../format/seal.ts'
import type { SegmentLink } from '../segment.ts'
import { io } from '../segments/log-file.ts'
import { listedLog } from '../segments/log-start.ts'
import { listSegmentFiles } from '../segments/segment-listing.ts'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import type { RetentionPolicy } from '../segments/retention.ts'
import { wallClockMs } from '../segments/wall-clock.ts'
import type { ExpectedTime } from '../segments/wall-clock.ts'
import type { WrittenFrames } from '../shared/recent-frames.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import type { StagedLog } from './checkpoint.ts'
import type { Commit } from './commit.ts'
import type { RotateReason } from './diagnostics.ts'
import { EndedSegments } from './ended-segments.ts'
import type { RecoveredLog } from './recovery.ts'
import { writeLogStart } from './record-deletion.ts'
import { resetLog } from './reset.ts'
import { SegmentDeletion } from './segment-deletion.ts'
import { truncateLog } from './truncation.ts'
import type { LogExtent, WriterMeter } from './writer-meter.ts'

/** What the end of a log needs. */
export interface TailContext extends SegmentMaker {
  readonly config: ResolvedWalConfig
  readonly meter: WriterMeter
  readonly onSegmentClosed: ((segment: ClosedSegment) => void) | undefined
}

/**
 * A segment without records that is older than this is replaced before its first record: its creation time is what the
 * log states about that time.
 */
const MAX_EMPTY_AGE_MS = 24 * 60 * 60 * 1000

/** What is told of a reset. Neither function may throw. */
export interface Reset {
  /** The segment before the new one, which the log no longer has; null if it states none. */
  readonly previous: SegmentLink | null
  /** Called before the first change: nothing that is in the log may be read any more. */
  readonly begin: () => void
  /** Called when the new log is there. */
  readonly done: () => void
}

/**
 * Its methods must be called one at a time. Meanwhile one step of a deletion may be under way (`segment-deletion.ts`):
 * commits to the active segment go on, and everything else waits for the step first.
 */
export class LogTail {
  readonly #context: TailContext
  #nextOffset: number
  /**
   * The active segment. After a failed write it is abandoned, until the next commit replaces it. Null if none is open.
   */
  #active: ActiveSegment | null
  /** The segments before it. */
  readonly #ended: EndedSegments
  /** The end of the segment before the active one, or before the one to create. */
  #previous: SegmentLink | null
  /**
   * The log end offset before a truncation that has not succeeded yet; null otherwise. Nothing may be written before it
   * succeeds.
   */
  #truncatedFrom: number | null = null
  /**
   * A reset that has failed after it began, and the log end offset before it. Nothing may be written before it
   * succeeds.
   */
  #pendingReset: { readonly reset: Reset; readonly previousNextOffset: number } | null = null
  /**
   * The offset up to which records are deleted inside a segment; 0 if there are none. If that has failed, a crash may
   * leave an earlier one: the next `deleteRecords` writes the log start again.
   */
  #start: number
  /** The log start offset before a deletion of records that has not succeeded yet; null otherwise. */
  #deletedFrom: number | null = null
  /** The segments that were deleted, but not durably yet as far as is known. */
  readonly #removed: SegmentInfo[] = []
  /** Resolves when no step of a deletion is under way. */
  #step: Promise<void> = Promise.resolve()
  /** The log start offset when this was closed; null before. */
  #closedFrom: number | null = null
  /** The time that the wall clock should show. */
  readonly #expectedTime: ExpectedTime

  constructor(context: TailContext, recovered: RecoveredLog) {
    this.#context = context
    this.#nextOffset = recovered.nextOffset
    this.#start = recovered.start
    this.#active = recovered.active
    this.#ended = new EndedSegments(recovered.ended)
    this.#previous = recovered.previous
    this.#expectedTime = recovered.expectedTime
  }

  /** The log end offset: the offset after the last durable record. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** The log start offset: no record before it may be read any more. */
  get firstOffset(): number {
    if (this.#closedFrom !== null) return this.#closedFrom
    return Math.max(this.#start, this.#ended.first?.baseOffset ?? this.#active?.baseOffset ?? this.#nextOffset)
  }

  /** How large the log is. */
  extent(): LogExtent {
    const active = this.#active
    const { times } = this.#ended
    let { oldestMs, newestMs } = times ?? { oldestMs: Infinity, newestMs: -Infinity }
    if (active !== null && active.summary.records > 0) {
      oldestMs = Math.min(oldestMs, active.summary.minTimestampMs)
      newestMs = Math.max(newestMs, active.summary.maxTimestampMs)
    }
    return {
      segments: this.#ended.count + (active === null ? 0 : 1),
      diskBytes: this.#ended.fileBytes + (active?.fileBytes ?? 0),
      activeSegmentBytes: active?.place.position ?? 0,
      oldestTimestampMs: times !== null && oldestMs !== Infinity ? oldestMs : null,
      newestTimestampMs: times !== null && newestMs !== -Infinity ? newestMs : null,
    }
  }

  /** The index of the active segment; null if its salt is another one. */
  indexOf(salt: number): readonly IndexEntry[] | null {
    const active = this.#active
    return active?.place.salt === salt ? active.summary.index : null
  }

  /**
   * Writes a commit, into a new segment if the active one is full, too old, abandoned or missing. It is durable when
   * this resolves with its frames. If this rejects, nothing of the commit is in the log, and the next commit rolls over
   * to a new segment.
   */
  async write(commit: Commit): Promise<WrittenFrames> {
    // If nothing has to be done first, the write has started when this returns its promise.
    const segment = this.#readyFor(commit) ?? (await this.#segmentFor(commit))
    invariant(segment.place.nextOffset === this.#nextOffset, 'the active segment ends where the log does')
    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })
    this.#nextOffset += commit.recordCount
    return written
  }

  /**
   * Deletes the records before an offset, durably. Segments that hold no other records are to be deleted next. If it
   * rejects after the first change, the records are gone for this writer, but maybe not for the next one.
   */
  async deleteRecords(before: number): Promise<void> {
    await this.#finishCut()
    const { directory, partition, meter } = this.#context
    if (before > this.#nextOffset) throw this.#outOfRange(before)
    if (before <= this.firstOffset && this.#deletedFrom === null) return
    const done = meter.deletingRecords()
    // The active segment can only be deleted once it has ended.
    if (before === this.#nextOffset) await this.closeActive()
    const offset = Math.max(before, this.#start)
    const begin = () => {
      this.#deletedFrom ??= this.firstOffset
      this.#start = offset
    }
    await writeLogStart(directory, partition, { offset, begin })
    const previousLogStartOffset = BigInt(this.#deletedFrom ?? offset)
    this.#deletedFrom = null
    done({ previousLogStartOffset, logStartOffset: BigInt(offset) })
  }

  /**
   * Begins to delete the segments that a policy releases, oldest first, and those of which every record is deleted. If
   * none would be left, the active segment is sealed and an empty one created first. `onRemoved` is called after each
   * removal, before it is durable.
   */
  deletion(policy: RetentionPolicy, onRemoved: () => void): SegmentDeletion {
    const { directory, partition, meter, clock } = this.#context
    const log = {
      directory,
      partition,
      meter,
      ended: this.#ended,
      nextOffset: () => this.#nextOffset,
      active: () => this.#active,
      time: () => {
        this.#expectedTime.follow()
        return { nowMs: wallClockMs(clock), expectedMs: this.#expectedTime.ms() }
      },
      finishCut: () => this.#finishCut(),
      stepBegun: (step: Promise<void>) => {
        this.#step = step.catch(() => {})
      },
      removed: this.#removed,
      onRemoved,
      goOnInEmptySegment: async () => {
        if (this.#active?.abandoned === false) await this.#seal(this.#active, 'age')
        await this.#openSegment()
      },
    }
    const { belowOffset = 0n } = policy
    const start = BigInt(this.#start)
    return new SegmentDeletion(log, { ...policy, belowOffset: belowOffset > start ? belowOffset : start })
  }

  /**
   * Drops every record from an offset on. `begin` is called before the first change. After it `nextOffset` is the
   * offset, and if this rejects, the next call of any method completes the truncation first.
   */
  async truncate(offset: number, begin: () => void): Promise<void> {
    await this.#step
    await this.#finishReset()
    if (offset === this.#nextOffset && this.#truncatedFrom === null) return
    if (offset < this.#start) throw this.#outOfRange(offset)
    const { active, previous, left, leftFileBytes } = await truncateLog(this.#context, {
      offset,
      nextOffset: this.#nextOffset,
      begin: async () => {
        this.#truncatedFrom ??= this.#nextOffset
        this.#nextOffset = offset
        begin()
        const ended = this.#active
        this.#active = null
        if (ended !== null) {
          const { path, baseOffset, place, fileBytes } = ended
          this.#ended.add({ path, baseOffset, nextOffset: place.nextOffset, fileBytes, info: null })
        }
        this.#ended.cutAt(offset)
        await ended?.close()
      },
    })
    this.#active = active
    this.#ended.endAt(active.baseOffset, left, leftFileBytes)
    this.#previous = previous
    const previousNextOffset = BigInt(this.#truncatedFrom ?? offset)
    this.#truncatedFrom = null
    this.#context.meter.truncated({ previousNextOffset, nextOffset: BigInt(offset) })
  }

  /**
   * Gives every segment a hard link in another directory. The last one is durable up to the end that is returned. An
   * abandoned segment is replaced first.
   */
  async stage(stagingDirectory: string): Promise<StagedLog> {
    await this.#finishCut()
    const { directory } = this.#context
    await directory.checkLock()
    if (this.#active?.abandoned === true) await this.#openSegment()
    const last = this.#active?.link ?? this.#previous
    const files = await directory.whileThere(() => listSegmentFiles(directory.fs, directory.path))
    const { segments } = listedLog(files, this.#start)
    const names: string[] = []
    for (const { path, baseOffset } of segments) {
      // A segment whose creation failed at the end may have its name, and is not part of the log yet.
      if (last === null || baseOffset > last.baseOffset) break
      const name = basename(path)
      await io('link', path, () => directory.fs.link(path, join(stagingDirectory, name)))
      names.push(name)
    }
    return { names, lastEnd: last?.end ?? 0, start: this.#start, nextOffset: this.#nextOffset }
  }

  /**
   * Seals the active segment; null if it holds no record. An abandoned segment is replaced, with or without records.
   */
  async closeActive(): Promise<ClosedSegment | null> {
    await this.#finishCut()
    const active = this.#active
    if (active?.abandoned === true) await this.#openSegment()
    if (active === null || active.summary.records === 0) return null
    if (!active.abandoned) return this.#seal(active, 'request')
    return active.closedInfo(this.#context.partition, 'abandoned')
  }

  /** Writes durability markers for everything written, and closes the file even if that fails. */
  async close(): Promise<void> {
    const { firstOffset } = this
    try {
      await this.#context.directory.checkLock()
      await this.#finishCut()
      // An abandoned segment may hold a rejected commit; a successor makes it an ignored tail.
      if (this.#active?.abandoned === true) await this.#openSegment()
      if (this.#active !== null) await this.#counted(this.#active.mark())
    } finally {
      await this.#active?.close()
      this.#active = null
      this.#closedFrom = firstOffset
    }
  }

  /** Counts a failure to write MARKs or a SEAL. */
  async #counted(writing: Promise<void>): Promise<void> {
    try {
      await writing
    } catch (error) {
      this.#context.meter.markFailed()
      throw error
    }
  }

  /**
   * Drops everything, and goes on empty at an offset. After `begin` was called, `nextOffset` is the offset, and if this
   * rejects, the next call of any method completes the reset first.
   */
  async reset(offset: number, reset: Reset): Promise<void> {
    await this.#step
    const first = await resetLog(this.#context, {
      offset,
      previous: reset.previous,
      begin: async () => {
        this.#pendingReset = { reset, previousNextOffset: this.#pendingReset?.previousNextOffset ?? this.#nextOffset }
        this.#truncatedFrom = null
        this.#nextOffset = offset
        this.#start = 0
        this.#deletedFrom = null
        reset.begin()
        this.#ended.cutAt(0)
        const active = this.#active
        this.#active = null
        await active?.close()
      },
    })
    const previousNextOffset = BigInt(this.#pendingReset?.previousNextOffset ?? offset)
    this.#active = first
    this.#previous = reset.previous
    this.#pendingReset = null
    this.#expectedTime.follow()
    reset.done()
    this.#context.meter.reset({ previousNextOffset, nextOffset: BigInt(offset) })
  }

  #outOfRange(offset: number): OffsetOutOfRangeError {
    return new OffsetOutOfRangeError({
      path: this.#context.directory.path,
      offset: BigInt(offset),
      firstOffset: BigInt(this.firstOffset),
      nextOffset: BigInt(this.#nextOffset),
    })
  }

  async #finishReset(): Promise<void> {
    if (this.#pendingReset !== null) await this.reset(this.#nextOffset, this.#pendingReset.reset)
  }

  /** Waits for a step of a deletion, and completes a truncation or reset that has failed. */
  async #finishCut(): Promise<void> {
    await this.#step
    await this.#finishReset()
    if (this.#truncatedFrom !== null) await this.truncate(this.#nextOffset, () => {})
  }

  /** The active segment, if the commit can go there at once. */
  #readyFor(commit: Commit): ActiveSegment | null {
    const active = this.#truncatedFrom === null ? this.#active : null
    if (active === null || active.abandoned || this.#isStale(active)) return null
    return this.#dueFor(active, commit.bytes) === null ? active : null
  }

  async #segmentFor(commit: Commit): Promise<ActiveSegment> {
    await this.#finishCut()
    const active = this.#active
    if (active === null || active.abandoned || this.#isStale(active)) return this.#openSegment()
    const reason = this.#dueFor(active, commit.bytes)
    if (reason === null) return active
    await this.#seal(active, reason)
    return this.#openSegment()
  }

  #isStale(active: ActiveSegment): boolean {
    return active.summary.records === 0 && this.#context.clock.monotonic() - active.agesFromMs > MAX_EMPTY_AGE_MS
  }

  /** Why the segment should be sealed before this number of bytes more; null if it should not. */
  #dueFor(active: ActiveSegment, bytes: number): RotateReason | null {
    const { config, clock } = this.#context
    if (active.summary.records === 0) return null
    if (active.place.position + bytes > config.maxSegmentBytes) return 'size'
    return clock.monotonic() - active.agesFromMs >= config.maxSegmentAgeMs ? 'age' : null
  }

  async #seal(active: ActiveSegment, reason: RotateReason): Promise<ClosedSegment> {
    await this.#counted(active.seal())
    const segment = await this.#retire(active, 'sealed')
    this.#context.meter.rotated(segment, reason)
    return segment
  }

  /**
   * Creates a segment and makes it the active one. After a failed write it states where the old one ends; a segment
   * without records is replaced.
   */
  async #openSegment(): Promise<ActiveSegment> {
    const old = this.#active
    const holdsRecords = old !== null && old.summary.records > 0
    const created = await ActiveSegment.create(this.#context, {
      baseOffset: this.#nextOffset,
      previous: holdsRecords ? old.link : this.#previous,
      first: null,
    })
    if (holdsRecords) await this.#retire(old, 'abandoned')
    else await old?.close()
    this.#active = created
    this.#expectedTime.follow()
    if (old?.abandoned === true) {
      const bytes = holdsRecords ? old.link.end : 0
      const { path, failure } = old
      this.#context.meter.abandoned({ path, bytes, nextOffset: BigInt(this.#nextOffset), error: failure })
    }
    return created
  }

  /** Closes an ended segment and reports it to `onSegmentClosed`. */
  async #retire(ended: ActiveSegment, state: ClosedSegment['state']): Promise<ClosedSegment> {
    const description = ended.closedInfo(this.#context.partition, state)
    const { path, baseOffset, place } = ended
    const fileBytes = await ended.fileSize()
    this.#previous = ended.link
    this.#active = null
    this.#ended.add({ path, baseOffset, nextOffset: place.nextOffset, fileBytes, info: description })
    await ended.close()
    const { onSegmentClosed } = this.#context
    // In a microtask, so that an exception of the callback is not the failure of an append.
    if (onSegmentClosed !== undefined) queueMicrotask(() => onSegmentClosed(description))
    return description
  }
}
