/** Appends to a log under test, and what each caller got for it. */
import { AppendFailedError, BacklogFullError, ClosedError } from '@sq/storage'
import type { EncodedBatch, WalConfig, WalWriter } from '@sq/storage'
import { encodedBatch } from '../encoded-batch.ts'
import type { BatchParts } from '../encoded-batch.ts'
import { Violation } from '../history.ts'
import type { History, Unit, ValueTable } from '../history.ts'
import type { ProcessFileSystem } from '../process-file-system.ts'
import { MAX_TIMESTAMP_MS } from '../ranges.ts'
import type { Appended } from './appended.ts'
import type { LimitsUnderTest } from './limits-under-test.ts'
import type { Tailing } from './tailing.ts'

/** More than a record without key and headers counts for in addition to its value. */
const MOST_ADDED_BYTES = 300

const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024

/** The values of a batch, or a payload that stands for some, and metadata. */
export interface NewBatch {
  readonly metadata?: Uint8Array
  readonly content: readonly Uint8Array[] | { readonly payload: Uint8Array; readonly recordCount: number }
}

/** The log that is appended to, and the process that has it open. */
interface OpenLog {
  readonly history: History
  readonly values: ValueTable
  readonly limits: LimitsUnderTest
  readonly tailing: Pick<Tailing, 'keep'>
  readonly appended: Appended
  process(): ProcessFileSystem
  /** The writer, which must be open. */
  writer(): WalWriter
  /** Whether the log is open with this writer. */
  isOpenWith(writer: WalWriter): boolean
}

export class Appends {
  /** The numbers of acknowledged and of rejected appends. */
  acknowledged = 0
  rejected = 0
  readonly #log: OpenLog
  /** The limit of the writer that is open. */
  #maxPendingBytes = DEFAULT_PENDING_BYTES
  #timestamps = 0

  constructor(log: OpenLog) {
    this.#log = log
  }

  /** A writer was opened with this limit. */
  opened({ maxPendingBytes = DEFAULT_PENDING_BYTES }: Pick<WalConfig, 'maxPendingBytes'>): void {
    this.#maxPendingBytes = maxPendingBytes
  }

  /** Appends one record, or several as a batch. Resolves when the append has settled. */
  async append(...values: Uint8Array[]): Promise<void> {
    await this.#append(values)
  }

  /** The same. Resolves with whether it was refused because too much waits. */
  async #append(values: readonly Uint8Array[]): Promise<boolean> {
    const caller = this.#log.process()
    const unit = this.#log.history.submit(values.map((value) => this.#log.values.id(value)))
    const records = values.map((value) => ({ key: null, value, headers: [], timestampMs: this.#nextTimestampMs() }))
    const writer = this.#log.writer()
    const limits = { writer: this.#maxPendingBytes, shared: this.#log.limits.limits.maxPendingBytes }
    const [outcome] = await Promise.allSettled([this.#log.limits.calling(() => writer.appendBatch(records))])
    // A process that has died gets no result.
    if (caller.dead) return false
    if (outcome.status === 'fulfilled') {
      this.acknowledged++
      this.#acknowledge(unit, outcome.value, (index) => records[index]?.timestampMs ?? 0)
      return false
    }
    this.rejected++
    const { reason } = outcome
    if (!(reason instanceof BacklogFullError)) {
      this.#log.history.reject(unit, reason)
      return false
    }
    this.#log.history.refuse(unit)
    this.#log.limits.checkRefusal(reason, limits)
    return true
  }

  #acknowledge(unit: Unit, baseOffset: bigint, timestampMsOf: (index: number) => number): void {
    this.#log.history.acknowledge(unit, baseOffset)
    for (const [index, id] of unit.values.entries()) {
      const offset = Number(baseOffset) + index
      this.#log.tailing.keep(offset, id)
      this.#log.appended.add(offset, timestampMsOf(index))
    }
  }

  /**
   * Waits until there is room for a value, or for any if its size is not stated, and appends it. It must not be refused.
   * Without an append, it ends when the signal is aborted and when the log is closed.
   */
  async appendWhenReady(
    value: Uint8Array,
    { isSizeStated, signal }: { isSizeStated: boolean; signal: AbortSignal },
  ): Promise<void> {
    const caller = this.#log.process()
    const writer = this.#log.writer()
    const bytes = isSizeStated ? value.length + MOST_ADDED_BYTES : undefined
    try {
      await this.#log.limits.soon(writer.ready({ bytes, signal }), () => !caller.dead)
    } catch (error) {
      if (signal.aborted || (error instanceof ClosedError && !this.#log.isOpenWith(writer))) return
      throw error
    }
    if (caller.dead || !this.#log.isOpenWith(writer)) return
    if (await this.#append([value])) throw new Violation('10: an append was refused that had been promised room')
  }

  /**
   * Appends batches as a replica does: encoded, at the offsets where the log will end or, if `aside` is not 0, at other
   * ones. Resolves when the append has settled.
   */
  async appendEncoded(batches: readonly NewBatch[], { aside = 0 }: { aside?: number } = {}): Promise<void> {
    const caller = this.#log.process()
    let nextOffset = this.#log.history.submittedEnd + aside
    if (nextOffset < 0) return
    const appended: { unit: Unit; batch: EncodedBatch; timestampsMs: readonly number[] }[] = []
    for (const given of batches) {
      const { parts, unit, timestampsMs } = this.#submit(given)
      appended.push({ unit, batch: encodedBatch(parts, nextOffset), timestampsMs })
      nextOffset += unit.values.length
    }
    const writer = this.#log.writer()
    const append = () => writer.appendEncoded(appended.map(({ batch }) => batch))
    const [outcome] = await Promise.allSettled([this.#log.limits.calling(append)])
    if (caller.dead) return
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : null
    // More than fits into one write may be durable in part.
    const durableEnd = outcome.status === 'fulfilled' ? outcome.value : failedAt(error)
    for (const { unit, batch, timestampsMs } of appended) {
      if (durableEnd === null) this.#log.history.refuse(unit)
      else if (batch.baseOffset + BigInt(batch.recordCount) > durableEnd) this.#log.history.reject(unit, error)
      else {
        this.#acknowledge(unit, batch.baseOffset, (index) => timestampsMs[index] ?? 0)
        this.#log.appended.addBatch(batch)
      }
    }
    if (error === null) this.acknowledged++
    else this.rejected++
  }

  /** The parts of a batch that is about to be appended, and its values in the history. */
  #submit({ metadata = null, content }: { metadata?: Uint8Array | null; content: NewBatch['content'] }): {
    parts: BatchParts
    unit: Unit
    timestampsMs: readonly number[]
  } {
    if ('payload' in content) {
      const unit = this.#log.history.submit(this.#log.values.opaqueIds(content.payload, content.recordCount))
      const timestampMs = this.#nextTimestampMs()
      const timestampsMs = unit.values.map(() => timestampMs)
      return { parts: { metadata, content: { ...content, timestampMs } }, unit, timestampsMs }
    }
    const records = content.map((value) => ({ value, timestampMs: this.#nextTimestampMs() }))
    const unit = this.#log.history.submit(content.map((value) => this.#log.values.id(value)))
    return {
      parts: { metadata, content: { records } },
      unit,
      timestampsMs: records.map(({ timestampMs }) => timestampMs),
    }
  }

  /**
   * Changes options, and then tries a change of several options that contradict each other. That must be refused as a
   * whole: what is appended later is judged by the first change.
   */
  configure(
    changes: Pick<WalConfig, 'maxPendingBytes' | 'maxSegmentBytes' | 'maxSegmentAgeMs' | 'maxCommitBytes'>,
  ): void {
    const writer = this.#log.writer()
    writer.configure(changes)
    this.#maxPendingBytes = changes.maxPendingBytes ?? this.#maxPendingBytes
    let isRefused = false
    try {
      writer.configure({ ...changes, maxPendingBytes: 1, maxRecordBytes: 2, maxBatchBytes: 1 })
    } catch {
      isRefused = true
    }
    if (!isRefused) throw new Violation('10: a record may be larger than a batch')
  }

  /** Unordered timestamps. */
  #nextTimestampMs(): number {
    this.#timestamps++
    return 1 + ((17 * this.#timestamps) % MAX_TIMESTAMP_MS)
  }
}

/** How far the log is durable after an append that failed; null if that append was refused. */
function failedAt(error: unknown): bigint | null {
  return error instanceof AppendFailedError ? error.nextOffset : null
}
