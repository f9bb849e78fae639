/**
 * Answers single requests for batches, as a broker gets them: each gathers batches from a stream until there are enough
 * or its time is over. A request that goes on where another one ended continues the stream of that one, so nothing is
 * read or looked up twice.
 */
import type { Clock, FileSystem } from '@sq/sim'
import { DivergedError, OffsetOutOfRangeError } from '../../errors.ts'
import { FrameType, nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import type { RecordBatch } from '../format/record-batch.ts'
import { listLog } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import { statDirectory } from '../segments/segment-file.ts'
import { sharedLog } from '../shared/shared-log.ts'
import type { SharedLog } from '../shared/shared-log.ts'
import { Waker } from '../shared/waker.ts'
import type { Ending } from '../shared/waker.ts'
import { FrameStream } from './frame-stream.ts'
import type { FetchRequest, ReadRange } from './read-options.ts'
import { CommitBatch, Selection } from './selection.ts'
import type { ReadCounters } from './selection.ts'
import { signalEnding } from '../shared/signal-ending.ts'

/** The answer to a fetch. */
export interface FetchResult {
  /** In order and without gaps; none if there was none in time. */
  readonly batches: readonly RecordBatch[]
  /** The first offset of the log when the fetch began. */
  readonly logStartOffset: bigint
  /**
   * The offset up to which this reader may read: `to`, or the high watermark of the writer if that is less. If the
   * writer is in another thread or process, its high watermark is not known here. Then it is at most that, and at least
   * `nextOffset`, unless `to` is less.
   */
  readonly highWatermark: bigint
  /** Where the next fetch goes on: the offset after the last batch, or `from` if there is none. */
  readonly nextOffset: bigint
}

/** The part of a log's offsets that has records. */
export interface LogBounds {
  /** The first offset that is left, or the log end offset if no record is. */
  readonly logStartOffset: bigint
  /** The offset after the last record. */
  readonly logEndOffset: bigint
}

/** What the fetches of one reader need. */
interface FetchContext {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly clock: Clock
  readonly counters: ReadCounters
  /** Ends the fetches of a closed reader. */
  readonly closing: Ending
  /** Called with a log that is read. */
  readonly attached: (shared: SharedLog) => void
}

/** The number of streams that one reader keeps for fetches to come. In the middle of a log, each has a file open. */
const MAX_IDLE = 8

/** Streams between two fetches, by the offset where each goes on; the one that was used last is last. */
type IdleStreams = Map<number, FrameStream>

/** Closes the streams of a reader that was dropped without `close`. */
const dropped = new FinalizationRegistry<IdleStreams>((idle) => {
  // No caller is left to report a failure to.
  closeAll(idle).catch(() => {})
})

export class Fetches {
  readonly #context: FetchContext
  readonly #idle: IdleStreams = new Map()
  /** The log end offset that was found last; 0 if none was. */
  #knownEnd = 0

  constructor(context: FetchContext) {
    this.#context = context
    dropped.register(this, this.#idle)
  }

  /** Resolves and rejects as `WalReader.fetch` does. */
  fetch(request: FetchRequest): Promise<FetchResult> {
    return this.#patiently(request, (patience) => this.#attempt(request, patience))
  }

  /** Resolves and rejects as `WalReader.waitFor` does. */
  waitFor(offset: number, request: Pick<FetchRequest, 'maxWaitMs' | 'signal'>): Promise<boolean> {
    return this.#patiently(request, (patience) => this.#reaches(offset, patience))
  }

  /** Resolves and rejects as `WalReader.bounds` does. */
  bounds(): Promise<LogBounds> {
    return this.#patiently({ maxWaitMs: 0, signal: null }, (patience) => this.#bounds(patience))
  }

  /** Closes what is kept for fetches to come. */
  close(): Promise<void> {
    return closeAll(this.#idle)
  }

  /** Runs attempts until one has a result: the others found that the log has changed under them. */
  async #patiently<T>(
    request: Pick<FetchRequest, 'maxWaitMs' | 'signal'>,
    attempt: (patience: Patience) => Promise<T | null>,
  ): Promise<T> {
    const patience = new Patience(this.#context, request)
    try {
      for (;;) {
        patience.waker.throwIfFailed()
        const result = await attempt(patience)
        if (result !== null) return result
      }
    } finally {
      patience.end()
    }
  }

  /** Null if the stream of an earlier fetch is of no more use, or if the log was truncated under what was gathered. */
  async #attempt(request: FetchRequest, patience: Patience): Promise<FetchResult | null> {
    const { from, to } = request
    const { firstOffset: logStartOffset, leastEnd } = await this.#look()
    const known = from < logStartOffset ? null : await this.#takeIdle(from, patience.waker)
    const stream = known ?? this.#stream(from, patience.waker)
    // The more fetches have gone on from each other, the more are likely to follow, so more is read ahead.
    stream.wantedBytes = request.maxBytes * 2 ** stream.resumptions
    const batches: RecordBatch[] = []
    let isUsable = true
    try {
      await this.#gather(stream, { ...request, batches }, patience)
    } catch (error) {
      isUsable = false
      await stream.close()
      patience.waker.throwIfFailed()
      if (error instanceof DivergedError || (known !== null && batches.length === 0)) return null
      // What is before damage is returned; the next fetch rejects.
      if (batches.length === 0) throw error
    }
    const { highWatermark, resetTo } = stream
    const nextOffset = Number(batches.at(-1)?.nextOffset ?? from)
    const end = highWatermark === Infinity ? Math.max(nextOffset, leastEnd) : highWatermark
    if (isUsable) await this.#keep(stream, nextOffset)
    return {
      batches,
      logStartOffset: BigInt(resetTo ?? logStartOffset),
      highWatermark: BigInt(Math.min(end, to)),
      nextOffset: BigInt(nextOffset),
    }
  }

  /** Gathers the batches that are there or come in time, within the limits of the request. */
  async #gather(
    stream: FrameStream,
    { from, to, maxBytes, minBytes, batches }: FetchRequest & { readonly batches: RecordBatch[] },
    patience: Patience,
  ): Promise<void> {
    const range = { ...rangeFrom(from), to, maxBytes }
    const selection = new Selection(range, (located) => new CommitBatch(located, range), this.#context.counters)
    let bytes = 0
    for (;;) {
      const taken = selection.take(stream)
      for (const batch of taken) {
        bytes += batch.bytes.length
        stream.wantedBytes -= batch.bytes.length
      }
      batches.push(...taken)
      if (taken.length > 0) continue
      const isFull = batches.length > 0 && isLongerThan(maxBytes - bytes, stream.nextHeader, to)
      const isOver = selection.isOver || isFull || (batches.length > 0 && stream.nextOffset >= to)
      // After an interruption, this says whether what was gathered is still in the log.
      if ((!isOver || stream.isInterrupted) && (await stream.find())) continue
      if (stream.isInterrupted) continue
      if (isOver || stream.nextOffset >= to || bytes >= minBytes || patience.isOver) return
      await stream.wait()
    }
  }

  /** Null if the log was truncated before the place where the waiting began. */
  async #reaches(offset: number, patience: Patience): Promise<boolean | null> {
    const { leastEnd: end } = await this.#look()
    if (end > offset) return true
    const stream = this.#stream(end, patience.waker)
    try {
      for (;;) {
        while (stream.take() !== null);
        if (stream.nextOffset > offset) return true
        if ((await stream.find()) || stream.isInterrupted) continue
        if (patience.isOver) return false
        await stream.wait()
      }
    } catch (error) {
      patience.waker.throwIfFailed()
      if (isAboutOffsets(error)) return null
      throw error
    } finally {
      await stream.close()
    }
  }

  /**
   * Where the log starts, and where it ends or an offset that it has reached: from a writer in this thread, or as far
   * as the directory shows.
   */
  async #look(): Promise<{ firstOffset: number; leastEnd: number; isExact: boolean }> {
    const { fs, partition } = this.#context
    const { identity } = await statDirectory(fs, partition.directory)
    const { firstOffset: known, highWatermark } = sharedLog(identity)
    if (known !== null) return { firstOffset: known, leastEnd: highWatermark, isExact: true }
    const { segments, firstOffset } = await listLog(fs, partition)
    return { firstOffset, leastEnd: Math.max(segments.at(-1)?.baseOffset ?? 0, firstOffset), isExact: false }
  }

  /** Null if the log was truncated before what was known of its end, or if its start has moved meanwhile. */
  async #bounds({ waker }: Patience): Promise<LogBounds | null> {
    const { firstOffset, leastEnd, isExact } = await this.#look()
    const from = Math.max(leastEnd, this.#knownEnd)
    const logEndOffset = isExact ? leastEnd : await this.#endFrom(from, { firstOffset, waker })
    if (logEndOffset === null) return null
    return { logStartOffset: BigInt(firstOffset), logEndOffset: BigInt(logEndOffset) }
  }

  /**
   * The end of the log, from an offset on that it had reached; null if it has no longer reached that, or does not begin
   * at the first offset any more.
   */
  async #endFrom(from: number, { firstOffset, waker }: { firstOffset: number; waker: Waker }): Promise<number | null> {
    const idle = await this.#takeIdle(from, waker)
    const stream = idle ?? this.#stream(from, waker)
    try {
      do while (stream.take() !== null);
      while ((await stream.find()) || stream.isInterrupted)
    } catch (error) {
      await stream.close()
      waker.throwIfFailed()
      if (!isAboutOffsets(error)) throw error
      const wasGuessed = idle !== null || this.#knownEnd > 0
      if (!wasGuessed && (await this.#look()).leastEnd === from) throw error
      this.#knownEnd = 0
      return null
    }
    const { listedFrom } = stream
    this.#knownEnd = stream.nextOffset
    await this.#keep(stream, this.#knownEnd)
    return listedFrom === firstOffset ? this.#knownEnd : null
  }

  #stream(from: number, waker: Waker): FrameStream {
    const { fs, partition, attached } = this.#context
    return new FrameStream({ fs, partition, attached, waker }, rangeFrom(from))
  }

  /** The stream of the fetch that ended here, unless it is of no more use. */
  async #takeIdle(from: number, waker: Waker): Promise<FrameStream | null> {
    const stream = this.#idle.get(from)
    this.#idle.delete(from)
    if (stream === undefined || stream.resume(waker)) return stream ?? null
    await stream.close()
    return null
  }

  /** Keeps a stream for the fetch that goes on here. */
  async #keep(stream: FrameStream, nextOffset: number): Promise<void> {
    if (!stream.pause(nextOffset)) return stream.close()
    const unused = this.#idle.get(nextOffset)
    this.#idle.delete(nextOffset)
    this.#idle.set(nextOffset, stream)
    await unused?.close()
    for (const [offset, oldest] of this.#idle) {
      if (this.#idle.size <= MAX_IDLE) break
      this.#idle.delete(offset)
      await oldest.close()
    }
  }
}

/** How long a caller waits: until its time is over, it aborts, or the reader is closed. */
class Patience {
  readonly waker: Waker = new Waker()
  /** Whether the time is over. What is there is still returned then. */
  isOver: boolean
  readonly #cancel: () => void

  constructor({ clock, closing }: FetchContext, { maxWaitMs, signal }: Pick<FetchRequest, 'maxWaitMs' | 'signal'>) {
    this.waker.endBy(closing)
    if (signal !== null) this.waker.endBy(signalEnding(signal))
    this.isOver = maxWaitMs === 0
    const isTimed = maxWaitMs > 0 && maxWaitMs < Infinity
    this.#cancel = isTimed ? clock.setTimer(maxWaitMs, () => this.#timeOver()) : () => {}
  }

  end(): void {
    this.#cancel()
  }

  #timeOver(): void {
    this.isOver = true
    this.waker.wake()
  }
}

/** Whether a batch that was not read yet is longer than that, and none of it is cut off by `to`. */
function isLongerThan(bytes: number, header: FrameHeader | null, to: number): boolean {
  return header?.type === FrameType.RECORDS && header.bodyLength > bytes && nextOffsetAfter(header) <= to
}

/** All from an offset on, and what comes after it. */
function rangeFrom(from: number): ReadRange {
  const unlimited = { to: Infinity, maxRecords: Infinity, maxBytes: Infinity }
  return { from, fromTimestampMs: null, ...unlimited, follow: true, durableOnly: false, exact: true, signal: null }
}

/** Whether an error says that the log no longer has an offset. */
function isAboutOffsets(error: unknown): boolean {
  return error instanceof DivergedError || error instanceof OffsetOutOfRangeError
}

async function closeAll(idle: IdleStreams): Promise<void> {
  const streams = [...idle.values()]
  idle.clear()
  for (const stream of streams) await stream.close()
}
