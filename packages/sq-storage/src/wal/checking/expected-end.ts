/**
 * Where a segment must end according to everything other than its frames: its successor, the size of its file, the
 * writer in this process. `segment-check.ts` compares the segment with it.
 */
import type { FileSystem } from '@sq/sim'
import type { Partition } from '../segments/partition.ts'
import { statedEnd } from '../segments/segment-end.ts'
import type { StatedEnd } from '../segments/segment-end.ts'
import { readHead } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import { offsetsOf } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { asProblem } from './report.ts'
import type { FoundProblem } from './report.ts'

/** A segment to check, and what is known from outside. */
export interface SegmentTask {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly segment: ListedSegment
  /** The log start offset, or less: readable records before it are deleted. */
  readonly start: number
  /** The high watermark of a writer in this process; Infinity without one. */
  readonly bound: number
  /** Reads it again, once the size of the file is known. */
  readonly highWatermark: () => number
}

/** Where a segment must end, as far as other files and the writer show. */
export interface ExpectedEnd extends StatedEnd {
  /** The offset that it must reach; null if unknown. */
  readonly mustReach: number | null
  /** Records from this offset on do not belong to this segment, or not yet. */
  readonly ceiling: number
  readonly problem: FoundProblem | null
}

/**
 * Asks the successor, the file, and the writer in this process if there is one. Rejects with `UnsupportedFormatError`
 * if only the file could tell and it is longer than any segment.
 */
export async function expectedEnd(opened: OpenSegment, task: SegmentTask): Promise<ExpectedEnd> {
  const { segment, bound } = task
  const { successor } = segment
  const head = successor && (await successorHead(task, successor))
  const stated = await statedEnd(opened, head)
  if (successor === null) {
    // A writer may have been opened in the meantime, and not all of its commits up to the limit need be durable.
    const ceiling = bound === Infinity ? task.highWatermark() : bound
    return { ...stated, mustReach: bound === Infinity ? null : bound, ceiling, problem: null }
  }
  const ceiling = successor.baseOffset
  if (head === null || stated.link !== null) return { ...stated, mustReach: ceiling, ceiling, problem: null }
  return { ...stated, mustReach: null, ceiling, problem: missing(head, opened.head.baseOffset) }
}

/** The head of the successor; null if it is damaged, which is reported when the successor itself is checked. */
async function successorHead({ fs, partition }: SegmentTask, successor: ListedSegment): Promise<SegmentHead | null> {
  try {
    return await readHead(fs, successor, partition)
  } catch (error) {
    asProblem(error, { path: successor.path, from: 0, to: 0, ...offsetsOf(successor) })
    return null
  }
}

function missing(successor: SegmentHead, baseOffset: number): FoundProblem {
  const previous = successor.open.previous?.baseOffset
  const stated = previous === undefined ? 'no segment' : `segment ${previous}`
  const damage = {
    path: successor.path,
    from: 0,
    to: successor.bytes.length,
    firstOffset: BigInt(baseOffset),
    lastOffset: BigInt(successor.baseOffset - 1),
    reason: `it states ${stated} before it, found segment ${baseOffset}`,
  }
  return { kind: 'missing', damage, recordsBefore: 0, restoration: null }
}
