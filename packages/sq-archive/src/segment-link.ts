/** Compares the ends of segments. */
import type { SegmentLink } from '@sq/storage'

/** Whether both are the same end of the same segment. */
export function isSameLink(one: SegmentLink | null, other: SegmentLink | null): boolean {
  if (one === null || other === null) return one === other
  const isSameEnd = one.baseOffset === other.baseOffset && one.end === other.end
  return isSameEnd && one.lastPosition === other.lastPosition && one.lastCrc === other.lastCrc
}
