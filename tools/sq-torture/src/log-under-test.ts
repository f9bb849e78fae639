/** A log in a file system that may crash, driven by calls that keep its history: what each caller was told. */
import { ManualClock, Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import {
  BacklogFullError,
  ClockSuspectError,
  CorruptLogError,
  LogNotFoundError,
  UnsupportedFormatError,
  WalReader,
  WalWriter,
} from '@sq/storage'
import type { LogRecord, RetentionPolicy, WalConfig } from '@sq/storage'
import { DELETED, History, Violation } from './history.ts'
import type { Contents, ValueId, ValueTable } from './history.ts'
import { DistantFollower } from './distant-follower.ts'
import { Follower } from './follower.ts'
import { ProcessFileSystem } from './process-file-system.ts'
import { checkSomeRange, MAX_TIMESTAMP_MS } from './ranges.ts'

const CONFIG: WalConfig = { dataDir: '/d' }
export const TOPIC = 't'
export const PARTITION = 0

export class LogUnderTest {
  /** How many appends were acknowledged and rejected. */
  acknowledged = 0
  rejected = 0
  #processes = 0
  /** The process that has the log open. */
  #process: ProcessFileSystem
  /** The process of one who follows from elsewhere; it dies with the other, unless that one dies alone. */
  #elsewhere: ProcessFileSystem
  #died: () => void = () => {}
  #death: Promise<void> = Promise.resolve()
  readonly fs: InMemoryFileSystem
  readonly history: History
  /** Close to the timestamps, so that records are as old as the log. */
  readonly clock: ManualClock = new ManualClock(1000)
  readonly #values: ValueTable
  readonly #config: WalConfig
  #segmentIds: Random
  #writer: WalWriter | null = null
  /** What was acknowledged when the last truncation began: one who follows may just have been given some of it. */
  #beforeCut: Contents = []
  /** All that was ever in the log, by offset: one who is busy may come to it when it was truncated or deleted long ago. */
  readonly #ever: Set<ValueId>[] = []
  #isFollowerBusy = false
  readonly #cuts: number[] = []
  #timestamps = 0
  /** The timestamps of records that were acknowledged, by offset. */
  readonly #timestampsMs: (number | undefined)[] = []
  /** Whether the wall clock has been wrong: what was created then is no witness any more. */
  #wasClockWrong = false
  #follower: Follower | null = null
  #distantFollower: DistantFollower | null = null
  /** What one who followed from another process was given as durable before this one began. */
  readonly #mustStay = new Map<bigint, ValueId>()

  constructor(
    fs: InMemoryFileSystem,
    setting: { values: ValueTable; history?: History; seed?: number; config?: WalConfig },
  ) {
    this.fs = fs
    this.#values = setting.values
    this.history = setting.history ?? new History()
    this.#config = setting.config ?? CONFIG
    this.#segmentIds = new Random(setting.seed ?? 1)
    this.#process = new ProcessFileSystem(fs)
    this.#elsewhere = new ProcessFileSystem(fs, 'elsewhere')
    this.#begin()
  }

  /** The process dies: what it waits for never comes, what it was doing goes no further. Another one may open the log. */
  die(): void {
    this.#follower?.throwIfFailed()
    this.#follower = null
    this.#distantFollower?.throwIfFailed()
    for (const [offset, id] of this.#distantFollower?.mustStay ?? []) this.#mustStay.set(offset, id)
    this.#distantFollower = null
    this.#process.die()
    this.#elsewhere.die()
    this.#writer = null
    this.#died()
    this.#begin()
  }

  /**
   * The process dies while it waits for nothing, so that another one may open the log; whoever follows from elsewhere
   * lives on, and may have been given what the next writer does not find.
   */
  async dieAlone(): Promise<void> {
    this.#follower?.throwIfFailed()
    this.#follower = null
    await this.#process.dieAlone()
    this.#writer = null
    this.#died()
    this.#beginHere()
  }

  #begin(): void {
    this.#elsewhere = new ProcessFileSystem(this.fs, 'elsewhere')
    this.#beginHere()
  }

  #beginHere(): void {
    // What one process has told its readers is nothing to the next.
    this.#process = new ProcessFileSystem(this.fs, `process ${this.#processes++} `)
    this.#death = new Promise((resolve) => {
      this.#died = resolve
    })
  }

  /** Waits for something the process does, or for its death. */
  async untilDead(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#death])
  }

  /** Whether somebody follows from another process. */
  get isFollowedElsewhere(): boolean {
    return this.#distantFollower !== null
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
   * Opens the log, and holds what it finds against the history, and against what a reader saw before, if one is to look.
   * Where this rejects, it may be tried again.
   */
  async open({ readsBefore = true }: { readsBefore?: boolean } = {}): Promise<Contents> {
    const before = readsBefore ? await this.read() : null
    const settings = { clock: this.clock, random: this.#segmentIds }
    const writer = await undamaged(() => WalWriter.open(this.#process, this.#config, TOPIC, PARTITION, settings))
    try {
      const contents = await this.read()
      this.#check(writer, { before, contents })
      for (const [offset, id] of contents.entries()) this.#keep(offset, id)
      this.#writer = writer
      return contents
    } catch (error) {
      // What was wrong before is what is told.
      await writer.close().catch(() => {})
      throw error
    }
  }

  #check({ nextOffset }: WalWriter, { before, contents }: { before: Contents | null; contents: Contents }): void {
    if (nextOffset !== BigInt(contents.length)) {
      throw new Violation(`2: ${contents.length} records are there, the next offset is ${nextOffset}`)
    }
    if (before !== null && contents.join() !== before.join()) {
      throw new Violation(`4: a reader saw [${before.join(' ')}], and after recovery [${contents.join(' ')}]`)
    }
    this.history.recovered(contents)
    for (const [offset, id] of this.#mustStay) {
      const stands = contents[Number(offset)]
      if (stands !== id && stands !== DELETED) {
        throw new Violation(`7: ${id} was read as durable at offset ${offset}, and after recovery there is ${stands}`)
      }
    }
    this.#mustStay.clear()
    const inRoot = JSON.stringify(this.fs.volume.readdirSync('/'))
    if (inRoot !== '["d"]') throw new Violation(`10: beside the data directory, /d, there is something: ${inRoot}`)
  }

  /** Appends one record, or several as a batch. Resolves, either way, once the caller was told. */
  async append(...values: Uint8Array[]): Promise<void> {
    const caller = this.#process
    const unit = this.history.attempt(values.map((value) => this.#values.id(value)))
    const records = values.map((value) => ({ key: null, value, headers: [], timestampMs: this.#nextTimestampMs() }))
    const [outcome] = await Promise.allSettled([this.writer.appendBatch(records)])
    // A process that died was told nothing.
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

  /** One after another, and in no order. */
  #nextTimestampMs(): number {
    this.#timestamps++
    return 1 + ((17 * this.#timestamps) % MAX_TIMESTAMP_MS)
  }

  #keep(offset: number, id: ValueId): void {
    this.#ever[offset] = (this.#ever[offset] ?? new Set()).add(id)
  }

  /** Reads beside the writer, which may be at work: nothing may be seen that is not durable. */
  async readBesideWriter(): Promise<void> {
    const contents = await this.read()
    if (BigInt(contents.length) > this.writer.nextOffset) {
      throw new Violation(`7: a reader saw ${contents.length} records, ${this.writer.nextOffset} are durable`)
    }
    if (!this.history.allows((whole) => contents.every((value, offset) => value === whole[offset]))) {
      throw new Violation(`7: a reader saw [${contents.join(' ')}]`)
    }
  }

  /** Reads a part of the log beside the writer, which may be at work but neither deletes nor truncates. */
  async readSomeRange(random: Random): Promise<void> {
    const reader = await WalReader.open(this.#process, this.#config, TOPIC, PARTITION)
    await undamaged(() => checkSomeRange(reader, random))
  }

  /** Has somebody follow the log, all of it, as long as this process lives; busy with each record for some turns. */
  follow({ isBusy, busyTurns }: { isBusy: boolean; busyTurns: () => number }): void {
    this.#isFollowerBusy = isBusy
    const process = this.#process
    this.#follower ??= new Follower({
      isAlive: () => !process.dead,
      openReader: () => WalReader.open(process, this.#config, TOPIC, PARTITION),
      check: (record) => this.#checkFollowed(record),
      cuts: this.#cuts,
      busyTurns,
    })
  }

  /** The same from another process: who shares nothing with the writer of this one. */
  followFromElsewhere({ durableOnly, busyTurns }: { durableOnly: boolean; busyTurns: () => number }): void {
    const elsewhere = this.#elsewhere
    this.#distantFollower ??= new DistantFollower({
      isAlive: () => !elsewhere.dead,
      openReader: () => WalReader.open(elsewhere, this.#config, TOPIC, PARTITION),
      idOf: ({ value }) => this.#values.id(value),
      cuts: this.#cuts,
      durableOnly,
      busyTurns,
    })
  }

  /** Whoever follows must come to the end, soon; then nobody follows any more. */
  async stopFollowing(): Promise<void> {
    await this.#distantFollower?.converges(this.history.acknowledged)
    this.#distantFollower = null
    await this.#follower?.reaches(this.writer.nextOffset)
    this.#follower = null
  }

  #checkFollowed({ offset, value }: LogRecord): void {
    const at = Number(offset)
    const id = this.#values.id(value)
    // The newest records, too, may be deleted by their age before they reach who follows.
    const mayBeLate = this.#isFollowerBusy || at < this.firstOffset
    if (mayBeLate ? this.#ever[at]?.has(id) === true : this.#beforeCut[at] === id) return
    if (this.#writer !== null && offset >= this.#writer.nextOffset) {
      throw new Violation(`7: who follows saw offset ${offset}, and ${this.#writer.nextOffset} are durable`)
    }
    if (!this.history.allows((whole) => whole[at] === id)) {
      throw new Violation(`7: who follows saw ${id} at offset ${offset}`)
    }
  }

  /** Ends the active segment. */
  async rotate(): Promise<void> {
    await this.writer.closeActiveSegment()
    this.history.settled()
  }

  /** Deletes what a policy lets go; all segments but the active one, if none is given. */
  async deleteSegments(policy: RetentionPolicy = { maxTotalBytes: 0 }): Promise<void> {
    const { firstOffset } = this
    this.history.deleting()
    try {
      await this.writer.deleteSegments(policy)
    } catch (error) {
      if (error instanceof ClockSuspectError && this.firstOffset > firstOffset) {
        throw new Violation(`11: segments were deleted by a clock that is refused: ${error.message}`, { cause: error })
      }
      this.history.deletionFailed()
      throw error
    }
    this.history.deleted(this.firstOffset)
  }

  /**
   * Deletes by age what is stamped before a time, by a clock that may be wrong: it says so much more than it should.
   * Nothing else may go.
   */
  async deleteByAge({ keepFromMs, aheadMs = 0 }: { keepFromMs: number; aheadMs?: number }): Promise<void> {
    const { firstOffset, clock } = this
    const rightMs = clock.now()
    const isKnown = aheadMs === 0 || !this.#wasClockWrong
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

  /** Drops all records from an offset on. */
  async truncate(offset: number): Promise<void> {
    const { writer } = this
    this.#beforeCut = this.history.acknowledged
    this.#cuts.push(offset)
    this.history.truncating(offset)
    this.#timestampsMs.splice(offset)
    try {
      await writer.truncate(BigInt(offset))
    } catch (error) {
      this.history.truncationFailed({ offset, nextOffset: writer.nextOffset })
      throw error
    }
    this.#timestampsMs.splice(offset)
    this.history.truncated(offset)
  }

  /** The first offset of the log, by the names in its directory. */
  get firstOffset(): number {
    const directory = `${this.#config.dataDir}/${TOPIC}/${PARTITION}`
    if (!this.fs.volume.existsSync(directory)) return 0
    const names = this.fs.volume.readdirSync(directory).map(String)
    const bases = names.filter((name) => name.endsWith('.wal')).map((name) => Number.parseInt(name, 10))
    return bases.length === 0 ? 0 : Math.min(...bases)
  }

  /** Closes in order. */
  async close(): Promise<void> {
    const writer = this.writer
    this.#writer = null
    await writer.close()
    this.history.settled()
    if (this.fs.openHandles > 0 && this.#follower === null && this.#distantFollower === null)
      throw new Violation(`12: ${this.fs.openHandles} handles are open after close`)
  }

  /** The contents, as a reader sees them. */
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

/** Looks at a log that met power cuts, kills and refusals, and no damage: it must not be taken for damaged. */
async function undamaged<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof CorruptLogError || error instanceof UnsupportedFormatError)) throw error
    throw new Violation(`8: without any damage the log is refused: ${error.message}`, { cause: error })
  }
}

/** The records of a log as a reader sees them; none where there is no log. */
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
