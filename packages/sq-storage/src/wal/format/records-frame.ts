/** Cuts frames of records: where a truncation lies inside a commit, a reader may return the records before it alone. */
import { checksum } from './frame.ts'
import type { Frame } from './frame.ts'
import { sliceRecords } from './record.ts'

/** A commit as if it held only those of its records that have offsets from one to before another. */
export function partOf({ header, body, bytes }: Frame, { from, to }: { from: number; to: number }): Frame {
  const { baseOffset } = header
  const part = sliceRecords(body, from - baseOffset, to - baseOffset)
  const changed = { baseOffset: from, recordCount: to - from, bodyLength: part.length, bodyCrc: checksum(part) }
  return { header: { ...header, ...changed }, body: part, bytes }
}
