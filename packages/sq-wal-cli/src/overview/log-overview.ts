/** What a log looks like from far away, in bounded memory whatever its size: what pictures of large logs are made of. */
import type { SegmentPart } from '@sq/storage'
import type { SegmentRow } from '../run/segment-table.ts'
import { Cells, EMPTY_CELL } from './cells.ts'
import type { Cell } from './cells.ts'
import type { ClassifiedPart } from './classified-parts.ts'
import { KeyCounts } from './key-counts.ts'
import type { KeyReport } from './key-counts.ts'
import { Pauses } from './pauses.ts'
import type { Pause } from './pauses.ts'
import { Powers } from './powers.ts'
import type { PowerClass } from './powers.ts'
import { TimeBuckets } from './time-buckets.ts'
import type { TimeLine } from './time-buckets.ts'

/** The sizes of an overview. */
export interface OverviewLimits {
  readonly cells: number
  readonly timeBuckets: number
  readonly pauses: number
  readonly keys: number
}

/** How many commits and records there are of which size. */
export interface Histograms {
  readonly commitBytes: readonly PowerClass[]
  readonly recordsPerCommit: readonly PowerClass[]
  readonly valueBytes: readonly PowerClass[]
}

export class LogOverview {
  readonly #cells: Cells
  readonly #times: TimeBuckets
  readonly #pauses: Pauses
  readonly #keys: KeyCounts
  readonly #commitBytes = new Powers()
  readonly #recordsPerCommit = new Powers()
  readonly #valueBytes = new Powers()

  constructor(limits: OverviewLimits) {
    this.#cells = new Cells(limits.cells)
    this.#times = new TimeBuckets(limits.timeBuckets)
    this.#pauses = new Pauses(limits.pauses)
    this.#keys = new KeyCounts(limits.keys)
  }

  /** Adds the next part of the log. */
  add({ part, kind }: ClassifiedPart): void {
    const bytes = part.to - part.from
    if (kind === 'bad') this.#cells.add({ ...EMPTY_CELL, bytes, damagedBytes: bytes })
    else if (kind === 'ignored-tail') this.#cells.add({ ...EMPTY_CELL, bytes, ignoredBytes: bytes })
    else if (part.kind === 'records') this.#cells.add(this.#commit(part))
    else this.#cells.add({ ...EMPTY_CELL, bytes })
  }

  /** Adds the next segment, of a log whose commits are not read. */
  addUnread({ bytes, records, baseOffset, nextOffset, minTimestampMs, maxTimestampMs }: SegmentRow): void {
    const [firstOffset, lastOffset] = records > 0 ? [Number(baseOffset), Number(nextOffset) - 1] : [null, null]
    this.#cells.add({ ...EMPTY_CELL, bytes, records, firstOffset, lastOffset, minTimestampMs, maxTimestampMs })
    if (minTimestampMs === null) return
    this.#times.add(minTimestampMs, { records, bytes })
    this.#pauses.add(Number(baseOffset), minTimestampMs)
    if (maxTimestampMs !== null) this.#pauses.reached(maxTimestampMs)
  }

  get cells(): readonly Cell[] {
    return this.#cells.all
  }

  get pauses(): readonly Pause[] {
    return this.#pauses.longest
  }

  get times(): TimeLine {
    return this.#times.timeLine()
  }

  /** The number of records with an earlier timestamp than one before them. */
  get outOfOrder(): number {
    return this.#pauses.outOfOrder
  }

  histograms(): Histograms {
    const [commitBytes, recordsPerCommit] = [this.#commitBytes.classes(), this.#recordsPerCommit.classes()]
    return { commitBytes, recordsPerCommit, valueBytes: this.#valueBytes.classes() }
  }

  /** The keys, and the `shown` most frequent of them. */
  keys(shown: number): KeyReport {
    return this.#keys.report(shown)
  }

  #commit({ from, to, header, records, opaque }: SegmentPart & { kind: 'records' }): Cell {
    const { baseOffset, recordCount } = header
    const bytes = to - from
    this.#commitBytes.add(bytes)
    this.#recordsPerCommit.add(recordCount)
    let [least, most] = [Infinity, -Infinity]
    if (opaque !== null) {
      ;[least, most] = [opaque.minTimestampMs, opaque.maxTimestampMs]
      this.#times.add(least, { records: recordCount, bytes })
      this.#pauses.add(baseOffset, least)
      this.#pauses.reached(most)
    }
    for (const { offset, timestampMs, key, value } of records ?? []) {
      least = Math.min(least, timestampMs)
      most = Math.max(most, timestampMs)
      this.#times.add(timestampMs, { records: 1, bytes: bytes / recordCount })
      this.#pauses.add(Number(offset), timestampMs)
      this.#keys.add(key)
      this.#valueBytes.add(value?.length ?? 0)
    }
    return {
      ...EMPTY_CELL,
      bytes,
      commits: 1,
      records: recordCount,
      firstOffset: baseOffset,
      lastOffset: baseOffset + recordCount - 1,
      minTimestampMs: least === Infinity ? null : least,
      maxTimestampMs: most === -Infinity ? null : most,
    }
  }
}
