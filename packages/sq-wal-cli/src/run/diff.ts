/** Compares two logs, record by record. */
import { WalReader } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'
import { printLine, writeJson } from '../output.ts'
import { progressBar } from '../progress.ts'
import { entriesOf } from './entries.ts'
import type { Entry } from './entries.ts'
import { formatterOf } from './record-format.ts'

export interface DiffOptions {
  readonly json?: boolean
}

/** How two logs compare. */
interface Difference {
  readonly same: boolean
  /** Both logs have the same records in `[from, to)`; the two are equal if there are none. */
  readonly from: bigint
  readonly to: bigint
  /** What is different at `to`, for people; null if the logs are the same. */
  readonly difference: string | null
  readonly logs: readonly { readonly firstOffset: bigint; readonly nextOffset: bigint }[]
}

/** Resolves with the exit status: 0 if the logs have the same records, else 1. */
export async function diff(logs: readonly [LocatedLog, LocatedLog], { json = false }: DiffOptions): Promise<number> {
  const readers = await Promise.all(logs.map((log) => WalReader.open(log.fs, log.config, log.topic, log.partition)))
  const [left, right] = readers
  if (left === undefined || right === undefined) return 1
  const bounds = await Promise.all(readers.map((reader) => reader.bounds()))
  const ranges = bounds.map(({ logStartOffset, logEndOffset }) => ({
    firstOffset: logStartOffset,
    nextOffset: logEndOffset,
  }))
  const from = ranges.reduce((most, { firstOffset }) => (firstOffset > most ? firstOffset : most), 0n)
  const end = ranges.reduce(
    (least, { nextOffset }) => (nextOffset < least ? nextOffset : least),
    ranges[0]?.nextOffset ?? 0n,
  )
  const to = end > from ? end : from
  const found = await firstDifference(left, right, { from, to })
  const isSame = found === null && ranges.every((range) => range.firstOffset === from && range.nextOffset === to)
  const difference = found === null ? (isSame ? null : describeEnds(ranges)) : 'the records differ'
  if (json) {
    await writeJson({ same: isSame, from, to: found?.offset ?? to, difference, logs: ranges } satisfies Difference)
    return isSame ? 0 : 1
  }
  const last = found?.offset ?? to
  const common = last > from ? `the same records at offsets ${from}-${last - 1n}` : 'no record in common'
  await printLine(isSame && last === from ? 'both logs are empty' : common)
  if (found !== null) await printEntries(found, logs)
  else if (difference !== null) await printLine(difference)
  return isSame ? 0 : 1
}

interface Differing {
  readonly offset: bigint
  readonly entries: readonly [Entry | null, Entry | null]
}

async function firstDifference(
  left: WalReader,
  right: WalReader,
  range: { readonly from: bigint; readonly to: bigint },
): Promise<Differing | null> {
  using bar = await progressBar('comparing', { total: Number(range.to - range.from), format: null })
  const [mine, theirs] = [entriesOf(left, range), entriesOf(right, range)]
  try {
    for (;;) {
      const [one, other] = await Promise.all([mine.next(), theirs.next()])
      const entries = [one.done === true ? null : one.value, other.done === true ? null : other.value] as const
      if (entries[0] === null && entries[1] === null) return null
      if (entries[0] === null || entries[1] === null || !isSameEntry(entries[0], entries[1])) {
        return { offset: entries[0]?.offset ?? entries[1]?.offset ?? range.to, entries }
      }
      bar.reached(Number(entries[0].nextOffset - range.from))
    }
  } finally {
    await Promise.all([mine.return(undefined), theirs.return(undefined)])
  }
}

function isSameEntry(one: Entry, other: Entry): boolean {
  return (
    one.parts.length === other.parts.length &&
    one.parts.every((part, at) => Buffer.compare(part, other.parts[at] ?? Buffer.alloc(0)) === 0)
  )
}

/** The entry of each log, as text. */
async function printEntries({ offset, entries }: Differing, logs: readonly LocatedLog[]): Promise<void> {
  await printLine(`the records differ at offset ${offset}:`)
  const format = formatterOf({ format: 'text' })
  for (const [at, entry] of entries.entries()) {
    const log = logs[at]
    const mark = at === 0 ? '< ' : '> '
    if (entry === null || log === undefined) await printLine(`${mark}nothing`)
    else if (entry.record === null) {
      await printLine(`${mark}an opaque batch with offsets ${entry.offset}-${entry.nextOffset - 1n}`)
    } else {
      const text = [...format(entry.record, log, false)].join('')
      await printLine(`${mark}${text.slice(0, 2000).trimEnd()}`)
    }
  }
}

function describeEnds(ranges: readonly { readonly firstOffset: bigint; readonly nextOffset: bigint }[]): string {
  const [one, other] = ranges.map(({ firstOffset, nextOffset }) =>
    firstOffset === nextOffset ? `no record, next offset ${nextOffset}` : `offsets ${firstOffset}-${nextOffset - 1n}`,
  )
  return `the first log has ${one}; the second has ${other}`
}
