/** A log in a file system that can crash. Its calls record the history: the result that each caller got. */
import { ManualClock, Random } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import {
  AppendFailedError,
  BacklogFullError,
  ClockSuspectError,
  ClosedError,
  deleteLog,
  OpaqueBatchError,
  WalReader,
  WalWriter,
} from '@sq/storage'
import type { EncodedBatch, RetentionPolicy, WalConfig } from '@sq/storage'
import { encodedBatch } from '../encoded-batch.ts'
import type { BatchParts } from '../encoded-batch.ts'
import { DELETED, History, Violation } from '../history.ts'
import type { Contents, Unit, ValueTable } from '../history.ts'
import { ProcessFileSystem } from '../process-file-system.ts'
import { checkSomeRange, MAX_TIMESTAMP_MS } from '../ranges.ts'
import { Appended } from './appended.ts'
import { Checkpoints } from './checkpoints.ts'
import { firstOffsetIn, namesIn } from './disk.ts'
import type { Disk } from './disk.ts'
import { checkBounds, checkBoundsFromFiles, fetchSome } from './fetching.ts'
import { findRecords, undamaged } from './found-records.ts'
import { LimitsUnderTest } from './limits-under-test.ts'
import { Tailing } from './tailing.ts'

const CONFIG: WalConfig = { dataDir: '/d' }
export const TOPIC = 't'
export const PARTITION = 0

/** More than a record without key and headers counts for in addition to its value. */
const MOST_ADDED_BYTES = 300

const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024

interface Setting {
  readonly values: ValueTable
  readonly history?: History
  readonly seed?: number
  readonly config?: WalConfig
  readonly partition?: number
  readonly clock?: ManualClock
  /** Those that it shares with other logs, whose process is the same; limits of its own if not given. */
  readonly limits?: LimitsUnderTest
  /** Whether readers read batches, not records. If they do not, no batch may be opaque. */
  readonly inBatches?: boolean
}

/** The values of a batch, or a payload that stands for some, and metadata. */
export interface NewBatch {
  readonly metadata?: Uint8Array
  readonly content: readonly Uint8Array[] | { readonly payload: Uint8Array; readonly recordCount: number }
}

export class LogUnderTest<OfDisk extends Disk = InMemoryFileSystem> {
  /** The numbers of acknowledged and of rejected appends. */
  acknowledged = 0
  rejected = 0
  #processes = 0
  /** The process that has the log open. */
  #process: ProcessFileSystem
  /** The process of the other tailing reader. It dies together with the writer's, unless that dies alone. */
  #otherProcess: ProcessFileSystem
  #died: () => void = () => {}
  #death: Promise<void> = Promise.resolve()
  readonly fs: OfDisk
  readonly history: History
  /** Starts near the timestamps, so that records are as old as the log. */
  readonly clock: ManualClock
  readonly #values: ValueTable
  readonly #config: WalConfig
  readonly #partition: number
  readonly #directory: string
  readonly #limits: LimitsUnderTest
  readonly #inBatches: boolean
  #segmentIds: Random
  #writer: WalWriter | null = null
  /** The limit of the writer that is open. */
  #maxPendingBytes = DEFAULT_PENDING_BYTES
  #timestamps = 0
  readonly #appended = new Appended()
  readonly #checkpoints: Checkpoints
  readonly #tailing: Tailing
  /** Whether the deletion of the log has begun, and may have failed. */
  #isDeletionOpen = false
  /** Whether the wall clock was ever wrong. A segment that was created while it was wrong states a wrong time. */
  #wasClockWrong = false
  /** The reader in the process of the writer that fetches; null before the first fetch. */
  #fetchReader: WalReader | null = null
  /** The reader in the other process that looks at the bounds of the log; null before the first look. */
  #boundsReader: WalReader | null = null

  constructor(fs: OfDisk, setting: Setting) {
    const { values, history = new History(), seed = 1, config = CONFIG, partition = PARTITION } = setting
    const { clock = new ManualClock(1000), limits, inBatches = false } = setting
    this.fs = fs
    this.#values = values
    this.history = history
    this.clock = clock
    this.#config = config
    this.#partition = partition
    this.#directory = `${config.dataDir}/${TOPIC}/${partition}`
    this.#limits = limits ?? new LimitsUnderTest(Number.MAX_SAFE_INTEGER)
    this.#inBatches = inBatches
    this.#segmentIds = new Random(seed)
    this.#process = new ProcessFileSystem(fs)
    this.#otherProcess = new ProcessFileSystem(fs, 'other process')
    this.#checkpoints = new Checkpoints({ disk: fs, config, topic: TOPIC, partition, values, inBatches })
    this.#tailing = new Tailing({
      history,
      values,
      inBatches,
      firstOffset: () => this.firstOffset,
      durableEnd: () => this.#writer?.nextOffset ?? null,
    })
    this.#begin()
  }

  /** Kills the process: what it waits for never settles, and its code stops. Another process may open the log. */
  die(): void {
    this.#tailing.dying({ alone: false })
    this.#process.die()
    this.#otherProcess.die()
    this.#writer = null
    this.#died()
    this.#begin()
  }

  /**
   * Kills only the process of the writer, while it waits for nothing. Another process may open the log. The tailing
   * reader in another process survives, and may have got records that the next writer does not find.
   */
  async dieAlone(): Promise<void> {
    this.#tailing.dying({ alone: true })
    await this.#process.dieAlone()
    this.#writer = null
    this.#died()
    this.#beginHere()
  }

  #begin(): void {
    this.#boundsReader = null
    this.#otherProcess = new ProcessFileSystem(this.fs, 'other process')
    this.#beginHere()
  }

  #beginHere(): void {
    // A new process shares nothing with the readers of the last one.
    this.#fetchReader = null
    this.#limits.begin()
    this.#process = new ProcessFileSystem(this.fs, `process ${this.#processes++} `)
    this.#death = new Promise((resolve) => {
      this.#died = resolve
    })
  }

  /** Waits for an action of the process, or for its death. */
  async untilDead(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#death])
  }

  /** Whether a reader in another process tails the log. */
  get isTailedByOtherProcess(): boolean {
    return this.#tailing.isInOtherProcess
  }

  /** The writer, which must be open. */
  get writer(): WalWriter {
    if (this.#writer === null) throw new Error('the log is not open')
    return this.#writer
  }

  get isOpen(): boolean {
    return this.#writer !== null
  }

  /**
   * Opens the log and compares it with the history, and with what a reader saw before, if requested. If this rejects,
   * it can be called again.
   */
  async open({ readsBefore = true }: { readsBefore?: boolean } = {}): Promise<Contents> {
    // Recovery completes a reset that was interrupted: a reader may have seen the rest of the old log.
    const isReset = this.#names.some((name) => name.endsWith('.reset'))
    const before = readsBefore && !isReset ? await this.read() : null
    const settings = { clock: this.clock, random: this.#segmentIds, limits: this.#limits.limits }
    const writer = await undamaged(() => WalWriter.open(this.#process, this.#config, TOPIC, this.#partition, settings))
    try {
      const contents = await this.read()
      this.#check(writer, { before, contents })
      await this.#checkpoints.check(this.#process)
      for (const [offset, id] of contents.entries()) this.#tailing.keep(offset, id)
      this.#writer = writer
      this.#maxPendingBytes = this.#config.maxPendingBytes ?? DEFAULT_PENDING_BYTES
      return contents
    } catch (error) {
      // Report the first error.
      await writer.close().catch(() => {})
      throw error
    }
  }

  #check({ nextOffset }: WalWriter, { before, contents }: { before: Contents | null; contents: Contents }): void {
    if (nextOffset !== BigInt(contents.length)) {
      throw new Violation(`2: the log has ${contents.length} records, but the next offset is ${nextOffset}`)
    }
    if (before !== null && contents.join() !== before.join()) {
      throw new Violation(`4: a reader saw [${before.join(' ')}] before recovery, and [${contents.join(' ')}] after it`)
    }
    this.history.recovered(contents)
    this.#tailing.recovered(contents)
    if (this.#isDeletionOpen && contents.length === 0) this.#deleted()
    this.#isDeletionOpen = false
    const inRoot = JSON.stringify(namesIn(this.fs, '/'))
    if (inRoot !== '["d"]') throw new Violation(`10: expected only the data directory /d, found ${inRoot}`)
  }

  /** Appends one record, or several as a batch. Resolves when the append has settled. */
  async append(...values: Uint8Array[]): Promise<void> {
    await this.#append(values)
  }

  /** The same. Resolves with whether it was refused because too much waits. */
  async #append(values: readonly Uint8Array[]): Promise<boolean> {
    const caller = this.#process
    const unit = this.history.submit(values.map((value) => this.#values.id(value)))
    const records = values.map((value) => ({ key: null, value, headers: [], timestampMs: this.#nextTimestampMs() }))
    const { writer } = this
    const limits = { writer: this.#maxPendingBytes, shared: this.#limits.limits.maxPendingBytes }
    const [outcome] = await Promise.allSettled([this.#limits.calling(() => writer.appendBatch(records))])
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
      this.history.reject(unit, reason)
      return false
    }
    this.history.refuse(unit)
    this.#limits.checkRefusal(reason, limits)
    return true
  }

  #acknowledge(unit: Unit, baseOffset: bigint, timestampMsOf: (index: number) => number): void {
    this.history.acknowledge(unit, baseOffset)
    for (const [index, id] of unit.values.entries()) {
      const offset = Number(baseOffset) + index
      this.#tailing.keep(offset, id)
      this.#appended.add(offset, timestampMsOf(index))
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
    const caller = this.#process
    const { writer } = this
    const bytes = isSizeStated ? value.length + MOST_ADDED_BYTES : undefined
    try {
      await this.#limits.soon(writer.ready({ bytes, signal }), () => !caller.dead)
    } catch (error) {
      if (signal.aborted || (error instanceof ClosedError && this.#writer !== writer)) return
      throw error
    }
    if (caller.dead || this.#writer !== writer) return
    if (await this.#append([value])) throw new Violation('10: an append was refused that had been promised room')
  }

  /**
   * Appends batches as a replica does: encoded, at the offsets where the log will end or, if `aside` is not 0, at other
   * ones. Resolves when the append has settled.
   */
  async appendEncoded(batches: readonly NewBatch[], { aside = 0 }: { aside?: number } = {}): Promise<void> {
    const caller = this.#process
    let nextOffset = this.history.submittedEnd + aside
    if (nextOffset < 0) return
    const appended: { unit: Unit; batch: EncodedBatch; timestampsMs: readonly number[] }[] = []
    for (const given of batches) {
      const { parts, unit, timestampsMs } = this.#submit(given)
      appended.push({ unit, batch: encodedBatch(parts, nextOffset), timestampsMs })
      nextOffset += unit.values.length
    }
    const { writer } = this
    const append = () => writer.appendEncoded(appended.map(({ batch }) => batch))
    const [outcome] = await Promise.allSettled([this.#limits.calling(append)])
    if (caller.dead) return
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : null
    // More than fits into one write may be durable in part.
    const durableEnd = outcome.status === 'fulfilled' ? outcome.value : failedAt(error)
    for (const { unit, batch, timestampsMs } of appended) {
      if (durableEnd === null) this.history.refuse(unit)
      else if (batch.baseOffset + BigInt(batch.recordCount) > durableEnd) this.history.reject(unit, error)
      else {
        this.#acknowledge(unit, batch.baseOffset, (index) => timestampsMs[index] ?? 0)
        this.#appended.addBatch(batch)
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
      const unit = this.history.submit(this.#values.opaqueIds(content.payload, content.recordCount))
      const timestampMs = this.#nextTimestampMs()
      const timestampsMs = unit.values.map(() => timestampMs)
      return { parts: { metadata, content: { ...content, timestampMs } }, unit, timestampsMs }
    }
    const records = content.map((value) => ({ value, timestampMs: this.#nextTimestampMs() }))
    const unit = this.history.submit(content.map((value) => this.#values.id(value)))
    return {
      parts: { metadata, content: { records } },
      unit,
      timestampsMs: records.map(({ timestampMs }) => timestampMs),
    }
  }

  /**
   * Changes options. A change with an option that cannot be, too, is refused as a whole. What is appended later is
   * judged by the options of this call.
   */
  configure(
    changes: Pick<WalConfig, 'maxPendingBytes' | 'maxSegmentBytes' | 'maxSegmentAgeMs' | 'maxCommitBytes'>,
  ): void {
    const { writer } = this
    let isRefused = false
    try {
      writer.configure({ ...changes, maxPendingBytes: 1, maxRecordBytes: 2, maxBatchBytes: 1 })
    } catch {
      isRefused = true
    }
    if (!isRefused) throw new Violation('10: a record may be larger than a batch')
    writer.configure(changes)
    this.#maxPendingBytes = changes.maxPendingBytes ?? this.#maxPendingBytes
  }

  /** Without faults, each record larger than a segment gets its own, from the change of the limit on. */
  async checkConfigured(): Promise<void> {
    const { writer } = this
    await this.append(Buffer.alloc(0))
    const { segments } = writer.stats()
    writer.configure({ maxSegmentBytes: 1 })
    await this.append(Buffer.alloc(1))
    await this.append(Buffer.alloc(2))
    const more = writer.stats().segments - segments
    if (more !== 2) throw new Violation(`10: two records that are larger than a segment are in ${more} new segments`)
  }

  /** Encoded batches that were acknowledged must be batches of the log, the same to the byte. */
  async checkEncoded(): Promise<void> {
    await this.#appended.check(await this.#openReader(), this.firstOffset)
  }

  /** Unordered timestamps. */
  #nextTimestampMs(): number {
    this.#timestamps++
    return 1 + ((17 * this.#timestamps) % MAX_TIMESTAMP_MS)
  }

  /** Reads while the writer may be working. Only durable records may be seen. */
  async readDuringWrites(): Promise<void> {
    const read = await this.read()
    // Before the first record, names of segments may be left by a reset that failed, also behind the end of the log.
    const contents = read.slice(0, read.findLastIndex((value) => value !== DELETED) + 1)
    if (BigInt(contents.length) > this.writer.nextOffset) {
      throw new Violation(`7: a reader saw ${contents.length} records, but only ${this.writer.nextOffset} are durable`)
    }
    if (!this.history.allows((whole) => contents.every((value, offset) => value === whole[offset]))) {
      throw new Violation(`7: a reader saw [${contents.join(' ')}]`)
    }
  }

  /** Reads a part of the log while the writer may be working, but neither deletes nor truncates. */
  async readSomeRange(random: Random): Promise<void> {
    const reader = await this.#openReader()
    await undamaged(() => checkSomeRange(reader, random, { inBatches: this.#inBatches }))
  }

  /** Fetches some times while the writer may be working, but neither deletes nor truncates. */
  async fetch(random: Random): Promise<void> {
    const process = this.#process
    const reader = await this.#fetchingReader()
    const isAlive = () => !process.dead
    await fetchSome(this.#fetched, { reader, isAlive, untilDead: (work) => this.untilDead(work) }, random)
  }

  /** Looks at the bounds in both processes while the writer may be working, but neither deletes nor truncates. */
  async checkBounds(): Promise<void> {
    const reader = await this.#fetchingReader()
    this.#boundsReader ??= await this.#openReader(this.#otherProcess)
    await Promise.all([checkBounds(this.writer, reader), checkBoundsFromFiles(this.#fetched, this.#boundsReader)])
  }

  get #fetched(): Parameters<typeof fetchSome>[0] {
    return {
      history: this.history,
      values: this.#values,
      clock: this.clock,
      writer: () => this.#writer,
      someOffset: (random) => this.someOffset(random),
    }
  }

  async #fetchingReader(): Promise<WalReader> {
    this.#fetchReader ??= await this.#openReader()
    return this.#fetchReader
  }

  #openReader(process = this.#process): Promise<WalReader> {
    return WalReader.open(process, this.#config, TOPIC, this.#partition, { clock: this.clock })
  }

  /** Starts a reader that tails the whole log until the process dies, and spends some turns on each record. */
  tail({ isBusy, busyTurns }: { isBusy: boolean; busyTurns: () => number }): void {
    const process = this.#process
    const reading = { isAlive: () => !process.dead, openReader: () => this.#openReader(process) }
    this.#tailing.start(reading, { isBusy, busyTurns })
  }

  /** Starts a tailing reader in another process, which shares no memory with the writer. */
  tailInOtherProcess(options: { durableOnly: boolean; busyTurns: () => number }): void {
    const process = this.#otherProcess
    const reading = { isAlive: () => !process.dead, openReader: () => this.#openReader(process) }
    this.#tailing.startInOtherProcess(reading, options)
  }

  /** Checks that every tailing reader soon reaches the end of the log, and stops them. */
  async stopReaders(): Promise<void> {
    await this.#tailing.stop(this.writer.nextOffset)
  }

  /** Ends the active segment. */
  async rotate(): Promise<void> {
    await this.#process.whileAlive(() => this.writer.closeActiveSegment())
    this.history.settled()
  }

  /** Deletes by a policy. Without one, all segments but the active one. */
  async deleteSegments(policy: RetentionPolicy = { maxTotalBytes: 0 }): Promise<void> {
    const { firstOffset } = this
    const isResetUnfinished = this.#isResetUnfinished
    this.history.deleting()
    try {
      await this.#process.whileAlive(() => this.writer.deleteSegments(policy))
    } catch (error) {
      if (error instanceof ClockSuspectError && this.firstOffset > firstOffset && !isResetUnfinished) {
        throw new Violation(`11: segments were deleted by a clock that is refused: ${error.message}`, { cause: error })
      }
      this.history.deletionFailed()
      throw error
    }
    this.history.deleted(this.firstOffset)
  }

  /**
   * Deletes by age what is stamped before a time, by a clock that may be wrong by that much. Nothing else may be
   * deleted.
   */
  async deleteByAge({ keepFromMs, aheadMs = 0 }: { keepFromMs: number; aheadMs?: number }): Promise<void> {
    const { clock } = this
    // A deletion of records that failed may have taken effect.
    const firstOffset = Math.max(this.firstOffset, Number(this.writer.logStartOffset))
    const rightMs = clock.now()
    const isKnown = (aheadMs === 0 || !this.#wasClockWrong) && !this.#isResetUnfinished
    this.#wasClockWrong ||= aheadMs > 0
    clock.setNow(rightMs + aheadMs)
    try {
      await this.deleteSegments({ maxAgeMs: rightMs - keepFromMs })
    } finally {
      clock.setNow(rightMs)
    }
    const end = isKnown ? this.firstOffset : firstOffset
    for (let offset = firstOffset; offset < end; offset++) {
      const timestampMs = this.#appended.timestampMs(offset)
      if (timestampMs < keepFromMs) continue
      throw new Violation(
        `1: offset ${offset}, stamped ${timestampMs}, was deleted with all that is before ${keepFromMs}`,
      )
    }
  }

  /** Deletes the records before an offset, and nothing else. */
  async deleteRecords(before: number): Promise<void> {
    const { history, writer } = this
    const deletion = history.deletingRecords(before)
    await this.#process.whileAlive(() => writer.deleteRecords(BigInt(before)))
    history.deletedRecords(deletion)
    if (history.isReset(deletion)) return
    if (Number(writer.logStartOffset) < before || this.firstOffset < before) {
      throw new Violation(`11: the log begins at ${this.firstOffset} after all records before ${before} were deleted`)
    }
  }

  /** Drops all records from an offset on. Refused inside an opaque batch. */
  async truncate(offset: number): Promise<void> {
    const { writer } = this
    const { acknowledged } = this.history
    const isInside = this.#values.areInOneBatch(acknowledged[offset - 1], acknowledged[offset])
    this.#tailing.cutting(offset)
    this.history.truncating(offset)
    this.#appended.forgetFrom(offset)
    try {
      await this.#process.whileAlive(() => writer.truncate(BigInt(offset)))
    } catch (error) {
      this.history.truncationFailed({ offset, nextOffset: writer.nextOffset })
      if (isInside && error instanceof OpaqueBatchError) return
      throw error
    }
    if (isInside) throw new Violation(`11: the log was truncated at offset ${offset}, inside an opaque batch`)
    this.#appended.forgetFrom(offset)
    this.history.truncated(offset)
  }

  /** Drops all records, and continues at an offset that is not the log end offset. */
  async reset(offset: number): Promise<void> {
    const { writer } = this
    this.#tailing.cutting(0)
    this.history.resetting(offset)
    try {
      await this.#process.whileAlive(() => writer.resetTo(BigInt(offset)))
    } catch (error) {
      this.history.resetFailed({ offset, nextOffset: writer.nextOffset })
      if (writer.nextOffset === BigInt(offset)) this.#appended.forgetFrom(0)
      throw error
    }
    this.#appended.forgetFrom(0)
    this.history.reset(offset)
  }

  /** Whether the directory still begins with a segment from before a reset that failed. The next call completes it. */
  get #isResetUnfinished(): boolean {
    const { firstOffset } = this
    const { acknowledged } = this.history
    return firstOffset > acknowledged.length || acknowledged[firstOffset] === DELETED
  }

  /**
   * An offset of the log, from its first to its next offset. After a reset that failed, the segments before it may
   * still be there, but the log has none of their records.
   */
  someOffset(random: Random): number {
    // If `deleteRecords` has failed, the records are gone for the writer.
    const firstOffset = Math.max(this.firstOffset, Number(this.writer.logStartOffset))
    const { acknowledged } = this.history
    const first = acknowledged.findIndex((value, offset) => offset >= firstOffset && value !== DELETED)
    return first === -1 ? acknowledged.length : first + random.int(acknowledged.length - first + 1)
  }

  /** The first offset of the log, from its directory. */
  get firstOffset(): number {
    return firstOffsetIn(this.fs, this.#directory)
  }

  /** The number of checkpoints that were begun. */
  get checkpoints(): number {
    return this.#checkpoints.begun
  }

  /**
   * Makes a checkpoint while the writer may be working, but neither deletes nor truncates. It must have everything that
   * was acknowledged when it began, and never change.
   */
  async checkpoint(): Promise<void> {
    await this.#process.whileAlive(() => this.#checkpoints.make(this.writer, this.history.acknowledged))
    await this.#checkpoints.check(this.#process)
  }

  /** Closes the log, deletes it, and opens another one in its place. */
  async deleteLog(): Promise<void> {
    const process = this.#process
    await this.close()
    this.history.deletingLog()
    this.#tailing.deleting()
    this.#isDeletionOpen = true
    await process.whileAlive(() => deleteLog(process, this.#config, TOPIC, this.#partition))
    this.history.deletedLog()
    this.#deleted()
    await this.open()
  }

  /** The log is gone: nothing is known of the one that is created in its place. */
  #deleted(): void {
    this.#isDeletionOpen = false
    this.#appended.forgetFrom(0)
    this.#tailing.deleted()
  }

  /** The names in the directory of the log. */
  get #names(): string[] {
    return namesIn(this.fs, this.#directory)
  }

  /** Closes the log. */
  async close(): Promise<void> {
    const process = this.#process
    const writer = this.writer
    this.#writer = null
    const reader = this.#fetchReader
    this.#fetchReader = null
    await process.whileAlive(async () => reader?.close())
    await process.whileAlive(() => writer.close())
    this.history.settled()
    if (process.held > 0 && !this.#tailing.isInProcess)
      throw new Violation(`12: ${process.held} handles are open after close`)
  }

  /** The contents that a reader sees. */
  async read(): Promise<Contents> {
    const [config, partition, inBatches] = [this.#config, this.#partition, this.#inBatches]
    const place = { fs: this.#process, config, topic: TOPIC, partition }
    const found = await undamaged(() => findRecords(place, this.#values, { inBatches }))
    // An opaque batch is returned whole, also if the log begins inside it.
    const isCut = found[0]?.isOpaque === true && found[0].offset < this.firstOffset
    const records = isCut ? found.filter(({ offset }) => offset >= this.firstOffset) : found
    const firstOffset = records[0]?.offset ?? this.firstOffset
    for (const [index, { offset }] of records.entries()) {
      if (offset !== firstOffset + index) throw new Violation(`2: offset ${offset} follows ${firstOffset + index - 1}`)
    }
    const deleted = Array.from({ length: firstOffset }, () => DELETED)
    return [...deleted, ...records.map(({ value }) => value)]
  }
}

/** How far the log is durable after an append that failed; null if that append was refused. */
function failedAt(error: unknown): bigint | null {
  return error instanceof AppendFailedError ? error.nextOffset : null
}
