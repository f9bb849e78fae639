/**
 * The segments of a log by the names in its directory: each with its successor, found by binary search. The directory
 * is listed again if a listed file is gone when it is opened. No segment is opened here; `segment-file.ts` does that.
 */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, LogNotFoundError, systemCode, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import { LOCK_NAME, LOG_START_NAME, parseResetName, parseSegmentName, resetName, segmentName } from '../segment.ts'

/** A segment by its name in the directory. */
export interface ListedSegment {
  readonly path: string
  readonly baseOffset: number
  /** The next segment of the same listing; null for the last. */
  readonly successor: ListedSegment | null
}

/** The segments of a partition by base offset. Files of any other name are ignored. */
export async function listSegmentFiles(fs: FileSystem, directory: string): Promise<ListedSegment[]> {
  const names = await listNames(fs, directory)
  refuseBeyondOffsets(names, directory)
  return segmentsAmong(names, directory)
}

/** Throws an `UnsupportedFormatError` if a segment among these names has an offset that this version does not know. */
export function refuseBeyondOffsets(names: readonly string[], directory: string): void {
  const beyond = names.find(isBeyondOffsets)
  if (beyond === undefined) return
  throw new UnsupportedFormatError({ path: join(directory, beyond), position: 0, found: 'a base offset over 2^53 - 1' })
}

/** All names in the directory of a partition. Rejects with `LogNotFoundError` if it does not exist. */
export function listNames(fs: FileSystem, directory: string): Promise<string[]> {
  return missingAsNotFound(directory, () => fs.readdir(directory))
}

/** Whether the names in the directory of a partition are those of a log that a writer has opened at least once. */
export function isLog(names: readonly string[]): boolean {
  return names.some((name) => name === LOCK_NAME || name === LOG_START_NAME || parseSegmentName(name) !== null)
}

/** Runs an action on the directory of a partition. Rejects with `LogNotFoundError` if the directory does not exist. */
async function missingAsNotFound<T>(directory: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const code = systemCode(error)
    throw code === 'ENOENT' || code === 'ENOTDIR'
      ? new LogNotFoundError(directory)
      : new WalIoError('look at', directory, error)
  }
}

/** Whether a name is that of a segment with an offset over 2^53 - 1, which this version does not know. */
export function isBeyondOffsets(name: string): boolean {
  const baseOffset = parseSegmentName(name)
  return baseOffset !== null && !Number.isSafeInteger(baseOffset)
}

/** The segments among the names in a directory, by base offset, up to `lastBase`. */
export function segmentsAmong(
  names: readonly string[],
  directory: string,
  lastBase: number = Number.MAX_SAFE_INTEGER,
): ListedSegment[] {
  const bases: number[] = []
  for (const name of names) {
    const baseOffset = parseSegmentName(name)
    if (baseOffset !== null && baseOffset <= lastBase) bases.push(baseOffset)
  }
  bases.sort((left, right) => right - left)
  const listed: ListedSegment[] = []
  let successor: ListedSegment | null = null
  for (const baseOffset of bases) {
    successor = { path: join(directory, segmentName(baseOffset)), baseOffset, successor }
    listed.push(successor)
  }
  return listed.toReversed()
}

/**
 * The segment of an unfinished reset among the names in a directory, which is the whole log once the reset is finished;
 * null if there is none. Throws a `CorruptLogError` if there are several.
 */
export function resetAmong(names: readonly string[], directory: string): ListedSegment | null {
  const [baseOffset, ...others] = names.flatMap((name) => parseResetName(name) ?? [])
  if (baseOffset === undefined) return null
  const segment = { path: join(directory, resetName(baseOffset)), baseOffset, successor: null }
  if (others.length > 0) throw severalResets(segment)
  return segment
}

function severalResets({ path, baseOffset }: ListedSegment): CorruptLogError {
  const firstOffset = BigInt(baseOffset)
  return new CorruptLogError({
    path,
    from: 0,
    to: 0,
    firstOffset,
    lastOffset: firstOffset - 1n,
    reason: 'one unfinished reset is expected, and there are several',
  })
}

/** The index of the segment that holds an offset: the last that begins at or before it; -1 if there is none. */
export function indexOfSegment(listed: readonly ListedSegment[], offset: number): number {
  let [from, to] = [0, listed.length]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const segment = listed[middle]
    if (segment !== undefined && segment.baseOffset <= offset) from = middle + 1
    else to = middle
  }
  return from - 1
}

/** The segment of a listing that holds an offset. */
export function segmentHolding(listed: readonly ListedSegment[], offset: number): ListedSegment | undefined {
  return listed[indexOfSegment(listed, offset)]
}

/** The segment of a listing that begins with an offset. */
export function segmentFrom(listed: readonly ListedSegment[], baseOffset: number): ListedSegment | undefined {
  const segment = segmentHolding(listed, baseOffset)
  return segment?.baseOffset === baseOffset ? segment : undefined
}

/** The offsets that a segment holds, as far as the names in the directory tell. */
export function offsetsOf({ baseOffset, successor }: ListedSegment): {
  firstOffset: bigint
  lastOffset: bigint | null
} {
  return { firstOffset: BigInt(baseOffset), lastOffset: successor === null ? null : BigInt(successor.baseOffset - 1) }
}

/** The most times that one file may be listed and then not be found. */
export const MAX_ABSENCES = 16
/** The most times that the next segment to read may have been deleted after it was listed. */
export const MAX_OVERTAKEN = 1000

/**
 * Lists a log and runs an action on the listing, and again with a new listing if a listed file was not found in the
 * meantime. A writer that deletes old segments removes one file after another, and each new listing shows a later log,
 * so listing again makes progress. A file that is listed repeatedly and never found is a fault of the file system.
 * Any other error is thrown, but if the first error is one that `mayBeStale` accepts, the log is listed again too.
 *
 * This always ends: after `MAX_ABSENCES` times in succession for one file, and after `MAX_OVERTAKEN` times in all.
 */
export async function whileListed<Listing, Result>(
  list: (isAgain: boolean) => Promise<Listing>,
  action: (listing: Listing) => Promise<Result>,
  mayBeStale: (error: unknown) => boolean = () => false,
): Promise<Result> {
  const absences = new Absences()
  for (let isAgain = false; ; isAgain = true) {
    const listing = await list(isAgain)
    try {
      return await action(listing)
    } catch (error) {
      if (isAgain || !mayBeStale(error)) absences.allow(error)
    }
  }
}

/** Counts the files that were not found. */
class Absences {
  #path = ''
  #inSuccession = 0
  #inAll = 0

  /** Throws the error, unless it means that a file was not found and the log should be listed again. */
  allow(error: unknown): void {
    if (!isMissing(error)) throw error
    this.#inSuccession = error.path === this.#path ? this.#inSuccession + 1 : 1
    this.#path = error.path
    if (this.#inSuccession === MAX_ABSENCES || ++this.#inAll === MAX_OVERTAKEN) throw error
  }
}

/** Whether a file was not found. */
export function isMissing(error: unknown): error is WalIoError {
  return error instanceof WalIoError && systemCode(error.cause) === 'ENOENT'
}
