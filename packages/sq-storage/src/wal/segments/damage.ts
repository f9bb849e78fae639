/** Tells damage from an unfinished write, and describes it. Recovery and readers share it. */
import { CorruptLogError } from '../../errors.ts'
import { frameEnd, showAttributes } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { findConfirmation } from './frame-search.ts'
import type { Partition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import type { ScanStop } from './scan.ts'
import type { OpenSegment } from './segment-file.ts'
import type { ListedSegment } from './segment-listing.ts'

/**
 * A position in a segment where the next frame did not verify. The frames before it are whole and reach `nextOffset`.
 */
export interface Break {
  readonly stop: ScanStop
  readonly nextOffset: number
  /** The end of the bytes of the segment. */
  readonly limit: number
}

/**
 * The damage at a break, if a later frame of the segment confirms that the bytes there were durable. Null if none does:
 * then, as far as the file can tell, they were never acknowledged.
 */
export function confirmedDamage(segment: OpenSegment, here: Break): Promise<CorruptLogError | null> {
  return damageConfirmedIn(segment, here, { from: here.stop.position, to: here.limit })
}

/** The same, if a frame that begins in a part of the file confirms that. */
export async function damageConfirmedIn(
  { handle, head }: OpenSegment,
  { stop, nextOffset }: Break,
  part: { from: number; to: number },
): Promise<CorruptLogError | null> {
  const confirming = await findConfirmation(handle, { ...part, of: stop.position, salt: head.frame.headerCrc })
  if (confirming === null) return null
  return new CorruptLogError({
    path: head.path,
    from: stop.position,
    to: confirming.position,
    firstOffset: BigInt(nextOffset),
    lastOffset: lastOffsetBefore(confirming, nextOffset),
    reason: `${stop.reason ?? 'unreadable'}, but the frame at ${confirming.position} confirms that it was durable`,
  })
}

/** The last offset that damage before a frame may hold; null if the base offset of that frame is out of range. */
function lastOffsetBefore({ baseOffset }: FrameHeader, nextOffset: number): bigint | null {
  return Number.isSafeInteger(baseOffset) ? BigInt(Math.max(baseOffset, nextOffset) - 1) : null
}

/** The damage at a break where more is known to have been durable, although no frame in the file confirms it. */
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
    reason: stop.reason ?? 'the file ends here, but more was durable',
  })
}

/** A segment being read. */
export interface Scanned {
  readonly segment: ListedSegment
  readonly opened: OpenSegment
  /** The end of its bytes, as far as is known. */
  readonly limit: number
  /** The offset to stop before: the high watermark when the limit was read. */
  readonly bound: number
}

/**
 * The damage where a scan ended before its end: the file confirms that there was more, or the successor or the writer
 * states it. If neither of these does, `search` looks for what the file confirms.
 */
export async function damageAt(
  scanned: Scanned & { readonly scanner: SegmentScanner },
  search: typeof confirmedDamage = confirmedDamage,
): Promise<{ error: CorruptLogError; isConfirmed: boolean } | null> {
  const { segment, opened, scanner, limit, bound } = scanned
  const { stop } = scanner
  const { nextOffset } = scanner.place
  const known = Math.min(bound, segment.successor?.baseOffset ?? Infinity)
  if (stop === null || nextOffset >= known) return null
  const here = { stop, nextOffset, limit }
  const confirmed = known === Infinity ? search : confirmedDamage
  const error = stop.reason === null ? null : await confirmed(opened, here)
  if (error !== null) return { error, isConfirmed: true }
  return known === Infinity ? null : { error: knownDamage(segment.path, here, known - 1), isConfirmed: false }
}

/** The first damage of a segment after a place in it; null if there is none. */
export async function damageFrom(place: FramePlace, scanned: Scanned): Promise<CorruptLogError | null> {
  const { opened, limit } = scanned
  for (let suspect: number | null = null; ;) {
    const scanner = new SegmentScanner(opened.handle, { ...place, limit })
    await scanner.run(() => {})
    const damage = await damageAt({ ...scanned, scanner })
    // The bytes may have been written after they were read, but before the confirming frame was read.
    if (damage === null || damage.error.from === suspect) return damage?.error ?? null
    suspect = damage.error.from
  }
}

/** What is wrong with a RECORDS frame whose checksum verifies but whose body is not what its header states. */
export function wrongBody({ recordCount, attributes }: FrameHeader): string {
  const stated = attributes === 0 ? '' : `, with attributes ${showAttributes(attributes)}`
  return `the frame verifies, but its body does not hold exactly ${recordCount} records${stated}`
}

/** The error for such a frame. */
export function notRecords(path: string, header: FrameHeader): CorruptLogError {
  return new CorruptLogError({
    path,
    from: header.position,
    to: frameEnd(header),
    firstOffset: BigInt(header.baseOffset),
    lastOffset: BigInt(header.baseOffset + header.recordCount - 1),
    reason: wrongBody(header),
  })
}

/** The damage if a writer in this process has written segments, and the directory has none. */
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
    reason: 'the directory holds no segment, but its writer has written records',
  })
}
