/**
 * Recovery: what a writer does with an existing log before it exposes a record. The writer holds the lock of the
 * partition. Nothing is changed until every check has passed.
 *
 * First, every segment but the last is checked against the end that its successor states (`endOf`). A missing,
 * shortened or exchanged segment is a `CorruptLogError`, and so is a segment whose header or OPEN does not verify. Then
 * the last segment is scanned up to `p`, the first byte that is not part of a valid frame:
 *
 * | at p and after it                                         | verdict  | action                                    |
 * |-----------------------------------------------------------|----------|-------------------------------------------|
 * | the end of the file, or zeros up to it                    | `whole`  | the preallocated zeros are truncated      |
 * | stale bytes up to the end of the file (`rest.ts`)         | `whole`  | the stale bytes are truncated             |
 * | the verified header of an unknown kind of frame           | refuse   | `UnsupportedFormatError`, nothing touched |
 * | anything, and later a frame that confirms more than p     | `damage` | `CorruptLogError`, nothing touched        |
 * | the verified header of a SEAL, its body damaged or short  | `seal`   | the SEAL is written again, from the scan  |
 * | anything else: it was never acknowledged                  | `torn`   | truncated at p                            |
 *
 * A reset that was interrupted is completed before anything else is looked at (`reset.ts`). Segments of which every
 * record is deleted (`log-start.ts`) are not checked, and are removed at the end.
 *
 * Bytes that verify may exist only in the page cache: the process may have died between write and sync, or after a
 * failed sync. So the directory is synced, and the bytes that no later frame confirms are written again and synced.
 * Then a pair of MARKs vouches for everything, unless the last frame already does. If recovery is interrupted at any
 * point and repeated, it gives the same log.
 */
import type { Clock } from '@sq/sim'
import { asError, invariant } from '../../errors.ts'
import { frameEnd, FrameType, vouchesForAllBefore } from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import { encodeSeal, SummaryBuilder } from '../format/seal.ts'
import type { SegmentLink } from '../segment.ts'
import { confirmedDamage } from '../segments/damage.ts'
import type { SegmentInfo } from '../segments/describe.ts'
import { listLog } from '../segments/log-start.ts'
import type { ListedLog } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import { restOf } from '../segments/rest.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { endOf } from '../segments/segment-end.ts'
import { openSegment, placeAfterHead } from '../segments/segment-file.ts'
import type { OpenSegment } from '../segments/segment-file.ts'
import { summarize } from '../segments/summary.ts'
import { UnconfirmedTail } from '../segments/unconfirmed.ts'
import { ExpectedTime, wallClockMs } from '../segments/wall-clock.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import type { EndedSegment } from './ended-segments.ts'
import type { SegmentDirectory } from './partition-directory.ts'
import { finishReset, resetLog } from './reset.ts'

/** What opening a log found and did. */
export interface Recovery {
  /** `torn`: bytes of a commit that was never acknowledged were truncated. */
  readonly kind: 'clean' | 'torn'
  /** The log end offset: the offset that the next record gets. */
  readonly nextOffset: bigint
  /** The number of segments of the log. */
  readonly segments: number
  /**
   * Where the file was truncated, and the number of bytes of that commit; null if nothing was torn. Preallocated zeros
   * and the stale bytes of a recycled file are truncated too, and are not counted.
   */
  readonly torn: { readonly path: string; readonly position: number; readonly discardedBytes: number } | null
  /**
   * Why the durability markers at the end of the log could not be written; null if they were, or were not needed.
   * Everything that the log holds is durable all the same, and the next append goes into a new segment.
   */
  readonly markError: Error | null
}

/** A log that is ready to be written. */
export interface RecoveredLog {
  readonly recovery: Recovery
  readonly nextOffset: number
  /** The offset up to which records are deleted inside a segment; 0 if there are none. It may be after the end. */
  readonly start: number
  /** The last segment, to append to; null if there is none or it is sealed. */
  readonly active: ActiveSegment | null
  /** The segments before that, oldest first, without a last one that is sealed and holds no record. */
  readonly ended: readonly EndedSegment[]
  /** The end of the segment before the active one, or before the one to create. */
  readonly previous: SegmentLink | null
  /** The time that the wall clock should show from now on. */
  readonly expectedTime: ExpectedTime
}

/**
 * Recovers a log for writing. Rejects with `CorruptLogError`, `UnsupportedFormatError` or `WalIoError`. The age of the
 * last segment continues: it is the time since its creation by the wall clock, or 0 if that lies in the future.
 */
export async function recoverLog(
  directory: SegmentDirectory,
  partition: Partition,
  clock: Clock,
): Promise<RecoveredLog> {
  await finishReset(directory, partition)
  const listed = await directory.whileThere(() => listLog(directory.fs, partition))
  const { start, deleted } = listed
  const { ended, last } = await openLast(directory, partition, listed)
  if (last === null) {
    await settle(directory)
    const recovery: Recovery = { kind: 'clean', nextOffset: 0n, segments: 0, torn: null, markError: null }
    const expectedTime = new ExpectedTime(clock, null)
    return { recovery, nextOffset: 0, start, active: null, ended, previous: null, expectedTime }
  }
  try {
    const found = await examine(last)
    // The directory may have been replaced after it was locked, and the writer of the new one may be using this file.
    // This finds out.
    await settle(directory)
    await makeDurable(last, found)
    // A deletion of records was interrupted.
    for (const { path } of deleted) await directory.remove(path)
    return { ...(await resume(last, found, { ended, partition, clock })), start }
  } catch (error) {
    await last.handle.close()
    throw error
  }
}

/**
 * Begins a log without segments at an offset above 0, with an empty segment: nothing else would show that offset. If
 * records up to an offset behind the end are deleted, because later ones are lost or were not copied, the log goes on
 * empty at that offset: no offset is used again. A last segment that is sealed without records, which no writer of this
 * version leaves, is replaced by an empty one, because a successor has the same name.
 */
export async function beginLog(
  maker: SegmentMaker,
  recovered: RecoveredLog,
  { firstOffset, previous }: { firstOffset: number; previous: SegmentLink | null },
): Promise<RecoveredLog> {
  const { recovery, start, active: last, ended, nextOffset } = recovered
  const isEmpty = recovery.segments === 0
  const baseOffset = isEmpty ? Math.max(start, firstOffset) : start
  if (nextOffset >= baseOffset) {
    if (last !== null || recovery.segments === ended.length) return recovered
    const successor = { baseOffset: nextOffset, previous: recovered.previous, first: null }
    return { ...recovered, active: await ActiveSegment.create(maker, successor) }
  }
  await last?.close()
  const before = isEmpty && baseOffset === firstOffset ? previous : null
  const active = isEmpty
    ? await ActiveSegment.create(maker, { baseOffset, previous: before, first: null })
    : await resetLog(maker, { offset: baseOffset, previous: before, begin: () => Promise.resolve() })
  const begun = { ...recovery, nextOffset: BigInt(baseOffset), segments: 1 }
  return {
    ...recovered,
    recovery: begun,
    nextOffset: baseOffset,
    start: baseOffset,
    active,
    ended: [],
    previous: before,
  }
}

/** Checks all segments but the last, and opens that one for writing. */
async function openLast(
  { fs }: SegmentDirectory,
  partition: Partition,
  { segments }: ListedLog,
): Promise<{ ended: EndedSegment[]; last: OpenSegment | null }> {
  const ended: EndedSegment[] = []
  let last: OpenSegment | null = null
  try {
    for (const segment of segments) {
      const mode = segment.successor === null ? 'read-write' : 'read'
      const opened = await openSegment(fs, segment, { partition, mode })
      const before: OpenSegment | null = last
      last = opened
      if (before === null) continue
      try {
        const { fileBytes } = await endOf(before, opened.head)
        const { path: endedPath, baseOffset } = before.head
        ended.push({ path: endedPath, baseOffset, nextOffset: opened.head.baseOffset, fileBytes, info: null })
      } finally {
        await before.handle.close()
      }
    }
  } catch (error) {
    if (last !== null) await last.handle.close()
    throw error
  }
  return { ended, last }
}

/** Makes the current names durable, and then removes a half-created segment, if the lock is still held. */
async function settle(directory: SegmentDirectory): Promise<void> {
  await directory.sync()
  await directory.removeUnfinished()
}

/** The contents of the last segment. */
interface Examined {
  readonly fileBytes: number
  /** The end of what an unfinished write left after the last frame; not after `place` if it left nothing. */
  readonly tornEnd: number
  /** The end of the last frame. */
  readonly place: FramePlace
  readonly summary: SummaryBuilder
  readonly lastFrame: FrameHeader
  /** The verified bytes at the end that no later frame confirms as durable, and their position. */
  readonly unconfirmed: readonly Buffer[]
  readonly unconfirmedFrom: number
}

async function examine(last: OpenSegment): Promise<Examined> {
  const { handle, head } = last
  const { limit: fileBytes } = await endOf(last, null)
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit: fileBytes })
  const summary = new SummaryBuilder()
  const tail = new UnconfirmedTail(head.bytes)
  let lastFrame = head.frame
  const take = (frame: Frame) => {
    summarize(frame, { summary, head })
    tail.add(frame)
    lastFrame = frame.header
  }
  const stop = await scanner.run(take)
  let { place } = scanner
  if (stop.reason !== null) {
    const damage = await confirmedDamage(last, { stop, nextOffset: place.nextOffset, limit: fileBytes })
    if (damage !== null) throw damage
  }
  if (stop.header?.type === FrameType.SEAL) {
    const seal = encodeSeal(place, summary, { durablePosition: stop.header.durablePosition })
    take(seal)
    place = { ...place, position: frameEnd(seal.header), previousCrc: seal.header.headerCrc }
  }
  const { tornEnd } = await restOf(handle, { from: place.position, to: fileBytes, salt: place.salt })
  return { fileBytes, tornEnd, place, summary, lastFrame, unconfirmed: tail.buffers, unconfirmedFrom: tail.from }
}

/** Truncates torn, preallocated and stale bytes, and makes durable what is exposed. */
async function makeDurable({ handle }: OpenSegment, found: Examined): Promise<void> {
  if (found.fileBytes > found.place.position) {
    await handle.truncate(found.place.position)
    await handle.sync()
  }
  const rewritten = found.unconfirmed.reduce((sum, { length }) => sum + length, 0)
  invariant(found.unconfirmedFrom + rewritten === found.place.position, 'what is written again ends where the log ends')
  await handle.writeDurable(found.unconfirmed, found.unconfirmedFrom)
}

/** Makes the last segment the active one, or closes it if it is sealed. */
async function resume(
  { handle, head }: OpenSegment,
  { tornEnd, place, summary, lastFrame }: Examined,
  { ended, partition, clock }: { ended: readonly EndedSegment[]; partition: Partition; clock: Clock },
): Promise<Omit<RecoveredLog, 'start'>> {
  const { path, baseOffset } = head
  const discardedBytes = Math.max(tornEnd - place.position, 0)
  const recovery = (markError: Error | null): Recovery => ({
    kind: discardedBytes > 0 ? 'torn' : 'clean',
    nextOffset: BigInt(place.nextOffset),
    segments: ended.length + 1,
    torn: discardedBytes > 0 ? { path, position: place.position, discardedBytes } : null,
    markError,
  })
  const state = { place, lastPosition: lastFrame.position, confirmed: vouchesForAllBefore(lastFrame), summary }
  const { createdMs, previous } = head.open
  const expectedTime = new ExpectedTime(clock, createdMs)
  const agesFromMs = clock.monotonic() - Math.max(wallClockMs(clock) - createdMs, 0)
  const active = new ActiveSegment(handle, { path, baseOffset, createdMs, agesFromMs }, state)
  const log = { nextOffset: place.nextOffset, expectedTime }
  if (lastFrame.type === FrameType.SEAL) {
    await active.close()
    const sealedLog = { ...log, recovery: recovery(null), active: null }
    if (summary.records === 0) return { ...sealedLog, ended, previous }
    const info: SegmentInfo = { ...active.info(partition), state: 'sealed' }
    const sealed = { path, baseOffset, nextOffset: place.nextOffset, fileBytes: place.position, info }
    return { ...sealedLog, ended: [...ended, sealed], previous: active.link }
  }
  // Without these MARKs the log is whole and durable too. The segment is abandoned then, and the next append rolls
  // over.
  const markError = await active.mark().then(() => null, asError)
  return { ...log, recovery: recovery(markError), active, ended, previous }
}
