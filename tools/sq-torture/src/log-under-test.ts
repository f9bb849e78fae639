/** A log in a file system that can crash. Its calls record the history: the result that each caller got. */
import { ManualClock, Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import {
  AppendFailedError,
  BacklogFullError,
  ClockSuspectError,
  CorruptLogError,
  deleteLog,
  LogNotFoundError,
  UnsupportedFormatError,
  WalReader,
  WalWriter,
} from '@sq/storage'
import type { EncodedBatch, FetchResult, LogRecord, RetentionPolicy, WalConfig } from '@sq/storage'
import { encodedBatch } from './encoded-batch.ts'
import { DELETED, History, Violation } from './history.ts'
import type { Contents, Unit, ValueId, ValueTable } from './history.ts'
import { InProcessReader } from './in-process-reader.ts'
import { OtherProcessReader } from './other-process-reader.ts'
import { ProcessFileSystem } from './process-file-system.ts'
import { PlainFileSystem } from './plain-file-system.ts'
import { checkSomeRange, MAX_TIMESTAMP_MS } from './ranges.ts'

const CONFIG: WalConfig = { dataDir: '/d' }
export const TOPIC = 't'
export const PARTITION = 0

export class LogUnderTest<Disk extends InMemoryFileSystem | PlainFileSystem = InMemoryFileSystem> {
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
  readonly fs: Disk
  readonly history: History
  /** Starts near the timestamps, so that records are as old as the log. */
  readonly clock: ManualClock = new ManualClock(1000)
  readonly #values: ValueTable
  readonly #config: WalConfig
  #segmentIds: Random
  #writer: WalWriter | null = null
  /** The acknowledged records when the last truncation began. A tailing reader may just have got some of them. */
  #beforeCut: Contents = []
  /**
   * All records that were ever in the log, by offset. A slow tailing reader may get them long after their truncation or
   * deletion.
   */
  readonly #ever: Set<ValueId>[] = []
  #isReaderBusy = false
  readonly #cuts: number[] = []
  #timestamps = 0
  /** The timestamps of acknowledged records, by offset. */
  readonly #timestampsMs: (number | undefined)[] = []
  /** Encoded batches that were acknowledged, and not truncated since. */
  #appendedEncoded: EncodedBatch[] = []
  /** Whether the wall clock was ever wrong. A segment that was created while it was wrong states a wrong time. */
  #wasClockWrong = false
  #inProcessReader: InProcessReader | null = null
  /** The reader in the process of the writer that fetches; null before the first fetch. */
  #fetchReader: WalReader | null = null
  #otherProcessReader: OtherProcessReader | null = null
  /** The records that earlier tailing readers in another process got as durable. */
  readonly #mustStay = new Map<bigint, ValueId>()

  constructor(fs: Disk, setting: { values: ValueTable; history?: History; seed?: number; config?: WalConfig }) {
    this.fs = fs
    this.#values = setting.values
    this.history = setting.history ?? new History()
    this.#config = setting.config ?? CONFIG
    this.#segmentIds = new Random(setting.seed ?? 1)
    this.#process = new ProcessFileSystem(fs)
    this.#otherProcess = new ProcessFileSystem(fs, 'other process')
    this.#begin()
  }

  /** Kills the process: what it waits for never settles, and its code stops. Another process may open the log. */
  die(): void {
    this.#inProcessReader?.throwIfFailed()
    this.#inProcessReader = null
    this.#otherProcessReader?.throwIfFailed()
    for (const [offset, id] of this.#otherProcessReader?.mustStay ?? []) this.#mustStay.set(offset, id)
    this.#otherProcessReader = null
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
    this.#inProcessReader?.throwIfFailed()
    this.#inProcessReader = null
    await this.#process.dieAlone()
    this.#writer = null
    this.#died()
    this.#beginHere()
  }

  #begin(): void {
    this.#otherProcess = new ProcessFileSystem(this.fs, 'other process')
    this.#beginHere()
  }

  #beginHere(): void {
    // A new process shares nothing with the readers of the last one.
    this.#fetchReader = null
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
    return this.#otherProcessReader !== null
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
    const settings = { clock: this.clock, random: this.#segmentIds }
    const writer = await undamaged(() => WalWriter.open(this.#process, this.#config, TOPIC, PARTITION, settings))
    try {
      const contents = await this.read()
      this.#check(writer, { before, contents })
      await this.#checkCheckpoints()
      for (const [offset, id] of contents.entries()) this.#keep(offset, id)
      this.#writer = writer
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
    for (const [offset, id] of this.#mustStay) {
      const stands = contents[Number(offset)]
      if (stands !== id && stands !== DELETED) {
        throw new Violation(`7: ${id} was read as durable at offset ${offset}, but after recovery ${stands} is there`)
      }
    }
    this.#mustStay.clear()
    const inRoot = JSON.stringify(namesIn(this.fs, '/'))
    if (inRoot !== '["d"]') throw new Violation(`10: expected only the data directory /d, found ${inRoot}`)
  }

  /** Appends one record, or several as a batch. Resolves when the append has settled. */
  async append(...values: Uint8Array[]): Promise<void> {
    const caller = this.#process
    const unit = this.history.submit(values.map((value) => this.#values.id(value)))
    const records = values.map((value) => ({ key: null, value, headers: [], timestampMs: this.#nextTimestampMs() }))
    const [outcome] = await Promise.allSettled([this.writer.appendBatch(records)])
    // A process that has died gets no result.
    if (caller.dead) return
    if (outcome.status === 'fulfilled') {
      this.acknowledged++
      this.history.acknowledge(unit, outcome.value)
      for (const [index, id] of unit.values.entries()) this.#keep(Number(outcome.value) + index, id)
      for (const [index, { timestampMs }] of records.entries())
        this.#timestampsMs[Number(outcome.value) + index] = timestampMs
    } else {
      this.rejected++
      if (outcome.reason instanceof BacklogFullError) this.history.refuse(unit)
      else this.history.reject(unit, outcome.reason)
    }
  }

  /**
   * Appends batches as a replica does: encoded, at the offsets where the log will end or, if `aside` is not 0, at other
   * ones. Resolves when the append has settled.
   */
  async appendEncoded(
    batches: readonly (readonly Uint8Array[])[],
    { aside = 0 }: { aside?: number } = {},
  ): Promise<void> {
    const caller = this.#process
    let nextOffset = this.history.submittedEnd + aside
    if (nextOffset < 0) return
    const appended: { unit: Unit; batch: EncodedBatch; timestampsMs: number[] }[] = []
    for (const values of batches) {
      const records = values.map((value) => ({ value, timestampMs: this.#nextTimestampMs() }))
      const unit = this.history.submit(values.map((value) => this.#values.id(value)))
      const timestampsMs = records.map(({ timestampMs }) => timestampMs)
      appended.push({ unit, batch: encodedBatch(records, nextOffset), timestampsMs })
      nextOffset += values.length
    }
    const [outcome] = await Promise.allSettled([this.writer.appendEncoded(appended.map(({ batch }) => batch))])
    if (caller.dead) return
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : null
    // More than fits into one write may be durable in part.
    const durableEnd = outcome.status === 'fulfilled' ? outcome.value : failedAt(error)
    for (const { unit, batch, timestampsMs } of appended) {
      if (durableEnd === null) this.history.refuse(unit)
      else if (batch.baseOffset + BigInt(batch.recordCount) > durableEnd) this.history.reject(unit, error)
      else {
        this.history.acknowledge(unit, batch.baseOffset)
        this.#appendedEncoded.push(batch)
        for (const [index, id] of unit.values.entries()) this.#keep(Number(batch.baseOffset) + index, id)
        for (const [index, timestampMs] of timestampsMs.entries())
          this.#timestampsMs[Number(batch.baseOffset) + index] = timestampMs
      }
    }
    if (error === null) this.acknowledged++
    else this.rejected++
  }

  /** Encoded batches that were acknowledged must be batches of the log, the same to the byte. */
  async checkEncoded(): Promise<void> {
    const reader = await WalReader.open(this.#process, this.#config, TOPIC, PARTITION)
    const found = new Map<bigint, EncodedBatch>()
    for await (const batch of reader.readBatches()) found.set(batch.baseOffset, batch)
    for (const { baseOffset, recordCount, checksum, bytes } of this.#appendedEncoded) {
      if (baseOffset < this.firstOffset) continue
      const batch = found.get(baseOffset)
      if (batch?.recordCount === recordCount && batch.checksum === checksum && Buffer.compare(batch.bytes, bytes) === 0)
        continue
      throw new Violation(`1: the batch that was appended at offset ${baseOffset} differs from the one in the log`)
    }
  }

  /** Unordered timestamps. */
  #nextTimestampMs(): number {
    this.#timestamps++
    return 1 + ((17 * this.#timestamps) % MAX_TIMESTAMP_MS)
  }

  #keep(offset: number, id: ValueId): void {
    this.#ever[offset] = (this.#ever[offset] ?? new Set()).add(id)
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
    const reader = await WalReader.open(this.#process, this.#config, TOPIC, PARTITION)
    await undamaged(() => checkSomeRange(reader, random))
  }

  /**
   * Fetches some times while the writer may be working, but neither deletes nor truncates: often where the last fetch
   * ended. Only durable records before `to` may be returned, in order and without gaps.
   */
  async fetch(random: Random): Promise<void> {
    const process = this.#process
    const { clock } = this
    this.#fetchReader ??= await WalReader.open(process, this.#config, TOPIC, PARTITION, { clock })
    const reader = this.#fetchReader
    let from = this.someOffset(random)
    for (let left = 1 + random.int(4); left > 0 && !process.dead; left--) {
      const to = random.chance(0.5) ? from + random.int(8) : Infinity
      const limits = { maxBytes: 1 + random.int(3000), minBytes: random.int(3000), maxWaitMs: random.int(2) }
      const options = { from: BigInt(from), ...limits, ...(to === Infinity ? {} : { to: BigInt(to) }) }
      const fetching = undamaged(() => reader.fetch(options)).then((result) => {
        this.#checkFetched(result, { from, to })
        return Number(result.nextOffset)
      })
      // A failure is reported by the wait below.
      fetching.catch(() => {})
      for (let turns = random.int(20); turns > 0; turns--) await new Promise(setImmediate)
      clock.advance(1)
      await this.untilDead(fetching)
      if (!process.dead) from = await fetching
      if (random.chance(0.3)) from = this.someOffset(random)
    }
  }

  #checkFetched({ batches, nextOffset, highWatermark }: FetchResult, { from, to }: { from: number; to: number }): void {
    const records = batches.flatMap((batch) => batch.records())
    const end = from + records.length
    if (records.some(({ offset }, index) => Number(offset) !== from + index) || Number(nextOffset) !== end) {
      throw new Violation(
        `2: a fetch from ${from} has [${records.map(({ offset }) => offset).join()}] and ${nextOffset}`,
      )
    }
    const durable = this.#writer === null ? Infinity : Number(this.#writer.nextOffset)
    if (records.length > 0 && end > Math.min(to, durable, Number(highWatermark))) {
      throw new Violation(`7: a fetch reached ${end}, beyond ${to}, ${durable} or ${highWatermark}`)
    }
    const values = records.map(({ value }) => this.#values.id(value))
    if (!this.history.allows((whole) => values.every((value, index) => value === whole[from + index]))) {
      throw new Violation(`7: a fetch from ${from} has [${values.join(' ')}]`)
    }
  }

  /** Starts a reader that tails the whole log until the process dies, and spends some turns on each record. */
  tail({ isBusy, busyTurns }: { isBusy: boolean; busyTurns: () => number }): void {
    this.#isReaderBusy = isBusy
    const process = this.#process
    this.#inProcessReader ??= new InProcessReader({
      isAlive: () => !process.dead,
      openReader: () => WalReader.open(process, this.#config, TOPIC, PARTITION),
      check: (record) => this.#checkTailed(record),
      cuts: this.#cuts,
      busyTurns,
    })
  }

  /** Starts a tailing reader in another process, which shares no memory with the writer. */
  tailInOtherProcess({ durableOnly, busyTurns }: { durableOnly: boolean; busyTurns: () => number }): void {
    const otherProcess = this.#otherProcess
    this.#otherProcessReader ??= new OtherProcessReader({
      isAlive: () => !otherProcess.dead,
      openReader: () => WalReader.open(otherProcess, this.#config, TOPIC, PARTITION),
      idOf: ({ value }) => this.#values.id(value),
      cuts: this.#cuts,
      durableOnly,
      busyTurns,
    })
  }

  /** Checks that every tailing reader soon reaches the end of the log, and stops them. */
  async stopReaders(): Promise<void> {
    await this.#otherProcessReader?.converges(this.history.acknowledged)
    this.#otherProcessReader = null
    await this.#inProcessReader?.reaches(this.writer.nextOffset)
    this.#inProcessReader = null
  }

  #checkTailed({ offset, value }: LogRecord): void {
    const at = Number(offset)
    const id = this.#values.id(value)
    // Deletion by age may also delete the newest records before a tailing reader gets them.
    const mayBeLate = this.#isReaderBusy || at < this.firstOffset
    if (mayBeLate ? this.#ever[at]?.has(id) === true : this.#beforeCut[at] === id) return
    if (this.#writer !== null && offset >= this.#writer.nextOffset) {
      throw new Violation(
        `7: a tailing reader saw offset ${offset}, but the durable records end before ${this.#writer.nextOffset}`,
      )
    }
    if (!this.history.allows((whole) => whole[at] === id)) {
      throw new Violation(`7: a tailing reader saw ${id} at offset ${offset}, which is not durable there`)
    }
  }

  /** Ends the active segment. */
  async rotate(): Promise<void> {
    await this.writer.closeActiveSegment()
    this.history.settled()
  }

  /** Deletes by a policy. Without one, all segments but the active one. */
  async deleteSegments(policy: RetentionPolicy = { maxTotalBytes: 0 }): Promise<void> {
    const { firstOffset } = this
    const isResetUnfinished = this.#isResetUnfinished
    this.history.deleting()
    try {
      await this.writer.deleteSegments(policy)
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
    const { firstOffset, clock } = this
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
      const timestampMs = this.#timestampsMs[offset] ?? 0
      if (timestampMs < keepFromMs) continue
      throw new Violation(
        `1: offset ${offset}, stamped ${timestampMs}, was deleted with all that is before ${keepFromMs}`,
      )
    }
  }

  /** Deletes the records before an offset, and nothing else. */
  async deleteRecords(before: number): Promise<void> {
    this.history.deletingRecords(before)
    await this.writer.deleteRecords(BigInt(before))
    this.history.deletedRecords(before)
    if (Number(this.writer.logStartOffset) < before || this.firstOffset < before) {
      throw new Violation(`11: the log begins at ${this.firstOffset} after all records before ${before} were deleted`)
    }
  }

  /** Drops all records from an offset on. */
  async truncate(offset: number): Promise<void> {
    const { writer } = this
    this.#beforeCut = this.history.acknowledged
    this.#cuts.push(offset)
    this.history.truncating(offset)
    this.#forgetFrom(offset)
    try {
      await writer.truncate(BigInt(offset))
    } catch (error) {
      this.history.truncationFailed({ offset, nextOffset: writer.nextOffset })
      throw error
    }
    this.#forgetFrom(offset)
    this.history.truncated(offset)
  }

  /** What is known of records from an offset on no longer holds. */
  #forgetFrom(offset: number): void {
    this.#timestampsMs.splice(offset)
    this.#appendedEncoded = this.#appendedEncoded.filter(
      ({ baseOffset, recordCount }) => Number(baseOffset) + recordCount <= offset,
    )
  }

  /** Drops all records, and continues at an offset that is not the log end offset. */
  async reset(offset: number): Promise<void> {
    const { writer } = this
    this.#beforeCut = this.history.acknowledged
    this.#cuts.push(0)
    this.history.resetting(offset)
    try {
      await writer.resetTo(BigInt(offset))
    } catch (error) {
      this.history.resetFailed({ offset, nextOffset: writer.nextOffset })
      if (writer.nextOffset === BigInt(offset)) this.#forgetFrom(0)
      throw error
    }
    this.#forgetFrom(0)
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
    const bases = this.#names.filter((name) => name.endsWith('.wal')).map((name) => Number.parseInt(name, 10))
    const directory = `${this.#config.dataDir}/${TOPIC}/${PARTITION}`
    const start = this.#names.includes('log-start') ? bytesOf(this.fs, `${directory}/log-start`) : null
    return Math.max(bases.length === 0 ? 0 : Math.min(...bases), Number(start?.readBigUInt64LE(8) ?? 0n))
  }

  /**
   * Makes a checkpoint below the data directory. Its name says which offsets it must hold, so that it can be checked in
   * every image of the disk.
   */
  async checkpoint(): Promise<void> {
    const { acknowledged } = this.history
    const { dataDir } = this.#config
    const number = namesIn(this.fs, dataDir).length
    const copy = `${dataDir}/checkpoint ${number} ${this.firstOffset} ${acknowledged.length}`
    await this.writer.checkpoint(copy)
    await this.#checkCheckpoints()
    for (const { offset, value } of await readRecords(this.#process, { dataDir: copy }, this.#values)) {
      if (value === acknowledged[offset]) continue
      throw new Violation(`1: a checkpoint has ${value} at offset ${offset}, expected ${acknowledged[offset]}`)
    }
  }

  /** Every checkpoint is absent, or complete and not damaged. */
  async #checkCheckpoints(): Promise<void> {
    for (const name of namesIn(this.fs, this.#config.dataDir)) {
      const [kind, , firstOffset, nextOffset] = name.split(' ')
      const dataDir = `${this.#config.dataDir}/${name}`
      if (kind !== 'checkpoint' || !namesIn(this.fs, `${dataDir}/${TOPIC}`).includes(String(PARTITION))) continue
      const records = await undamaged(() => readRecords(this.#process, { dataDir }, this.#values))
      const offsets = Array.from(
        { length: Number(nextOffset) - Number(firstOffset) },
        (_, index) => Number(firstOffset) + index,
      )
      const found = records.map(({ offset }) => offset).join()
      if (found !== offsets.join()) throw new Violation(`1: a checkpoint has [${found}], expected [${offsets.join()}]`)
    }
  }

  /** Closes the log, deletes it, and opens another one in its place. */
  async deleteLog(): Promise<void> {
    const process = this.#process
    await this.close()
    this.history.deletingLog()
    await deleteLog(process, this.#config, TOPIC, PARTITION)
    this.history.deletedLog()
    this.#forgetFrom(0)
    await this.open()
  }

  /** The names in the directory of the log. */
  get #names(): string[] {
    return namesIn(this.fs, `${this.#config.dataDir}/${TOPIC}/${PARTITION}`)
  }

  /** Closes the log. */
  async close(): Promise<void> {
    const writer = this.writer
    this.#writer = null
    await this.#fetchReader?.close()
    this.#fetchReader = null
    await writer.close()
    this.history.settled()
    if (this.fs.openHandles > 0 && this.#inProcessReader === null && this.#otherProcessReader === null)
      throw new Violation(`12: ${this.fs.openHandles} handles are open after close`)
  }

  /** The contents that a reader sees. */
  async read(): Promise<Contents> {
    const records = await undamaged(() => readRecords(this.#process, this.#config, this.#values))
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

/**
 * Runs an action on a log that had power cuts, kills and failures, but no damage. It must not be reported as damaged.
 */
async function undamaged<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof CorruptLogError || error instanceof UnsupportedFormatError)) throw error
    throw new Violation(`8: the log is refused, although it is not damaged: ${error.message}`, { cause: error })
  }
}

/** The names in a directory, synchronously; none if it does not exist. */
function namesIn(fs: InMemoryFileSystem | PlainFileSystem, directory: string): string[] {
  if (fs instanceof PlainFileSystem) return fs.namesIn(directory)
  return fs.volume.existsSync(directory) ? fs.volume.readdirSync(directory).map(String) : []
}

/** The bytes of a file, synchronously. */
function bytesOf(fs: InMemoryFileSystem | PlainFileSystem, path: string): Buffer {
  return Buffer.from(fs instanceof PlainFileSystem ? fs.bytesOf(path) : fs.volume.readFileSync(path))
}

/** The records that a reader sees. None if there is no log. */
async function readRecords(
  fs: FileSystem,
  config: WalConfig,
  values: ValueTable,
): Promise<{ offset: number; value: ValueId }[]> {
  const records: { offset: number; value: ValueId }[] = []
  try {
    const reader = await WalReader.open(fs, config, TOPIC, PARTITION)
    for await (const { offset, value } of reader.read())
      records.push({ offset: Number(offset), value: values.id(value) })
  } catch (error) {
    if (error instanceof LogNotFoundError) return []
    throw error
  }
  return records
}
