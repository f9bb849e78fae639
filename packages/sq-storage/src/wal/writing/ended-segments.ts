/**
 * The ended segments of a log, as its writer knows them: none is listed, measured or read again to decide which to
 * delete. Their total size and their times are kept up to date, so `stats` looks at no segment.
 */
import { dirname, join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { segmentName } from '../segment.ts'
import { describeSegments } from '../segments/describe.ts'
import type { SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import { LeastInQueue } from './least-in-queue.ts'

/** A segment that is not written any more. */
export interface EndedSegment {
  readonly path: string
  readonly baseOffset: number
  /** The offset after its last record, where the next segment begins. */
  readonly nextOffset: number
  readonly fileBytes: number
  /** Null until it is described: a segment that an earlier writer ended is read when that is needed. */
  info: SegmentInfo | null
}

/** The smallest and the largest timestamp of the records of some segments. */
export interface TimeSpan {
  /** Infinity if there are no records. */
  readonly oldestMs: number
  /** -Infinity if there are no records. */
  readonly newestMs: number
}

/** The time span of a queue of segments. */
class QueueTimes {
  readonly #oldest = new LeastInQueue()
  /** Of the negative times. */
  readonly #newest = new LeastInQueue()

  get span(): TimeSpan {
    return { oldestMs: this.#oldest.value, newestMs: -this.#newest.value }
  }

  add({ minTimestampMs, maxTimestampMs }: SegmentInfo): void {
    this.#oldest.add(minTimestampMs ?? Infinity)
    this.#newest.add(-(maxTimestampMs ?? -Infinity))
  }

  removeFirst(): void {
    this.#oldest.removeFirst()
    this.#newest.removeFirst()
  }
}

/** In the order of their offsets, oldest first. */
export class EndedSegments implements Iterable<EndedSegment> {
  readonly #segments: EndedSegment[] = []
  /** The number of segments at the beginning that are deleted. */
  #deleted = 0
  /** Where each truncation and reset has cut the log, in order. */
  readonly #cuts: number[] = []
  #fileBytes = 0
  /** The number of segments that are not described. */
  #undescribed = 0
  /** Null until it is asked for, and after the end of the queue was cut. */
  #times: QueueTimes | null = null

  constructor(segments: readonly EndedSegment[]) {
    for (const segment of segments) this.add(segment)
  }

  /** The size of their files together. */
  get fileBytes(): number {
    return this.#fileBytes
  }

  /** Null if one of them is not described. */
  get times(): TimeSpan | null {
    if (this.#undescribed > 0) return null
    this.#times ??= this.#measureTimes()
    return this.#times.span
  }

  #measureTimes(): QueueTimes {
    const times = new QueueTimes()
    for (const { info } of this) if (info !== null) times.add(info)
    return times
  }

  get count(): number {
    return this.#segments.length - this.#deleted
  }

  /** How often the log was cut, and segments dropped or shortened: what was decided before must be decided again. */
  get cuts(): number {
    return this.#cuts.length
  }

  /** The least offset at which the log was cut after it had been cut this often; Infinity if it was not. */
  lowestCutSince(cuts: number): number {
    return this.#cuts.slice(cuts).reduce((lowest, offset) => Math.min(lowest, offset), Infinity)
  }

  get first(): EndedSegment | undefined {
    return this.#segments[this.#deleted]
  }

  get last(): EndedSegment | undefined {
    return this.count > 0 ? this.#segments.at(-1) : undefined
  }

  [Symbol.iterator](): Iterator<EndedSegment> {
    return this.#segments.slice(this.#deleted)[Symbol.iterator]()
  }

  add(segment: EndedSegment): void {
    this.#segments.push(segment)
    this.#fileBytes += segment.fileBytes
    if (segment.info !== null) this.#times?.add(segment.info)
    else this.#undescribed++
  }

  /**
   * Reads one of them that is not described. It has a successor: the last one of a log is described when it is recovered
   * or ended.
   */
  async describe(segment: EndedSegment, fs: FileSystem, partition: Partition): Promise<void> {
    const { path, baseOffset, nextOffset } = segment
    const successor = { path: join(dirname(path), segmentName(nextOffset)), baseOffset: nextOffset, successor: null }
    const located = { partition, highWatermark: () => Infinity }
    for await (const info of describeSegments(fs, [{ path, baseOffset, successor }], located)) {
      segment.info = info
      this.#undescribed--
      this.#times = null
    }
  }

  #removed({ fileBytes, info }: EndedSegment): void {
    this.#fileBytes -= fileBytes
    if (info === null) this.#undescribed--
  }

  /** The oldest one was deleted. */
  deleteFirst(): void {
    if (this.first !== undefined) this.#removed(this.first)
    this.#times?.removeFirst()
    this.#deleted++
    if (2 * this.#deleted < this.#segments.length) return
    this.#segments.splice(0, this.#deleted)
    this.#deleted = 0
  }

  /** Cuts the log: drops the segments that begin at an offset or after it. `endAt` shortens one that holds it. */
  cutAt(offset: number): void {
    this.#cuts.push(offset)
    this.#times = null
    for (let { last } = this; last !== undefined && last.baseOffset >= offset; { last } = this) {
      this.#segments.pop()
      this.#removed(last)
    }
  }

  /**
   * The log was truncated: these segments are left, and the next one begins at an offset. The sizes of files that may
   * have changed are given by base offset. One of the segments may be new: an attempt that failed has created it after
   * all.
   */
  endAt(
    nextOffset: number,
    left: readonly Pick<EndedSegment, 'path' | 'baseOffset'>[],
    fileBytes: ReadonlyMap<number, number>,
  ): void {
    const known = new Map(Array.from(this, (segment) => [segment.baseOffset, segment]))
    this.#cuts.push(nextOffset)
    this.#segments.splice(0)
    this.#deleted = 0
    this.#fileBytes = 0
    this.#undescribed = 0
    this.#times = null
    for (const [at, { path, baseOffset }] of left.entries()) {
      const end = left[at + 1]?.baseOffset ?? nextOffset
      const before = known.get(baseOffset)
      const changed = { path, baseOffset, nextOffset: end, fileBytes: fileBytes.get(baseOffset) ?? 0, info: null }
      this.add(before?.nextOffset === end ? before : changed)
    }
  }
}
