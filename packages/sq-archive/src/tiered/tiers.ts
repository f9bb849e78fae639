/**
 * The two places of a log together. The local log is asked first, and the archive after it: a local segment is deleted
 * only when it is archived, so an offset is found in one of them even while segments move.
 */
import { CorruptLogError, LogNotFoundError, OffsetOutOfRangeError } from '@sq/storage'
import type { LogBounds, SegmentStart, TimedOffset, WalReader } from '@sq/storage'
import { isSameLink } from '../segment-link.ts'
import type { Tier } from './tier.ts'

/** The bounds of a log, and in each of its two places: null where it is not. */
export interface TierBounds extends LogBounds {
  readonly local: LogBounds | null
  readonly archive: LogBounds | null
}

/** Where to read on in the archive, and the bounds of the whole log. */
export interface ArchivedPart extends LogBounds {
  readonly reader: WalReader
  /** Where to ask the local log again, after `checkContinued`; null if there is no local log. */
  readonly to: bigint | null
}

export class Tiers {
  readonly #path: string
  readonly #local: Tier
  readonly #archive: Tier
  /** The log start offset of the archive, and of the local log when it was looked up. */
  #known: { readonly archiveStart: bigint | null; readonly localStart: bigint } | null = null
  /** The log start offset at which the local log was found to continue the archive. */
  #continuedAt: bigint | null = null

  constructor(path: string, { local, archive }: { readonly local: Tier; readonly archive: Tier }) {
    this.#path = path
    this.#local = local
    this.#archive = archive
  }

  /** The reader of the local log; null if there is none. */
  local(): Promise<WalReader | null> {
    return this.#local.reader()
  }

  /** The reader of the archive; null if nothing is archived. */
  archive(): Promise<WalReader | null> {
    return this.#archive.reader()
  }

  /**
   * Reads something. If it is damaged, the store is asked for it again the next time: the damage may have come about on
   * the way from the store.
   */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof CorruptLogError) this.#archive.forget(error.path)
      throw error
    }
  }

  /** Rejects with `LogNotFoundError` if there is no log in either place. */
  async bounds(): Promise<TierBounds> {
    const local = await this.#local.bounds()
    const archive = await this.#archive.bounds()
    const first = local ?? archive
    if (first === null) throw new LogNotFoundError(this.#path)
    this.#known = { localStart: first.logStartOffset, archiveStart: archive?.logStartOffset ?? null }
    const logStartOffset = least(first.logStartOffset, archive?.logStartOffset)
    return { local, archive, logStartOffset, logEndOffset: first.logEndOffset }
  }

  /**
   * The first record whose timestamp is this or later; null if there is none. Rejects as `WalReader.offsetAt` does.
   */
  async offsetAt(timestampMs: number): Promise<TimedOffset | null> {
    for (;;) {
      const before = (await this.bounds()).local?.logStartOffset
      const archived = await (await this.archive())?.offsetAt(timestampMs)
      if (archived) return archived
      const found = await (await this.local())?.offsetAt(timestampMs)
      // Otherwise local segments were deleted that may not have been in the archive when it was searched.
      if ((await this.#local.bounds())?.logStartOffset === before) return found ?? null
    }
  }

  /** The log start offset, given that of the local log. Asks the archive only if the local one has changed. */
  async startOf(localStart: bigint): Promise<bigint> {
    if (localStart === 0n) return localStart
    if (this.#known?.localStart !== localStart) await this.bounds()
    return least(localStart, this.#known?.archiveStart)
  }

  /**
   * The archive, for an offset that the local log does not have. Rejects with `OffsetOutOfRangeError` if the log begins
   * after that offset, and with `CorruptLogError` if the offset is missing between the archive and the local log.
   */
  async archivedPart(offset: bigint): Promise<ArchivedPart> {
    const { local, archive, logStartOffset, logEndOffset } = await this.bounds()
    const reader = await this.#archive.reader()
    if (reader === null || archive === null || (local !== null && offset < archive.logStartOffset)) {
      throw new OffsetOutOfRangeError({
        path: this.#path,
        offset,
        firstOffset: logStartOffset,
        nextOffset: logEndOffset,
      })
    }
    const part = { reader, logStartOffset, logEndOffset }
    // Without a local log, the reader of the archive itself says which offsets it does not have.
    if (local === null) return { ...part, to: null }
    const isGap = archive.logEndOffset < local.logStartOffset
    if (isGap && offset >= archive.logEndOffset) throw this.#missing(archive.logEndOffset, local.logStartOffset)
    return { ...part, to: isGap ? archive.logEndOffset : local.logStartOffset }
  }

  /**
   * Rejects with `CorruptLogError` if the local log does not continue the segments of the archive before it: they are two
   * logs. Call it between reading in the archive and reading locally: what it looks at has just been read.
   */
  async checkContinued(): Promise<void> {
    const local = await this.#local.bounds()
    if (local === null || local.logStartOffset === this.#continuedAt) return
    const first = await this.#local.startOfSegmentAt(local.logStartOffset)
    if (first === null) return
    const isContinued = await this.#isContinued(first, local.logStartOffset)
    if (isContinued === false) throw this.#anotherLog(local.logStartOffset)
    if (isContinued === true) this.#continuedAt = local.logStartOffset
  }

  /** Whether a local segment continues the archive; null if the archive does not have what tells any more, or yet. */
  async #isContinued(
    { segmentId, baseOffset, previous }: SegmentStart,
    logStartOffset: bigint,
  ): Promise<boolean | null> {
    if (baseOffset < logStartOffset) {
      // The first records of the segment were deleted here, and were read in the archive.
      const archived = await this.#archive.startOf(baseOffset)
      if (archived !== null) return archived.segmentId === segmentId
    } else if (previous !== null) {
      const archived = await this.#archive.endsOf(BigInt(previous.baseOffset))
      if (archived !== null) return isSameLink(archived.link, previous)
    }
    const archive = await this.#archive.bounds()
    const hasOffsetBefore =
      archive !== null && archive.logStartOffset < logStartOffset && archive.logEndOffset >= logStartOffset
    return hasOffsetBefore ? false : null
  }

  #missing(from: bigint, to: bigint): CorruptLogError {
    return this.#corrupt(
      { from, to },
      `the archive ends before offset ${from}, and the local log begins at offset ${to}`,
    )
  }

  #anotherLog(offset: bigint): CorruptLogError {
    const reason =
      `the local log begins at offset ${offset} and does not continue the archived segment before it: ` +
      'they are two different logs'
    return this.#corrupt({ from: offset, to: offset }, reason)
  }

  #corrupt({ from, to }: { from: bigint; to: bigint }, reason: string): CorruptLogError {
    return new CorruptLogError({ path: this.#path, from: 0, to: 0, firstOffset: from, lastOffset: to - 1n, reason })
  }
}

/** Whether an offset is before the start of the log that was asked for it: then the archive may have it. */
export function isBeforeStart(error: unknown, offset: bigint): error is OffsetOutOfRangeError {
  return error instanceof OffsetOutOfRangeError && offset < error.firstOffset
}

/** The lesser of two offsets, if both are known. */
function least(one: bigint, other: bigint | null | undefined): bigint {
  return other === null || other === undefined || one < other ? one : other
}
