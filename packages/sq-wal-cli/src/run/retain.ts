/** Lists the segments that limits would delete and why others are kept. With --yes, deletes them. */
import { basename } from 'node:path'
import { NodeFileSystem, SystemClock } from '@sq/sim'
import { explainRetention, listSegments, WalReader, WalWriter } from '@sq/storage'
import type { RetentionPolicy, RetentionVerdict, SegmentInfo } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LogName } from '../log-name.ts'
import type { Selection } from '../log-selection.ts'
import { counted, formatBytes, formatTime, printLine, printLines } from '../output.ts'
import type { Place } from '../place.ts'
import { reportOnEachLog } from './each-log.ts'
import { writeSegmentTable } from './segment-table.ts'

export interface RetainOptions {
  readonly bytes?: number
  readonly age?: number
  readonly before?: Place
  readonly trustClock?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

/** A segment that is kept and keeps later ones, or that a user may expect to be deleted. */
interface Held {
  readonly segment: SegmentInfo
  readonly reason: RetentionVerdict['keptBecause']
  /** The number of later segments that the limits would otherwise delete. */
  readonly laterSegments: number
}

/** What the limits delete. */
interface Retained {
  readonly topic: string
  readonly partition: number
  readonly done: boolean
  readonly segments: readonly SegmentInfo[]
  readonly held: Held | null
}

/** Resolves with the exit status. */
export function retain(selection: Selection, options: RetainOptions): Promise<number> {
  const nowMs = new SystemClock().now()
  return reportOnEachLog(selection, options.json ?? false, {
    describe: (log) => retainLog(log, options, nowMs),
    json: (retained) => retained,
    write: async (_log, { done, segments, held }) => {
      await write(segments, done)
      if (held !== null) await printLine(describeHeld(held, nowMs))
    },
    statusOf: () => 0,
    isTitled: true,
  })
}

async function retainLog(log: LogName, options: RetainOptions, nowMs: number): Promise<Retained> {
  const { config, topic, partition } = log
  const { yes = false } = options
  const fs = new NodeFileSystem()
  const policy = await policyOf(log, options)
  const verdicts = await explainRetention(fs, config, topic, partition, { policy, nowMs })
  const held = await heldBack(fs, verdicts, policy)
  let segments: readonly SegmentInfo[] = verdicts
    .filter(({ keptBecause }) => keptBecause === null)
    .map(({ segment }) => segment)
  if (yes && segments.length > 0) {
    await using writer = await WalWriter.open(fs, config, topic, partition)
    segments = await writer.deleteSegments(policy)
  }
  return { topic, partition, done: yes, segments, held }
}

async function write(segments: readonly SegmentInfo[], isDone: boolean): Promise<void> {
  if (segments.length === 0) {
    await printLine('these limits delete no segment')
    return
  }
  await writeSegmentTable(segments)
  const records = segments.reduce((sum, segment) => sum + segment.records, 0)
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const amount = `${counted(segments.length, 'segment')} with ${counted(records, 'record')}, ${formatBytes(bytes)}`
  const what = `${amount}, timestamps ${timesOf(segments)}`
  await printLines([
    [],
    [isDone ? `deleted ${what}` : `would delete ${what}; nothing was changed, add --yes to delete`],
  ])
}

/** The smallest and the largest timestamp. */
function timesOf(segments: readonly SegmentInfo[]): string {
  let least: number | null = null
  let greatest: number | null = null
  for (const { minTimestampMs, maxTimestampMs } of segments) {
    if (minTimestampMs === null || maxTimestampMs === null) continue
    least = Math.min(least ?? minTimestampMs, minTimestampMs)
    greatest = Math.max(greatest ?? maxTimestampMs, maxTimestampMs)
  }
  return `${formatTime(least)} to ${formatTime(greatest)}`
}

/** Null if every kept segment is within the limits. */
async function heldBack(
  fs: NodeFileSystem,
  verdicts: readonly RetentionVerdict[],
  policy: RetentionPolicy,
): Promise<Held | null> {
  const first = verdicts.find(({ keptBecause }) => keptBecause !== null)
  if (first === undefined) return null
  const { segment, keptBecause: reason } = first
  const laterSegments = verdicts.filter(({ keptBecause }) => keptBecause === 'older-kept').length
  const isStrange =
    reason === 'future-timestamp' || (reason === 'active' && (await isBeyondLimits(fs, segment, policy)))
  return laterSegments > 0 || isStrange ? { segment, reason, laterSegments } : null
}

/** Whether a limit of bytes or offsets would delete a segment if it were not active and were the oldest. */
async function isBeyondLimits(
  fs: NodeFileSystem,
  { path, baseOffset, nextOffset }: SegmentInfo,
  { maxTotalBytes = Infinity, belowOffset = 0n }: RetentionPolicy,
): Promise<boolean> {
  if (nextOffset === baseOffset) return false
  return nextOffset <= belowOffset || (await fs.stat(path)).sizeBytes > maxTotalBytes
}

function describeHeld({ segment, reason, laterSegments }: Held, nowMs: number): string {
  const { path, state, baseOffset, nextOffset, maxTimestampMs } = segment
  if (reason === 'active') return `${basename(path)} is kept: it is the active segment, which only --age deletes`
  const isAhead = reason === 'future-timestamp' && maxTimestampMs !== null
  const ahead = isAhead ? `, ${formatDuration(maxTimestampMs - nowMs)} ahead of the clock` : ''
  const what = `${basename(path)} is kept: it has offsets ${baseOffset}-${nextOffset - 1n}`
  const time = `its largest timestamp is ${formatTime(maxTimestampMs)}${ahead}`
  const held =
    laterSegments > 0 ? `; it holds back ${counted(laterSegments, 'later segment')} that the limits would delete` : ''
  const wait = state === 'active' ? ' it is the active segment: once there is a later one,' : ''
  const advice = `;${wait} --before ${nextOffset} deletes it`
  return `${what}, and ${time}${held}${advice}`
}

/** A duration in its largest whole unit. */
function formatDuration(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return counted(minutes, 'minute')
  return minutes < 60 * 24 ? counted(Math.floor(minutes / 60), 'hour') : counted(Math.floor(minutes / (60 * 24)), 'day')
}

async function policyOf(
  { config, topic, partition }: LogName,
  { bytes, age, before, trustClock }: RetainOptions,
): Promise<RetentionPolicy> {
  const limits = { maxTotalBytes: bytes, maxAgeMs: age, trustClock }
  if (before === undefined) return limits
  if ('offset' in before) {
    const segments = await listSegments(new NodeFileSystem(), config, topic, partition)
    const nextOffset = segments.at(-1)?.nextOffset ?? 0n
    if (before.offset <= nextOffset) return { ...limits, belowOffset: before.offset }
    // The number may be meant as a time. As an offset, it would delete everything.
    const place = `--before ${before.offset}`
    throw new CommandError(
      `${place} is after the end of the log, whose next offset is ${nextOffset}; write a time as @SECONDS`,
    )
  }
  const reader = await WalReader.open(new NodeFileSystem(), config, topic, partition)
  const first = await reader.offsetAt(before.timestampMs)
  return { ...limits, belowOffset: first?.offset ?? BigInt(Number.MAX_SAFE_INTEGER) }
}
