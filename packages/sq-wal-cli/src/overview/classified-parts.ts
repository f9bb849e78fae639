/** The parts of the segments of a log, each with what it means: what the report of the log says of it counts, too. */
import type { FileSystem } from '@sq/sim'
import { dumpSegment } from '@sq/storage'
import type { LogProblem, SegmentPart } from '@sq/storage'
import { DamagedRanges } from '../run/damaged-ranges.ts'
import type { SegmentRow } from '../run/segment-table.ts'

/** What a part of a file is. `bad`: damage. `ignored-tail`: torn, or after the end of a segment. */
export type PartKind = Exclude<SegmentPart['kind'], 'preallocated' | 'stale'> | 'ignored-tail'

/** A part of a segment. Bytes that a later commit overwrites are in none. */
export interface ClassifiedPart {
  readonly row: SegmentRow
  readonly part: SegmentPart
  readonly kind: PartKind
}

/** Reads the segments one after the other, a frame at a time. */
export async function* classifiedParts(
  fs: FileSystem,
  rows: readonly SegmentRow[],
  problems: readonly LogProblem[],
): AsyncGenerator<ClassifiedPart, void, undefined> {
  const damaged = new DamagedRanges(problems)
  for (const row of rows) {
    const isDamaged = damaged.parts(row.path)
    for await (const part of dumpSegment(fs, row.path)) {
      const kind = kindOf(part, { row, isLast: row === rows.at(-1), isDamaged: isDamaged(part) })
      if (kind !== null) yield { row, part, kind }
    }
  }
}

function kindOf(
  part: SegmentPart,
  { row, isLast, isDamaged }: { row: SegmentRow; isLast: boolean; isDamaged: boolean },
): PartKind | null {
  if (isDamaged) return 'bad'
  if (part.kind === 'bad') return 'ignored-tail'
  if (part.kind === 'preallocated' || part.kind === 'stale') return null
  // The last segment can grow while a writer runs. Bytes after the end of any other segment are ignored.
  return !isLast && part.from >= row.bytes ? 'ignored-tail' : part.kind
}
