/** Shows which segments some limits let go and, told to, deletes them. */
import { NodeFileSystem, SystemClock } from '@sq/sim'
import { listExpired, listSegments, WalReader, WalWriter } from '@sq/storage'
import type { RetentionPolicy, SegmentInfo } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { DataDirOption, LogName } from '../log-name.ts'
import { counted, formatBytes, printLine, printLines, writeJson } from '../output.ts'
import type { Place } from '../place.ts'
import { writeSegmentTable } from './segment-table.ts'

export interface RetainOptions extends DataDirOption {
  readonly bytes?: number
  readonly age?: number
  readonly before?: Place
  readonly yes?: boolean
  readonly json?: boolean
}

export async function retain(log: LogName, options: RetainOptions): Promise<void> {
  const { config, topic, partition } = log
  const fs = new NodeFileSystem()
  const policy = await policyOf(log, options)
  let segments = await listExpired(fs, config, topic, partition, { policy, nowMs: new SystemClock().now() })
  if (options.yes === true && segments.length > 0) {
    await using writer = await WalWriter.open(fs, config, topic, partition)
    segments = await writer.deleteSegments(policy)
  }
  if (options.json === true) await writeJson({ done: options.yes === true, segments })
  else await write(segments, options.yes === true)
}

async function write(segments: readonly SegmentInfo[], isDone: boolean): Promise<void> {
  if (segments.length === 0) {
    await printLine('no segment is let go by these limits')
    return
  }
  await writeSegmentTable(segments)
  const records = segments.reduce((sum, segment) => sum + segment.records, 0)
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const what = `${counted(segments.length, 'segment')} with ${counted(records, 'record')}, ${formatBytes(bytes)}`
  await printLines([[], [isDone ? `deleted ${what}` : `would delete ${what}; nothing was changed: --yes does it`]])
}

async function policyOf(
  { config, topic, partition }: LogName,
  { bytes, age, before }: RetainOptions,
): Promise<RetentionPolicy> {
  const limits = { maxTotalBytes: bytes, maxAgeMs: age }
  if (before === undefined) return limits
  if ('offset' in before) {
    const segments = await listSegments(new NodeFileSystem(), config, topic, partition)
    const nextOffset = segments.at(-1)?.nextOffset ?? 0n
    if (before.offset <= nextOffset) return { ...limits, belowOffset: before.offset }
    // Somebody may have meant a time, and lose all.
    const place = `--before ${before.offset}`
    throw new CommandError(`${place} is behind the log's end, which is before offset ${nextOffset}; a time is written @SECONDS`)
  }
  const reader = await WalReader.open(new NodeFileSystem(), config, topic, partition)
  const offset = await reader.offsetAt(before.timestampMs)
  return { ...limits, belowOffset: offset ?? BigInt(Number.MAX_SAFE_INTEGER) }
}
