/** Tells damage from an unfinished write, and describes it: shared by recovery, which refuses it, and by readers. */
import { CorruptLogError } from '../../errors.ts'
import { frameEnd } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { findConfirmation } from './frame-search.ts'
import type { Partition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import type { ScanStop } from './scan.ts'
import type { OpenSegment } from './segment-file.ts'
import type { ListedSegment } from './segment-listing.ts'

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
export async function confirmedDamage(
  segment: OpenSegment,
  { stop, nextOffset, limit }: Break,
): Promise<CorruptLogError | null> {
  const { handle, head } = segment
  const range = { from: stop.position, to: limit, salt: head.frame.headerCrc }
  const proof = await findConfirmation(handle, range)
  if (proof === null) return null
  return new CorruptLogError({
    path: head.path,
    from: stop.position,
    to: proof.position,
    firstOffset: BigInt(nextOffset),
    lastOffset: lastOffsetBefore(proof, nextOffset),
    reason: `${stop.reason ?? 'unreadable'}, and the frame at ${proof.position} proves that it was durable`,
  })
}

/** The last offset that damage before a frame may hold; null where the frame's own offset is none there can be. */
function lastOffsetBefore({ baseOffset }: FrameHeader, nextOffset: number): bigint | null {
  return Number.isSafeInteger(baseOffset) ? BigInt(Math.max(baseOffset, nextOffset) - 1) : null
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

/** A segment that is read. */
export interface Scanned {
  readonly segment: ListedSegment
  readonly opened: OpenSegment
  /** Where its bytes end, as far as is known by now. */
  readonly limit: number
  /** The offset to stop before: what was durable when the limit was read. */
  readonly bound: number
}

/** The damage where a scan has ended: the file proves that there was more, or the successor or the writer says so. */
export async function damageAt(
  scanned: Scanned & { readonly scanner: SegmentScanner },
): Promise<{ error: CorruptLogError; isConfirmed: boolean } | null> {
  const { segment, opened, scanner, limit, bound } = scanned
  const { stop } = scanner
  const { nextOffset } = scanner.place
  const known = Math.min(bound, segment.successor?.baseOffset ?? Infinity)
  if (stop === null || nextOffset >= known) return null
  const here = { stop, nextOffset, limit }
  const confirmed = stop.reason === null ? null : await confirmedDamage(opened, here)
  if (confirmed !== null) return { error: confirmed, isConfirmed: true }
  return known === Infinity ? null : { error: knownDamage(segment.path, here, known - 1), isConfirmed: false }
}

/** The first damage of a segment behind a place in it; null if there is none. */
export async function damageFrom(place: FramePlace, scanned: Scanned): Promise<CorruptLogError | null> {
  const { opened, limit } = scanned
  for (let suspect: number | null = null; ;) {
    const scanner = new SegmentScanner(opened.handle, { ...place, limit })
    await scanner.run(() => {})
    const damage = await damageAt({ ...scanned, scanner })
    // The bytes may have been written between the reading of them and of their proof.
    if (damage === null || damage.error.from === suspect) return damage?.error ?? null
    suspect = damage.error.from
  }
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
