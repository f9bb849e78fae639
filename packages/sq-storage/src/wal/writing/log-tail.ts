/**
 * The end of a log, where commits go: the active segment, and what comes before and after it. It decides when a segment
 * is full or too old, seals it, makes the next one, and heals after a failure. It also takes segments away.
 */
import type { ResolvedWalConfig } from '../../config.ts'
import { invariant } from '../../errors.ts'
import type { SegmentLink } from '../segment.ts'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import { findExpired } from '../segments/retention.ts'
import type { RetentionPolicy } from '../segments/retention.ts'
import { wallClockMs } from '../segments/wall-clock.ts'
import type { ExpectedTime } from '../segments/wall-clock.ts'
import type { WrittenFrame } from '../shared/recent-frames.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import type { Commit } from './commit.ts'
import type { RotateReason } from './diagnostics.ts'
import type { RecoveredLog } from './recovery.ts'
import { truncateLog } from './truncation.ts'
import type { WriterMeter } from './writer-meter.ts'

/** What a log's end needs to know of its surroundings. */
export interface TailContext extends SegmentMaker {
  readonly config: ResolvedWalConfig
  readonly meter: WriterMeter
  readonly onSegmentClosed: ((segment: ClosedSegment) => void) | undefined
}

/** So old a segment without a record is made anew before its first: its creation is what the log says of that time. */
const MAX_EMPTY_AGE_MS = 24 * 60 * 60 * 1000

/** Its methods must be called one at a time. */
export class LogTail {
  readonly #context: TailContext
  #nextOffset: number
  /** The segment being written; broken after a failure, until the next commit heals it; null where none is open. */
  #active: ActiveSegment | null
  /** The end of the segment before the active one, or before the one to be made. */
  #previous: SegmentLink | null
  /** Where the log ended when a truncation began that did not succeed yet: nothing may be written before it has. */
  #truncatedFrom: number | null = null
  /** What the wall clock should say. */
  readonly #expectedTime: ExpectedTime

  constructor(context: TailContext, recovered: RecoveredLog) {
    this.#context = context
    this.#nextOffset = recovered.nextOffset
    this.#active = recovered.active
    this.#previous = recovered.previous
    this.#expectedTime = recovered.expectedTime
  }

  /** The offset after the last durable record. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /**
   * Writes a commit, into a new segment where the active one is full, too old, broken or not there. It is durable when
   * this resolves, with its frame; where it rejects, nothing of the commit is in the log, and the next one heals.
   */
  async write(commit: Commit): Promise<WrittenFrame> {
    // Where nothing is to be done first, the write is on its way when this returns its promise.
    const segment = this.#readyFor(commit) ?? (await this.#segmentFor(commit))
    invariant(segment.place.nextOffset === this.#nextOffset, 'the active segment ends where the log does')
    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })
    this.#nextOffset += commit.recordCount
    return written
  }

  /**
   * Deletes the segments that a policy lets go, oldest first. Where none would be left, the active one is ended and an
   * empty one made first.
   */
  async deleteSegments(policy: RetentionPolicy): Promise<SegmentInfo[]> {
    await this.#finishTruncation()
    const { directory, partition, clock, meter } = this.#context
    await directory.checkLock()
    // What an earlier call removed and could not make durable: it is not listed any more.
    await directory.sync()
    const active = this.#active
    this.#expectedTime.follow()
    const expired = await directory.whileThere(() =>
      findExpired(directory.fs, partition, {
        policy,
        nowMs: wallClockMs(clock),
        expectedMs: this.#expectedTime.ms(),
        active: active?.info(partition) ?? null,
        nextOffset: BigInt(this.#nextOffset),
      }),
    )
    const last = active ?? this.#previous
    if (last !== null && expired.at(-1)?.baseOffset === BigInt(last.baseOffset)) {
      if (active?.abandoned === false) await this.#seal(active, 'age')
      await this.#openSegment()
    }
    for (const segment of expired) {
      await directory.remove(segment.path)
      meter.deleted(segment)
    }
    return expired
  }

  /**
   * Drops every record from an offset on. `begin` is called before the first change; from then on `nextOffset` is the
   * offset, and where this rejects, the next call of any method completes it first.
   */
  async truncate(offset: number, begin: () => void): Promise<void> {
    if (offset === this.#nextOffset && this.#truncatedFrom === null) return
    const { active, previous } = await truncateLog(this.#context, {
      offset,
      nextOffset: this.#nextOffset,
      begin: async () => {
        this.#truncatedFrom ??= this.#nextOffset
        this.#nextOffset = offset
        begin()
        await this.#active?.close()
        this.#active = null
      },
    })
    this.#active = active
    this.#previous = previous
    const previousNextOffset = BigInt(this.#truncatedFrom ?? offset)
    this.#truncatedFrom = null
    this.#context.meter.truncated({ previousNextOffset, nextOffset: BigInt(offset) })
  }

  /** Ends the active segment; null where it holds no record. A broken one is healed away, with or without records. */
  async closeActive(): Promise<ClosedSegment | null> {
    await this.#finishTruncation()
    const active = this.#active
    if (active?.abandoned === true) await this.#openSegment()
    if (active === null || active.summary.records === 0) return null
    if (!active.abandoned) return this.#seal(active, 'request')
    return active.closedInfo(this.#context.partition, 'abandoned')
  }

  /** Proves on disk all that was written, and gives up the file, also where that fails. */
  async close(): Promise<void> {
    try {
      await this.#context.directory.checkLock()
      await this.#finishTruncation()
      // A rejected commit may stand in a broken segment; its successor makes it void.
      if (this.#active?.abandoned === true) await this.#openSegment()
      if (this.#active !== null) await this.#counted(this.#active.mark())
    } finally {
      await this.#active?.close()
      this.#active = null
    }
  }

  /** The writing of a proof, MARKs or a SEAL; where it fails, that is counted. */
  async #counted(writing: Promise<void>): Promise<void> {
    try {
      await writing
    } catch (error) {
      this.#context.meter.markFailed()
      throw error
    }
  }

  async #finishTruncation(): Promise<void> {
    if (this.#truncatedFrom !== null) await this.truncate(this.#nextOffset, () => {})
  }

  /** The active segment, if the commit can go there at once. */
  #readyFor(commit: Commit): ActiveSegment | null {
    const active = this.#truncatedFrom === null ? this.#active : null
    if (active === null || active.abandoned || this.#isStale(active)) return null
    return this.#dueFor(active, commit.frameBytesWith(0)) === null ? active : null
  }

  async #segmentFor(commit: Commit): Promise<ActiveSegment> {
    await this.#finishTruncation()
    const active = this.#active
    if (active === null || active.abandoned || this.#isStale(active)) return this.#openSegment()
    const reason = this.#dueFor(active, commit.frameBytesWith(0))
    if (reason === null) return active
    await this.#seal(active, reason)
    return this.#openSegment()
  }

  #isStale(active: ActiveSegment): boolean {
    return active.summary.records === 0 && this.#context.clock.monotonic() - active.agesFromMs > MAX_EMPTY_AGE_MS
  }

  /** Why the segment should be ended before so many bytes more; null where it should not. */
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
   * Makes a new segment the active one. After a failed write this states where the old one ends; a segment without a
   * record is replaced.
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

  /** An ended segment is left alone from now on, and whoever archives hears of it. */
  async #retire(ended: ActiveSegment, state: ClosedSegment['state']): Promise<ClosedSegment> {
    const description = ended.closedInfo(this.#context.partition, state)
    this.#previous = ended.link
    this.#active = null
    await ended.close()
    const { onSegmentClosed } = this.#context
    // In a turn of its own, so that what it throws is nobody's failed append.
    if (onSegmentClosed !== undefined) queueMicrotask(() => onSegmentClosed(description))
    return description
  }
}
