/** Shows what a truncation would drop and, with --yes, truncates. */
import { OffsetOutOfRangeError, WalReader, WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LocatedLog } from '../log-source.ts'
import { counted, printLine, printNotice, writeJson } from '../output.ts'
import type { Place } from '../place.ts'
import { describeEarlierBehind } from './time-order.ts'

export interface TruncateOptions {
  readonly from: Place
  readonly yes?: boolean
  readonly json?: boolean
}

export async function truncate(log: LocatedLog, { from, yes = false, json = false }: TruncateOptions): Promise<void> {
  const { fs, config, topic, partition } = log
  const reader = await WalReader.open(fs, config, topic, partition)
  const offset = 'offset' in from ? from.offset : (await reader.offsetAt(from.timestampMs))?.offset
  if (offset === undefined) throw new CommandError('the log has no record with this timestamp or a later one')
  const { logStartOffset: firstOffset, logEndOffset } = await reader.bounds()
  let previousNextOffset = logEndOffset
  if (offset < firstOffset || offset > previousNextOffset) {
    const path = `${topic}/${partition}`
    throw new OffsetOutOfRangeError({ path, offset, firstOffset, nextOffset: previousNextOffset })
  }
  // The notice needs the records, so it is computed before they are dropped.
  const notice =
    'timestampMs' in from
      ? await describeEarlierBehind(reader, log, { option: '--from', timestampMs: from.timestampMs, offset })
      : null
  if (yes) {
    await using writer = await WalWriter.open(fs, config, topic, partition)
    // The log may have grown since it was listed.
    previousNextOffset = writer.nextOffset
    await writer.truncate(offset)
  }
  if (notice !== null) printNotice(notice)
  const records = Number(previousNextOffset - offset)
  if (json) await writeJson({ done: yes, records, previousNextOffset, nextOffset: offset })
  else if (records === 0) await printLine('nothing to drop: the log ends at this offset')
  else {
    const what = `${counted(records, 'record')}, offsets ${offset}-${previousNextOffset - 1n}`
    await printLine(yes ? `dropped ${what}` : `would drop ${what}; nothing was changed, add --yes to drop`)
  }
}
