/** Tells damage from an unfinished write, and describes it: shared by recovery, which refuses it, and by readers. */
import { CorruptLogError } from '../errors.ts'
import { frameEnd } from './frame.ts'
import type { FrameHeader, FramePlace } from './frame.ts'
import type { Partition } from './partition.ts'
import { findProof } from './scan.ts'
import type { ScanStop } from './scan.ts'
import { io } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'

/** A place in a segment where the next frame did not verify, with whole frames up to `nextOffset` before it. */
export interface Break {
  readonly stop: ScanStop
  readonly nextOffset: number
  /** Where the segment's bytes end. */
  readonly limit: number
}

/**
 * The damage at a break, if a later frame of the segment proves that the bytes there were durable; null if none does:
 * then they were never acknowledged, as far as the file can tell.
 */
export async function provenDamage(segment: OpenSegment, { stop, nextOffset, limit }: Break): Promise<CorruptLogError | null> {
  const { handle, head } = segment
  const range = { from: stop.position, to: limit, salt: head.frame.headerCrc }
  const proof = await io('read', head.path, () => findProof(handle, range))
  if (proof === null) return null
  return new CorruptLogError({
    path: head.path,
    from: stop.position,
    to: proof.position,
    firstOffset: BigInt(nextOffset),
    lastOffset: BigInt(proof.baseOffset - 1),
    reason: `${stop.reason ?? 'unreadable'}, and the frame at ${proof.position} proves that it was durable`,
  })
}

/** The damage at a break where it is known, without any proof in the file, that more was durable there. */
export function knownDamage(
  path: string,
  { stop, nextOffset, limit }: Break,
  lastOffset: number | null,
): CorruptLogError {
  return new CorruptLogError({
    path,
    from: stop.position,
    to: limit,
    firstOffset: BigInt(nextOffset),
    lastOffset: lastOffset === null ? null : BigInt(lastOffset),
    reason: stop.reason ?? 'the file ends here, and more was durable',
  })
}

/** The error for a RECORDS frame whose checksum verifies, but not as records. */
export function notRecords(path: string, header: FrameHeader): CorruptLogError {
  return new CorruptLogError({
    path,
    from: header.position,
    to: frameEnd(header),
    firstOffset: BigInt(header.baseOffset),
    lastOffset: BigInt(header.baseOffset + header.recordCount - 1),
    reason: `the frame verifies, but is not made of ${header.recordCount} records`,
  })
}

/** The damage where a file is shorter than what was read of it. */
export function shortenedSince(
  head: SegmentHead,
  { reached, limit }: { reached: FramePlace; limit: number },
): CorruptLogError {
  return new CorruptLogError({
    path: head.path,
    from: limit,
    to: reached.position,
    firstOffset: BigInt(head.baseOffset),
    lastOffset: BigInt(reached.nextOffset - 1),
    reason: `the file ends at ${limit}, after it was read up to ${reached.position}`,
  })
}

/** The damage where a writer in this process has segments with records, and none is there. */
export function missingSegments(
  { directory }: Partition,
  { wanted, bound }: { wanted: number; bound: number },
): CorruptLogError {
  return new CorruptLogError({
    path: directory,
    from: 0,
    to: 0,
    firstOffset: BigInt(wanted),
    lastOffset: BigInt(bound - 1),
    reason: 'it holds no segment, but its writer wrote some',
  })
}
