/** Checks what a caller states of the segment before the first one of a log. */
import { show } from '../../config.ts'
import type { SegmentLink } from '../segment.ts'

const MAX_FIELD = 0xffff_ffff

/**
 * The link of a segment that ends before `offset`, read once; null if it is not given. Throws a `TypeError` or
 * `RangeError` that names the field.
 */
export function checkLink(previous: SegmentLink | undefined, offset: number): SegmentLink | null {
  if (previous === undefined) return null
  if (typeof previous !== 'object' || previous === null) {
    throw new TypeError(`previous must be the link of a segment, not ${show(previous)}`)
  }
  const { baseOffset, end, lastPosition, lastCrc } = previous
  checkWhole('previous.baseOffset', baseOffset, offset - 1)
  checkWhole('previous.end', end, MAX_FIELD)
  checkWhole('previous.lastPosition', lastPosition, end - 1)
  checkWhole('previous.lastCrc', lastCrc, MAX_FIELD)
  return { baseOffset, end, lastPosition, lastCrc }
}

function checkWhole(field: string, value: unknown, most: number): void {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < 0 || value > most) {
    throw new RangeError(`${field} must be a whole number from 0 to ${most}: ${value}`)
  }
}
