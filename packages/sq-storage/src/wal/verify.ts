/**
 * Checks every byte of a log, and changes nothing. A reader stops at the first damage; this goes on behind it, and says
 * what could be done (`repair.ts` does it). `segment-check.ts` looks at each segment.
 */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { WalIoError } from '../errors.ts'
import { describeLog } from './checking/log-description.ts'
import type { LogFindings } from './checking/log-description.ts'
import type { LogReport } from './checking/report.ts'
import { checkSegment } from './checking/segment-check.ts'
import type { SegmentFindings } from './checking/segment-check.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import {
  indexOfSegment,
  isMissing,
  listNames,
  MAX_OVERTAKEN,
  segmentFrom,
  segmentsAmong,
} from './segments/segment-listing.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import { sharedLog } from './shared/shared-log.ts'

/**
 * Reads every byte of a partition's log, checks all that can be checked, and reports everything that is wrong, with
 * what could be done about it. Opens nothing for writing and takes no lock. A writer may be at work: what it is just
 * writing is no problem, and what it changes meanwhile is looked at again. The report is about the segments that were
 * there when it began and are not deleted since; in the writer's thread about what was durable when it began.
 *
 * Holds one frame at a time in memory, or a MiB, and the report. Rejects with a `TypeError` or `RangeError` for a bad
 * config, topic or partition, with `LogNotFoundError` where no log was ever opened for writing, and with `WalIoError`.
 * Damage is in the report, never a rejection, and so is a read that fails with `EIO`.
 */
export async function verify(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<LogReport> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  return describeLog(await checkLog(fs, located, () => sharedLog(identity).highWatermark))
}

/** Checks the segments of a log, as `LogCheck` does. */
export function checkLog(fs: FileSystem, partition: Partition, askBound: () => number): Promise<LogFindings> {
  return new LogCheck(fs, partition, askBound).run()
}

/** How often a log is listed, at most, to look again at what changed or looked suspicious. */
const MAX_LOOKS = 16

/** One listing of a log. */
interface Look {
  readonly names: readonly string[]
  /** The offset before which everything is durable, by a writer in this process; Infinity where there is none. */
  readonly bound: number
  /** Where the log begins; null where it has no segment. */
  readonly firstOffset: number | null
  /** The segments to be checked. */
  readonly listed: readonly ListedSegment[]
}

/**
 * Checks the segments of one listing, until they are listed again as they were checked. Segments that are made later are
 * left out: a writer that appends as fast as this reads would keep it busy for ever. A segment that is no longer listed
 * is dropped: it was deleted, and is no part of the log.
 *
 * It ends for certain. A look checks each segment at most once, and there are at most `MAX_LOOKS`: then the findings are
 * accepted as they are, and a file that is listed once more and was not there is an error. Where every segment of a
 * listing was deleted meanwhile, it begins with a new listing, up to `MAX_OVERTAKEN` times; then it finds no segment.
 */
class LogCheck {
  readonly #fs: FileSystem
  readonly #partition: Partition
  readonly #askBound: () => number
  #bound = Infinity
  /** A bound at which no segment was listed. */
  #emptyAt = 0
  /** The base offset of the last segment to be checked. */
  #lastBase = -1
  #overtaken = 0
  #looks = 0
  /** By base offset, as what follows. */
  readonly #found = new Map<number, SegmentFindings>()
  readonly #absent = new Map<number, WalIoError>()
  /** A writer at work may look like damage: what is suspicious gets a second look. */
  readonly #suspicions = new Map<number, string>()

  constructor(fs: FileSystem, partition: Partition, askBound: () => number) {
    this.#fs = fs
    this.#partition = partition
    this.#askBound = askBound
  }

  async run(): Promise<LogFindings> {
    for (;;) {
      const look = await this.#look()
      const open = look.listed.filter((segment) => !isSame(segment, this.#found.get(segment.baseOffset)?.segment))
      if (open.length === 0 || this.#looks > MAX_LOOKS) return this.#findings(look)
      for (const segment of open) await this.#check(segment, look.bound)
    }
  }

  async #look(): Promise<Look> {
    for (;;) {
      this.#looks++
      // Asked before the directory is listed: what is durable by now is in the segments that are listed.
      if (this.#bound === Infinity) this.#bound = this.#askBound()
      const bound = this.#bound
      const names = await listNames(this.#fs, this.#partition.directory)
      // A segment that begins behind what is durable is left for later, as what stands in it is.
      const durable = segmentsAmong(names, this.#partition.directory, Math.min(bound, Number.MAX_SAFE_INTEGER))
      const firstOffset = durable[0]?.baseOffset ?? null
      if (firstOffset !== null && firstOffset > this.#lastBase && this.#overtaken < MAX_OVERTAKEN) {
        this.#overtaken++
        this.#looks = 1
        this.#lastBase = durable.at(-1)?.baseOffset ?? firstOffset
      }
      const listed = durable.slice(0, indexOfSegment(durable, this.#lastBase) + 1)
      this.#forgetAllBut(listed)
      // All may have been deleted since the bound was asked for: it is suspicious as long as that has moved.
      const isNewlyEmpty = firstOffset === null && bound !== Infinity && bound !== this.#emptyAt
      if (!isNewlyEmpty || this.#looks > MAX_LOOKS) return { names, bound, firstOffset, listed }
      this.#emptyAt = bound
      this.#bound = Infinity
    }
  }

  /** What is listed again some time after it was gone is another file. */
  #forgetAllBut(listed: readonly ListedSegment[]): void {
    for (const baseOffset of this.#found.keys()) {
      if (segmentFrom(listed, baseOffset) === undefined) this.#found.delete(baseOffset)
    }
  }

  async #check(segment: ListedSegment, bound: number): Promise<void> {
    const { baseOffset } = segment
    this.#found.delete(baseOffset)
    this.#absent.delete(baseOffset)
    const task = { fs: this.#fs, partition: this.#partition, segment, bound, highWatermark: this.#askBound }
    const found = await checkSegment(task).catch(unlessGone)
    if (found instanceof WalIoError) {
      this.#absent.set(baseOffset, found)
      this.#bound = Infinity
      return
    }
    const suspects = suspectsOf(found)
    if (suspects !== '' && suspects !== this.#suspicions.get(baseOffset)) {
      this.#suspicions.set(baseOffset, suspects)
      this.#bound = Infinity
      if (this.#looks < MAX_LOOKS) return
    }
    this.#found.set(baseOffset, found)
  }

  /** What was found of the segments that are listed by now. */
  #findings({ names, bound, firstOffset, listed }: Look): LogFindings {
    const segments: SegmentFindings[] = []
    for (const { baseOffset } of listed) {
      const found = this.#found.get(baseOffset)
      const absent = this.#absent.get(baseOffset)
      if (found !== undefined) segments.push(found)
      else if (absent !== undefined) throw absent
    }
    return { partition: this.#partition, segments, names, bound, listedFrom: firstOffset }
  }
}

/** Whether a segment has the same name and the same successor as one that was checked. */
function isSame(segment: ListedSegment, checked: ListedSegment | undefined): boolean {
  return segment.baseOffset === checked?.baseOffset && segment.successor?.baseOffset === checked.successor?.baseOffset
}

function unlessGone(error: unknown): WalIoError {
  if (isMissing(error)) return error
  throw error
}

/** What a second look must find again; empty where nothing is suspicious. */
function suspectsOf({ problems, notes }: SegmentFindings): string {
  const problemsFound = problems.map(({ kind, damage }) => `${kind} ${damage.path} ${damage.from}`)
  const torn = notes.filter(({ kind }) => kind === 'torn').map(({ path, from }) => `torn ${path} ${from}`)
  return [...problemsFound, ...torn].join()
}
