/**
 * The ended segments of a log, as its writer knows them: none is listed, measured or read again to decide which to
 * delete.
 */
import { dirname, join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { segmentName } from '../segment.ts'
import { describeSegments } from '../segments/describe.ts'
import type { SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'

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

/** Describes a segment. It has a successor: the last one of a log is described when it is recovered or ended. */
export async function describeEnded(fs: FileSystem, segment: EndedSegment, partition: Partition): Promise<void> {
  const { path, baseOffset, nextOffset } = segment
  const successor = { path: join(dirname(path), segmentName(nextOffset)), baseOffset: nextOffset, successor: null }
  const located = { partition, highWatermark: () => Infinity }
  for await (const info of describeSegments(fs, [{ path, baseOffset, successor }], located)) segment.info = info
}

/** In the order of their offsets, oldest first. */
export class EndedSegments implements Iterable<EndedSegment> {
  readonly #segments: EndedSegment[]
  /** The number of segments at the beginning that are deleted. */
  #deleted = 0
  /** Where each truncation and reset has cut the log, in order. */
  readonly #cuts: number[] = []

  constructor(segments: readonly EndedSegment[]) {
    this.#segments = [...segments]
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
  }

  /** The oldest one was deleted. */
  deleteFirst(): void {
    this.#deleted++
    if (2 * this.#deleted < this.#segments.length) return
    this.#segments.splice(0, this.#deleted)
    this.#deleted = 0
  }

  /** Cuts the log: drops the segments that begin at an offset or after it. `endAt` shortens one that holds it. */
  cutAt(offset: number): void {
    this.#cuts.push(offset)
    this.dropFrom(offset)
  }

  /** Drops the segments that begin at an offset or after it, if there are such. */
  dropFrom(offset: number): void {
    const before = this.#segments.length
    for (let { last } = this; last !== undefined && last.baseOffset >= offset; { last } = this) this.#segments.pop()
    if (this.#segments.length < before) this.#cuts.push(offset)
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
    for (const [at, { path, baseOffset }] of left.entries()) {
      const end = left[at + 1]?.baseOffset ?? nextOffset
      const before = known.get(baseOffset)
      const changed = { path, baseOffset, nextOffset: end, fileBytes: fileBytes.get(baseOffset) ?? 0, info: null }
      this.add(before?.nextOffset === end ? before : changed)
    }
  }
}
