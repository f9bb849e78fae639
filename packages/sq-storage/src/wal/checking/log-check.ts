/**
 * Checks the segments of a log, also while a writer is at work, and of each only as often as it changes.
 * `segment-check.ts` checks a segment.
 */
import type { FileSystem } from '@sq/sim'
import { WalIoError } from '../../errors.ts'
import { listedLog, logStartPath, startAmong } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import {
  indexOfSegment,
  isMissing,
  listNames,
  MAX_OVERTAKEN,
  segmentFrom,
  segmentsAmong,
} from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import type { LogFindings, StartProblem } from './log-description.ts'
import { asProblem } from './report.ts'
import { checkSegment } from './segment-check.ts'
import type { SegmentFindings } from './segment-check.ts'

/** Checks the segments of a log, as `LogCheck` does. */
export function checkLog(fs: FileSystem, partition: Partition, askBound: () => number): Promise<LogFindings> {
  return new LogCheck(fs, partition, askBound).run()
}

/** The most listings of a log, to check changed or suspicious segments again. */
const MAX_LOOKS = 16

/** One listing of a log. */
interface Look {
  readonly names: readonly string[]
  /** The high watermark of a writer in this process; Infinity without one. */
  readonly bound: number
  /** The log start offset; null if there is no segment. */
  readonly firstOffset: number | null
  /** The segments to check. */
  readonly listed: readonly ListedSegment[]
  /** The offset in the log start, or what is wrong with it. */
  readonly start: number | StartProblem
}

/**
 * Checks the segments of one listing until another listing shows the same segments. Segments that are created later are
 * left out, because a writer that appends as fast as this reads would keep it busy forever. A segment that is no longer
 * listed is dropped: it was deleted and is not part of the log.
 *
 * This always ends. Each listing checks each segment at most once, and there are at most `MAX_LOOKS` listings. After
 * the last one, a listed file that could not be opened is an error. If all segments of a listing are deleted in the
 * meantime, it starts over with a new listing, up to `MAX_OVERTAKEN` times; then it finds no segment.
 */
class LogCheck {
  readonly #fs: FileSystem
  readonly #partition: Partition
  readonly #askBound: () => number
  #bound = Infinity
  /** A high watermark at which no segment was listed. */
  #emptyAt = 0
  /** The base offset of the last segment to check. */
  #lastBase = -1
  #overtaken = 0
  #looks = 0
  /** By base offset, like the maps below. */
  readonly #found = new Map<number, SegmentFindings>()
  readonly #absent = new Map<number, WalIoError>()
  /** A write in progress may look like damage, so suspicious segments are checked twice. */
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
      for (const segment of open) await this.#check(segment, look)
    }
  }

  async #look(): Promise<Look> {
    for (;;) {
      this.#looks++
      // Read before the directory is listed: everything durable at that point is in the listed segments.
      if (this.#bound === Infinity) this.#bound = this.#askBound()
      const bound = this.#bound
      const names = await listNames(this.#fs, this.#partition.directory)
      // A segment that begins after the high watermark is not checked, like records after it.
      const all = segmentsAmong(names, this.#partition.directory, Math.min(bound, Number.MAX_SAFE_INTEGER))
      const start = await startAmong(this.#fs, this.#partition, names).catch((error: unknown) => this.#asProblem(error))
      const { segments: durable } = listedLog(all, typeof start === 'number' ? start : 0)
      const firstOffset = durable[0]?.baseOffset ?? null
      if (firstOffset !== null && firstOffset > this.#lastBase && this.#overtaken < MAX_OVERTAKEN) {
        this.#overtaken++
        this.#looks = 1
        this.#lastBase = durable.at(-1)?.baseOffset ?? firstOffset
      }
      const listed = durable.slice(0, indexOfSegment(durable, this.#lastBase) + 1)
      this.#forgetAllBut(listed)
      // All segments may have been deleted since the high watermark was read. This is suspicious as long as the
      // watermark moves.
      const isNewlyEmpty = firstOffset === null && bound !== Infinity && bound !== this.#emptyAt
      if (!isNewlyEmpty || this.#looks > MAX_LOOKS) return { names, bound, firstOffset, listed, start }
      this.#emptyAt = bound
      this.#bound = Infinity
    }
  }

  /** A file that is listed again after it was gone is another file. */
  #forgetAllBut(listed: readonly ListedSegment[]): void {
    for (const baseOffset of this.#found.keys()) {
      if (segmentFrom(listed, baseOffset) === undefined) this.#found.delete(baseOffset)
    }
  }

  /** What is wrong with the log start. */
  #asProblem(error: unknown): StartProblem {
    const path = logStartPath(this.#partition.directory)
    const place = { path, from: 0, to: 0, firstOffset: 0n, lastOffset: -1n }
    const { kind, damage } = asProblem(error, place)
    return { kind: kind === 'head' ? 'log-start' : kind, damage }
  }

  async #check(segment: ListedSegment, { bound, start: found }: Look): Promise<void> {
    const { baseOffset } = segment
    this.#found.delete(baseOffset)
    this.#absent.delete(baseOffset)
    const start = typeof found === 'number' ? found : 0
    const task = { fs: this.#fs, partition: this.#partition, segment, start, bound, highWatermark: this.#askBound }
    const findings = await checkSegment(task).catch(unlessGone)
    if (findings instanceof WalIoError) {
      this.#absent.set(baseOffset, findings)
      this.#bound = Infinity
      return
    }
    const suspects = suspectsOf(findings)
    if (suspects !== '' && suspects !== this.#suspicions.get(baseOffset)) {
      this.#suspicions.set(baseOffset, suspects)
      this.#bound = Infinity
      if (this.#looks < MAX_LOOKS) return
    }
    this.#found.set(baseOffset, findings)
  }

  /** The findings of the segments that are still listed. */
  #findings({ names, bound, firstOffset, listed, start }: Look): LogFindings {
    const segments: SegmentFindings[] = []
    for (const { baseOffset } of listed) {
      const found = this.#found.get(baseOffset)
      const absent = this.#absent.get(baseOffset)
      if (found !== undefined) segments.push(found)
      else if (absent !== undefined) throw absent
    }
    return { partition: this.#partition, segments, names, bound, listedFrom: firstOffset, start }
  }
}

/** Whether a segment has the same name and the same successor as a checked one. */
function isSame(segment: ListedSegment, checked: ListedSegment | undefined): boolean {
  return segment.baseOffset === checked?.baseOffset && segment.successor?.baseOffset === checked.successor?.baseOffset
}

function unlessGone(error: unknown): WalIoError {
  if (isMissing(error)) return error
  throw error
}

/** What a second check must find again; empty if nothing is suspicious. */
function suspectsOf({ problems, notes }: SegmentFindings): string {
  const problemsFound = problems.map(({ kind, damage }) => `${kind} ${damage.path} ${damage.from}`)
  const torn = notes.filter(({ kind }) => kind === 'torn').map(({ path, from }) => `torn ${path} ${from}`)
  return [...problemsFound, ...torn].join()
}
