/**
 * The segment a writer writes: made, extended by one frame at a time, and ended. It moves on only after a write
 * succeeded; once one failed it is broken for good, and its file descriptor is never synced again.
 */
import { join } from 'node:path'
import type { Clock, Random } from '@sq/sim'
import { asError, systemCode, WalIoError } from '../../errors.ts'
import { copyFrame } from '../format/frame.ts'
import type { FramePlace } from '../format/frame.ts'
import type { RecordsFrame } from '../format/records-frame.ts'
import { encodeEnding, SummaryBuilder } from '../format/seal.ts'
import { encodeSegmentHead, SEGMENT_HEADER_BYTES, segmentName } from '../segment.ts'
import type { SegmentLink } from '../segment.ts'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import { LogFile } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { wallClockMs } from '../segments/wall-clock.ts'
import type { WrittenFrame } from '../shared/recent-frames.ts'
import type { SegmentDirectory } from './partition-directory.ts'

/**
 * A file that grows costs the file system a commit of its own journal with each sync: as much again as a small write.
 * So zeros are written ahead, together with a commit, and the next ones overwrite them: as many as the segment holds,
 * at most so many. Measured on ext4: 1.7 times as many writes a second of 4 KiB, 1.4 times of 20 KiB, 1.05 times of
 * 100 KiB, 0.8 times of 300 KiB; with them the log does 1.2 times as many commits of 36 KB and of 57 KB.
 */
const MAX_PREALLOCATION_BYTES = 256 * 1024
const ZEROS: Buffer = Buffer.alloc(MAX_PREALLOCATION_BYTES)
/** Larger commits write none: their own bytes cost more than the journal. */
const MAX_SMALL_COMMIT_BYTES = 64 * 1024
/** What a file system gives out at a time; zeros end at a multiple of it. */
const BLOCK_BYTES = 4096

/** What new segments are made with. */
export interface SegmentMaker {
  readonly directory: SegmentDirectory
  readonly partition: Partition
  readonly clock: Clock
  readonly random: Random
}

/** Everything about a segment in use that is not about the next frame. */
interface Origin {
  readonly path: string
  readonly baseOffset: number
  /** When it was created, in milliseconds since 1970, by a wall clock that may have been wrong. */
  readonly createdMs: number
  /** The monotonic time from which its age counts, in milliseconds. */
  readonly agesFromMs: number
}

export class ActiveSegment {
  readonly path: string
  readonly baseOffset: number
  readonly createdMs: number
  readonly agesFromMs: number
  readonly summary: SummaryBuilder
  readonly #handle: LogFile
  #place: FramePlace
  #lastPosition: number
  /** Where the zeros that were written ahead end; not behind the next frame's place where there are none. */
  #preallocatedEnd = 0
  #failure: Error | null = null
  /** Whether the last frame already proves all before it. */
  #confirmed: boolean

  constructor(
    handle: LogFile,
    origin: Origin,
    state: { place: FramePlace; lastPosition: number; confirmed: boolean; summary: SummaryBuilder },
  ) {
    this.path = origin.path
    this.baseOffset = origin.baseOffset
    this.createdMs = origin.createdMs
    this.agesFromMs = origin.agesFromMs
    this.summary = state.summary
    this.#handle = handle
    this.#place = state.place
    this.#lastPosition = state.lastPosition
    this.#confirmed = state.confirmed
  }

  /**
   * Makes a new segment: header and OPEN, and `first` as its first commit where that is given, durable under a passing
   * name; then renamed, then the directory synced. It replaces a segment of the same name, whose records are gone then:
   * it must hold none that was acknowledged or recovered, but for such as are to be dropped.
   */
  static async create(
    { directory, partition, clock, random }: SegmentMaker,
    { baseOffset, previous, first }: { baseOffset: number; previous: SegmentLink | null; first: RecordsFrame | null },
  ): Promise<ActiveSegment> {
    const path = join(directory.path, segmentName(baseOffset))
    const createdMs = wallClockMs(clock)
    const { bytes, salt } = encodeSegmentHead(
      { segmentId: random.bigUint64(), createdMs, previous, topic: partition.topic },
      { partition: partition.partition, baseOffset },
    )
    const agesFromMs = clock.monotonic()
    await directory.removeUnfinished()
    const unfinished = directory.unfinishedPath
    const handle = await LogFile.open(directory.fs, unfinished, 'create')
    const segment = new ActiveSegment(
      handle,
      { path, baseOffset, createdMs, agesFromMs },
      {
        place: { position: bytes.length, nextOffset: baseOffset, previousCrc: salt, salt },
        lastPosition: SEGMENT_HEADER_BYTES,
        confirmed: false,
        summary: new SummaryBuilder(),
      },
    )
    try {
      await handle.writeDurable([bytes], 0)
      if (first !== null) await segment.write(first, { preallocationLimit: 0 })
      await directory.finish(path)
      handle.path = path
    } catch (error) {
      await handle.close()
      throw error
    }
    return segment
  }

  /** True once a write failed: nothing more is written here. */
  get abandoned(): boolean {
    return this.#failure !== null
  }

  /** What the write failed with; null where none did. */
  get failure(): Error | null {
    return this.#failure
  }

  /** Where the next frame goes. */
  get place(): FramePlace {
    return this.#place
  }

  /** Where this segment validly ends, as its successor must state it. */
  get link(): SegmentLink {
    return {
      baseOffset: this.baseOffset,
      end: this.#place.position,
      lastPosition: this.#lastPosition,
      lastCrc: this.#place.previousCrc,
    }
  }

  /**
   * Writes one commit; durable when it resolves, with its frame, which can be copied as long as the commit is whole.
   * Zeros ahead of it, if any, end before `preallocationLimit`. Where it rejects, the segment is broken or nothing was written.
   */
  async write(commit: RecordsFrame, { preallocationLimit }: { preallocationLimit: number }): Promise<WrittenFrame> {
    const { position, nextOffset, salt } = this.#place
    const { bytes, header } = commit.encode(this.#place)
    const zeros = this.#preallocationAfter(bytes.length, preallocationLimit)
    const segment = { path: this.path, baseOffset: this.baseOffset, salt }
    const written = { bytes: bytes.length, copy: () => ({ segment, frame: copyFrame(bytes, header) }) }
    try {
      await this.#writeDurable([bytes, zeros])
    } catch (error) {
      if (zeros.length > 0 && isDiskFull(error)) await this.#giveBack(position + bytes.length)
      throw error
    }
    // It is durable. Nothing from here on can throw: who is told that it failed would append it again in its place.
    this.#preallocatedEnd = Math.max(this.#preallocatedEnd, position + bytes.length + zeros.length)
    this.summary.add({
      offsetDelta: nextOffset - this.baseOffset,
      position,
      recordCount: commit.recordCount,
      minTimestampMs: commit.minTimestampMs,
      maxTimestampMs: commit.maxTimestampMs,
    })
    this.#advance({ bytes, lastPosition: position, lastCrc: header.headerCrc }, nextOffset + commit.recordCount)
    this.#confirmed = false
    return written
  }

  /** Proves all that was written so far, so that damage to the last commit is told from a torn one later on. */
  async mark(): Promise<void> {
    if (!this.#confirmed) await this.#end(null)
  }

  /** Ends the segment for good, with its index. */
  async seal(): Promise<void> {
    await this.#end(this.summary)
  }

  async #end(summary: SummaryBuilder | null): Promise<void> {
    const ending = encodeEnding(this.#place, summary)
    await this.#cutPreallocation()
    await this.#writeDurable([ending.bytes])
    this.#advance(ending, this.#place.nextOffset)
    this.#confirmed = true
  }

  /** What is to be written behind a commit of so many bytes: nothing while it fits into the zeros that are there. */
  #preallocationAfter(bytes: number, preallocationLimit: number): Buffer {
    const { position } = this.#place
    const end = position + bytes
    if (end <= this.#preallocatedEnd || bytes > MAX_SMALL_COMMIT_BYTES) return ZEROS.subarray(0, 0)
    const preallocatedEnd = Math.min(end + Math.min(position, MAX_PREALLOCATION_BYTES), preallocationLimit)
    return ZEROS.subarray(0, Math.max(preallocatedEnd - (preallocatedEnd % BLOCK_BYTES) - end, 0))
  }

  /** Takes the zeros off before the last frame. Not durable by itself: where they are found again, they mean nothing. */
  async #cutPreallocation(): Promise<void> {
    if (this.#preallocatedEnd <= this.#place.position) return
    await this.#orAbandon(() => this.#handle.truncate(this.#place.position))
    this.#preallocatedEnd = 0
  }

  /**
   * Frees what zeros took of a full disk, behind the commit that failed, as far as it can be: the segment that heals has
   * no other place. The frame itself is left: who reads in another process may have returned it.
   */
  async #giveBack(end: number): Promise<void> {
    try {
      if ((await this.#handle.size()) > end) await this.#handle.truncate(end)
    } catch {
      // The segment is broken, whatever its size.
    }
  }

  #writeDurable(buffers: readonly Buffer[]): Promise<void> {
    return this.#orAbandon(() => this.#handle.writeDurable(buffers, this.#place.position))
  }

  async #orAbandon(operation: () => Promise<void>): Promise<void> {
    try {
      await operation()
    } catch (error) {
      this.#failure = asError(error)
      throw error
    }
  }

  #advance(written: { bytes: Buffer; lastPosition: number; lastCrc: number }, nextOffset: number): void {
    const position = this.#place.position + written.bytes.length
    this.#place = { position, nextOffset, previousCrc: written.lastCrc, salt: this.#place.salt }
    this.#lastPosition = written.lastPosition
  }

  /** Gives up the file descriptor; what is durable was made so before. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** The segment as a listing shows it while it is active. */
  info({ topic, partition }: Partition): SegmentInfo {
    const { records, minTimestampMs, maxTimestampMs } = this.summary
    const { nextOffset, position } = this.#place
    return {
      path: this.path,
      topic,
      partition,
      createdMs: this.createdMs,
      baseOffset: BigInt(this.baseOffset),
      nextOffset: BigInt(nextOffset),
      lastOffset: records > 0 ? BigInt(nextOffset - 1) : null,
      records,
      bytes: position,
      minTimestampMs: records > 0 ? minTimestampMs : null,
      maxTimestampMs: records > 0 ? maxTimestampMs : null,
      state: 'active',
    }
  }

  /** The segment after it was ended. It must hold a record. */
  closedInfo(partition: Partition, state: ClosedSegment['state']): ClosedSegment {
    const { minTimestampMs, maxTimestampMs } = this.summary
    const lastOffset = BigInt(this.#place.nextOffset - 1)
    return { ...this.info(partition), lastOffset, minTimestampMs, maxTimestampMs, state }
  }
}

function isDiskFull(error: unknown): boolean {
  const code = error instanceof WalIoError ? systemCode(error.cause) : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}
