/** A log in a file system that can crash. Its calls record the history: the result that each caller got. */
import { ManualClock, Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { deleteLog, WalReader, WalWriter } from '@sq/storage'
import type { RetentionPolicy, WalConfig } from '@sq/storage'
import { DELETED, History, Violation } from '../history.ts'
import type { Contents, ValueTable } from '../history.ts'
import { ProcessFileSystem } from '../process-file-system.ts'
import { checkSomeRange } from '../ranges.ts'
import { Appended } from './appended.ts'
import { Appends } from './appends.ts'
import type { NewBatch } from './appends.ts'
import { Checkpoints } from './checkpoints.ts'
import { firstOffsetIn, namesIn } from './disk.ts'
import type { Disk } from './disk.ts'
import {
  checkBounds,
  checkBoundsFromFiles,
  drawLongPoll,
  fetchDuringCuts,
  fetchSome,
  LONG_POLL_MS,
} from './fetching.ts'
import { findRecords, undamaged } from './found-records.ts'
import { LimitsUnderTest } from './limits-under-test.ts'
import type { RecycledFiles } from './recycled-files.ts'
import { Shortening } from './shortening.ts'
import { Tailing } from './tailing.ts'

const CONFIG: WalConfig = { dataDir: '/d' }
export const TOPIC = 't'
export const PARTITION = 0

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
  /** Given if the writer's new segments are written over the bytes of earlier ones. */
  readonly recycled?: RecycledFiles
}

export class LogUnderTest<OfDisk extends Disk = InMemoryFileSystem> {
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
  /** The file system that the writer uses. */
  readonly #written: FileSystem
  #segmentIds: Random
  #writer: WalWriter | null = null
  readonly #appended = new Appended()
  readonly #appends: Appends
  readonly #shortening: Shortening
  readonly #checkpoints: Checkpoints
  readonly #tailing: Tailing
  /** Whether the deletion of the log has begun, and may have failed. */
  #isDeletionOpen = false
  /** The reader in the process of the writer that fetches; null before the first fetch. */
  #fetchReader: WalReader | null = null
  /** The number of readers that fetch while the log is shortened. */
  #pollingReaders = 0
  /** The reader in the other process that looks at the bounds of the log; null before the first look. */
  #boundsReader: WalReader | null = null

  constructor(fs: OfDisk, setting: Setting) {
    const { values, history = new History(), seed = 1, config = CONFIG, partition = PARTITION } = setting
    const { clock = new ManualClock(1000), limits, inBatches = false, recycled } = setting
    this.fs = fs
    this.#written = recycled?.over(fs) ?? fs
    this.#values = values
    this.history = history
    this.clock = clock
    this.#config = config
    this.#partition = partition
    this.#directory = `${config.dataDir}/${TOPIC}/${partition}`
    this.#limits = limits ?? new LimitsUnderTest(Number.MAX_SAFE_INTEGER)
    this.#inBatches = inBatches
    this.#segmentIds = new Random(seed)
    this.#process = new ProcessFileSystem(this.#written)
    this.#otherProcess = new ProcessFileSystem(fs, 'other process')
    this.#checkpoints = new Checkpoints({ disk: fs, config, topic: TOPIC, partition, values, inBatches })
    this.#tailing = new Tailing({
      history,
      values,
      inBatches,
      firstOffset: () => this.firstOffset,
      durableEnd: () => this.#writer?.nextOffset ?? null,
    })
    const open = {
      history,
      values,
      clock,
      limits: this.#limits,
      tailing: this.#tailing,
      appended: this.#appended,
      process: () => this.#process,
      writer: () => this.writer,
      isOpenWith: (writer: WalWriter) => this.#writer === writer,
      firstOffset: () => this.firstOffset,
    }
    this.#appends = new Appends(open)
    this.#shortening = new Shortening(open)
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
    this.#pollingReaders = 0
    this.#limits.begin()
    this.#process = new ProcessFileSystem(this.#written, `process ${this.#processes++} `)
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
      this.#appends.opened(this.#config)
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
    // The process may have died while it reset the log.
    this.#appended.forgetFrom(contents.length)
    this.#tailing.recovered(contents)
    if (this.#isDeletionOpen && contents.length === 0) this.#deleted()
    this.#isDeletionOpen = false
    const inRoot = JSON.stringify(namesIn(this.fs, '/'))
    if (inRoot !== '["d"]') throw new Violation(`10: expected only the data directory /d, found ${inRoot}`)
  }

  /** The numbers of acknowledged and of rejected appends. */
  get acknowledged(): number {
    return this.#appends.acknowledged
  }

  get rejected(): number {
    return this.#appends.rejected
  }

  /** Appends one record, or several as a batch. Resolves when the append has settled. */
  append(...values: Uint8Array[]): Promise<void> {
    return this.#appends.append(...values)
  }

  /**
   * Waits until there is room for a value, or for any if its size is not stated, and appends it. It must not be refused.
   * Without an append, it ends when the signal is aborted and when the log is closed.
   */
  appendWhenReady(value: Uint8Array, options: { isSizeStated: boolean; signal: AbortSignal }): Promise<void> {
    return this.#appends.appendWhenReady(value, options)
  }

  /**
   * Appends batches as a replica does: encoded, at the offsets where the log will end or, if `aside` is not 0, at other
   * ones. Resolves when the append has settled.
   */
  appendEncoded(batches: readonly NewBatch[], options: { aside?: number } = {}): Promise<void> {
    return this.#appends.appendEncoded(batches, options)
  }

  /** Changes options. What is appended later is judged by the options of this call. */
  configure(changes: Parameters<Appends['configure']>[0]): void {
    this.#appends.configure(changes)
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

  /**
   * Fetches several times at once, also with long polls, while an action shortens or deletes the log. Rejects as the
   * action does, or as the fetches.
   */
  async fetchDuring(random: Random, shorten: () => Promise<unknown>): Promise<void> {
    const process = this.#process
    // The fetches of the other reader end when the log is closed.
    const reader = await this.#openReader()
    this.#pollingReaders++
    const polls = Array.from({ length: 1 + random.int(3) }, () => drawLongPoll(this.#fetched, random))
    const fetches = polls.map((poll) =>
      fetchDuringCuts(this.#fetched, { reader, failures: () => process.failures }, poll),
    )
    // A failure is reported below.
    for (const fetching of fetches) fetching.catch(() => {})
    for (let turns = random.int(10); turns > 0; turns--) await new Promise(setImmediate)
    const [shortened] = await Promise.allSettled([shorten()])
    this.clock.advance(LONG_POLL_MS)
    const fetched = await Promise.allSettled(fetches)
    this.#pollingReaders--
    await process.whileAlive(() => reader.close())
    const failed = [shortened, ...fetched].find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
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
  deleteSegments(policy?: RetentionPolicy): Promise<void> {
    return this.#shortening.deleteSegments(policy)
  }

  /**
   * Deletes by age what is stamped before a time, by a clock that may be wrong by that much. Nothing else may be
   * deleted.
   */
  deleteByAge(options: { keepFromMs: number; aheadMs?: number }): Promise<void> {
    return this.#shortening.deleteByAge(options)
  }

  /** Deletes the records before an offset, and nothing else. */
  deleteRecords(before: number): Promise<void> {
    return this.#shortening.deleteRecords(before)
  }

  /** Drops all records from an offset on. Refused inside an opaque batch. */
  truncate(offset: number): Promise<void> {
    return this.#shortening.truncate(offset)
  }

  /** Drops all records, and continues at an offset that is not the log end offset. */
  reset(offset: number): Promise<void> {
    return this.#shortening.reset(offset)
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
    if (process.held > 0 && !this.#tailing.isInProcess && this.#pollingReaders === 0)
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
