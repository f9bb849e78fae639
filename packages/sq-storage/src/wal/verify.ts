/**
 * Checks every byte of a log, and changes nothing. A reader stops at the first damage; this goes on behind it, and says
 * what could be done (`repair.ts` does it). `segment-check.ts` looks at each segment.
 */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { systemCode, WalIoError } from '../errors.ts'
import { sharedLog } from './shared-log.ts'
import { describeLog } from './log-description.ts'
import type { LogFindings } from './log-description.ts'
import type { LogReport } from './log-report.ts'
import { locatePartition } from './partition.ts'
import type { Partition } from './partition.ts'
import { checkSegment } from './segment-check.ts'
import type { SegmentFindings } from './segment-check.ts'
import { listNames, MAX_LISTINGS, segmentsAmong, statDirectory } from './segment-file.ts'
import type { ListedSegment } from './segment-file.ts'

/**
 * Reads every byte of a partition's log, checks all that can be checked, and reports everything that is wrong, with
 * what could be done about it. Opens nothing for writing and takes no lock. A writer may be at work: what it is just
 * writing is no problem, and what it changes meanwhile is looked at again. In the writer's thread the report is about
 * what was durable when it began.
 *
 * Holds one frame at a time in memory, or a MiB, and the report. Rejects with a `TypeError` or `RangeError` for a bad
 * config, topic or partition, with `LogNotFoundError` where no log was ever opened for writing, and with `WalIoError`.
 * Damage is in the report, never a rejection, and so is a read that fails with `EIO`.
 */
export async function verify(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<LogReport> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  return describeLog(await checkLog(fs, located, () => sharedLog(identity).durableBound))
}

/** Checks segment by segment, until all that are listed have been checked as they are. */
export async function checkLog(fs: FileSystem, partition: Partition, askBound: () => number): Promise<LogFindings> {
  let checked: SegmentFindings[] = []
  let suspicion = ''
  let bound = Infinity
  /** How often something that was listed was not there. */
  let gone = 0
  /** A writer at work may look like damage: what is suspicious gets a second look. */
  const isNew = (suspects: string): boolean => {
    if (suspects === '' || suspects === suspicion) return false
    suspicion = suspects
    bound = Infinity
    return true
  }
  for (;;) {
    // Asked before the directory is listed: what is durable by now is in the segments that are listed.
    if (bound === Infinity) bound = askBound()
    const names = await listNames(fs, partition.directory)
    const listed = durableSegments(segmentsAmong(names, partition.directory), bound)
    // All may have been deleted since the bound was asked for: it is suspicious as long as that has moved.
    if (listed.length === 0 && bound !== Infinity && bound > 0 && isNew(`no segment before ${bound}`)) continue
    checked = checked.filter(({ segment }) => listed.some((other) => isSame(segment, other)))
    const open = listed.filter((segment) => !checked.some((other) => isSame(segment, other.segment)))
    if (open.length === 0) {
      checked.sort((left, right) => left.segment.baseOffset - right.segment.baseOffset)
      return { partition, segments: checked, names, bound }
    }
    for (const segment of open) {
      const successor = listed[listed.indexOf(segment) + 1]
      const task = { fs, partition, segment, successor, bound, durableBound: askBound }
      const found = await checkSegment(task).catch(unlessGone)
      if (found instanceof WalIoError) {
        // A writer that truncates may make it again, and remove it again.
        if (++gone === MAX_LISTINGS) throw found
        bound = Infinity
        break
      }
      if (isNew(suspectsOf(found))) break
      checked.push(found)
    }
  }
}

/** A segment that begins behind what is durable is left for later, as what stands in it is. */
function durableSegments(segments: readonly ListedSegment[], bound: number): ListedSegment[] {
  const durable = segments.filter(({ baseOffset }) => baseOffset <= bound)
  return durable.map((segment, index) => ({ ...segment, nextBaseOffset: durable[index + 1]?.baseOffset ?? null }))
}

/** Whether a segment has the same name and the same successor as before. */
function isSame(segment: ListedSegment, other: ListedSegment): boolean {
  return segment.baseOffset === other.baseOffset && segment.nextBaseOffset === other.nextBaseOffset
}

function unlessGone(error: unknown): WalIoError {
  if (error instanceof WalIoError && systemCode(error.cause) === 'ENOENT') return error
  throw error
}

/** What a second look must find again; empty where nothing is suspicious. */
function suspectsOf({ problems, notes }: SegmentFindings): string {
  const problemsFound = problems.map(({ kind, damage }) => `${kind} ${damage.path} ${damage.from}`)
  const torn = notes.filter(({ kind }) => kind === 'torn').map(({ path, from }) => `torn ${path} ${from}`)
  return [...problemsFound, ...torn].join()
}
