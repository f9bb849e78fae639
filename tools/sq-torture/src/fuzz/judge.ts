/**
 * Runs a reader, the listing, `verify` and a writer on a fuzzed log, and checks their results. Whatever is in the
 * files, the result is success or an error that says why, after a bounded number of operations and with bounded memory.
 * `verify` never fails, and reports whatever the others refuse. A writer that refuses the log must change nothing, and
 * one that opens it must not lose acknowledged records.
 */
import { ManualClock, Random } from '@sq/sim'
import { CrashImage, InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, OpaqueBatchError, verify, WalError, WalReader, WalWriter } from '@sq/storage'
import type { LogRecord, LogReport, RecordBatch, WalConfig } from '@sq/storage'
import { Violation } from '../history.ts'
import type { FuzzCase } from './fuzz-case.ts'
import { CONFIG, directoryOf, fingerprint, fingerprintOfOpaque, PARTITION, readFiles } from './good-logs.ts'
import type { Files } from './good-logs.ts'
import { WatchedFileSystem } from './watched-file-system.ts'

/** The allowed results: everything was read, or the code of an error. */
type Answer = 'whole' | 'SQ_WAL_CORRUPT' | 'SQ_WAL_UNSUPPORTED' | 'SQ_WAL_IO'

export interface Verdict {
  readonly reader: Answer
  readonly writer: Answer | 'torn'
}

/** The records and opaque batches that were read, and how the reading ended. */
interface Readout {
  readonly found: readonly Found[]
  readonly answer: Answer
}

/** A record, or an opaque batch as a whole. */
interface Found {
  readonly offset: bigint
  readonly nextOffset: bigint
  readonly content: string
}

/** The limit on operations in a step: a constant, plus a number per segment, plus one per number of bytes. */
const OPERATIONS = 200
const OPERATIONS_A_SEGMENT = 40
/** Added for `verify`: it tries twice to restore each of up to a thousand problems of a segment. */
const OPERATIONS_A_VERIFICATION = 6000
const BYTES_AN_OPERATION = 200
/** The limit on bytes read in a step: a multiple of the size of the files, plus a number per file. */
const READS_OF_A_BYTE = 16
const BYTES_A_SEGMENT = 2 ** 21
/** The largest position. Of a longer file, only the beginning needs to be read. */
const MAX_POSITION = 2 ** 32 - 1

/** Judges one case after another in the same file system: creating one costs more than a case. */
export class Judge {
  readonly #fs = new InMemoryFileSystem()

  /** Rejects with a `Violation`. */
  async judge(fuzzed: FuzzCase): Promise<Verdict> {
    const directory = directoryOf(fuzzed.log.topic)
    const entries = new Map<string, Uint8Array | null>([[CONFIG.dataDir, null]])
    entries.set(`${CONFIG.dataDir}/${fuzzed.log.topic}`, null).set(directory, null)
    let bytes = 0
    let sparseBytes = 0
    for (const [name, file] of fuzzed.files) {
      entries.set(`${directory}/${name}`, new Uint8Array(file))
      bytes += file.length
      const size = fuzzed.sizes.get(name) ?? 0
      if (size <= MAX_POSITION) sparseBytes += size
    }
    this.#fs.crash(new CrashImage(entries))
    const operations = OPERATIONS + OPERATIONS_A_SEGMENT * fuzzed.files.size + bytes / BYTES_AN_OPERATION
    const bytesRead = READS_OF_A_BYTE * (bytes + sparseBytes) + BYTES_A_SEGMENT * (1 + fuzzed.files.size)
    // Zeros are read in large pieces.
    const limits = { operations: operations + sparseBytes / 2 ** 14, bytesRead }
    const trial = new Trial(this.#fs, { fuzzed, directory, limits })
    try {
      return await trial.run()
    } finally {
      trial.end()
    }
  }
}

/** The limits of a step. */
interface Limits {
  readonly operations: number
  readonly bytesRead: number
}

class Trial {
  readonly #fs: InMemoryFileSystem
  readonly #watched: WatchedFileSystem
  readonly #fuzzed: FuzzCase
  readonly #directory: string
  readonly #config: WalConfig
  readonly #limits: Limits
  readonly #stopCounting: () => void
  #operations = 0

  constructor(fs: InMemoryFileSystem, trial: { fuzzed: FuzzCase; directory: string; limits: Limits }) {
    this.#fs = fs
    const { sizes, kinds } = trial.fuzzed
    const pathOf = (name: string) => `${trial.directory}/${name}`
    this.#watched = new WatchedFileSystem(fs, {
      sizes: new Map(Array.from(sizes, ([name, size]) => [pathOf(name), size])),
      kinds: new Map(Array.from(kinds, ([name, kind]) => [pathOf(name), kind])),
    })
    this.#fuzzed = trial.fuzzed
    this.#directory = trial.directory
    this.#config = { ...CONFIG, maxSegmentBytes: trial.fuzzed.maxSegmentBytes }
    this.#limits = trial.limits
    this.#stopCounting = fs.operations.observe(({ phase }) => {
      if (phase === 'start') this.#operations++
      const { operations } = this.#limits
      if (this.#operations > operations) throw new Violation(`12: the step did not end after ${operations} operations`)
    })
  }

  end(): void {
    this.#stopCounting()
  }

  async run(): Promise<Verdict> {
    const before = await this.#step(() => this.#read())
    await this.#step(() => this.#list(before))
    const files = await readFiles(this.#fs, this.#directory)
    const report = await this.#step(() => this.#verify(before), OPERATIONS_A_VERIFICATION)
    const opened = await this.#step(() => this.#open())
    if (!(opened instanceof WalWriter)) {
      // Only a writer opens these files.
      const isInTheWay = ['lock', 'next.tmp'].some((name) => this.#fuzzed.kinds.has(name))
      this.#mustBeUnchanged(files, await readFiles(this.#fs, this.#directory))
      if (report.problems.length === 0 && !isInTheWay) {
        throw new Violation(`1: verify found no problem, but a writer refused the log with ${opened}`)
      }
      if (before.answer === 'whole' && !isInTheWay) {
        throw new Violation(`1: a reader read the whole log, but a writer refused it with ${opened}`)
      }
      return { reader: before.answer, writer: opened }
    }
    await this.#goOn(opened, before)
    return { reader: before.answer, writer: opened.recovery.kind === 'torn' ? 'torn' : 'whole' }
  }

  /** Runs a step that must end within its limits. */
  async #step<T>(action: () => Promise<T>, moreOperations = 0): Promise<T> {
    this.#operations = -moreOperations
    this.#watched.bytesRead = 0
    const result = await action()
    const { bytesRead } = this.#watched
    if (bytesRead > this.#limits.bytesRead) {
      throw new Violation(`10: ${bytesRead} bytes were read, more than the limit of ${this.#limits.bytesRead}`)
    }
    if (this.#watched.violation !== null) throw this.#watched.violation
    return result
  }

  /** Checks that nothing is open. */
  #mustBeClosed(): void {
    if (this.#fs.openHandles > 0) throw new Violation(`12: ${this.#fs.openHandles} handles or locks are still open`)
  }

  async #read(): Promise<Readout> {
    const found: Found[] = []
    const answer = await answerOf(async () => {
      const reader = await WalReader.open(this.#watched, this.#config, this.#fuzzed.log.topic, PARTITION)
      try {
        for await (const record of reader.read()) found.push(foundRecord(record))
      } catch (error) {
        if (!(error instanceof OpaqueBatchError)) throw error
        // An opaque batch may begin before the log does.
        await readOpaque(reader, found.length === 0 ? undefined : error.baseOffset, found)
      }
    })
    let expected = found[0]?.offset ?? 0n
    for (const each of found) {
      if (each.offset !== expected) throw new Violation(`2: expected offset ${expected}, found ${each.offset}`)
      expected = each.nextOffset
      if (!this.#fuzzed.forged) this.#mustBeWritten(each)
    }
    return { found, answer }
  }

  /** Checks that something was written at its offset, or is the record that this judge appended. */
  #mustBeWritten({ offset, content }: Found): void {
    if (content === fingerprint(PROBE)) return
    const { sources } = this.#fuzzed
    if (!sources.some(({ written }) => written.get(offset)?.has(content))) {
      throw new Violation(`2: offset ${offset} has a record that was never written there: ${content.slice(0, 80)}`)
    }
  }

  async #list({ found, answer }: Readout): Promise<void> {
    const { topic } = this.#fuzzed.log
    let next = 0n
    const listing = await answerOf(async () => {
      for (const segment of await listSegments(this.#watched, this.#config, topic, PARTITION)) {
        const { sizeBytes: size } = await this.#watched.stat(segment.path)
        if (segment.bytes > size)
          throw new Violation(`2: a file of ${size} bytes is listed with ${segment.bytes} bytes`)
        next = segment.nextOffset
      }
    })
    this.#mustBeClosed()
    if (answer !== 'whole') return
    if (listing !== 'whole')
      throw new Violation(`1: a reader read the whole log, but the listing failed with ${listing}`)
    const last = found.at(-1)
    if (last !== undefined && last.nextOffset !== next) {
      throw new Violation(`2: the listing ends at offset ${next}, but the records end at ${last.nextOffset}`)
    }
  }

  /** Checks that `verify` reports whatever a reader refuses, and that without a problem both find the same records. */
  async #verify({ found, answer }: Readout): Promise<LogReport> {
    const report = await verify(this.#watched, this.#config, this.#fuzzed.log.topic, PARTITION)
    this.#mustBeClosed()
    if (report.problems.length > 0) return report
    if (answer !== 'whole') throw new Violation(`1: verify found no problem, but a reader failed with ${answer}`)
    const records = Number((found.at(-1)?.nextOffset ?? 0n) - (found[0]?.offset ?? 0n))
    if (report.records !== records) {
      throw new Violation(`1: verify found ${report.records} records, but a reader found ${records}`)
    }
    return report
  }

  async #open(): Promise<WalWriter | Answer> {
    let writer: WalWriter | undefined
    const settings = { clock: new ManualClock(), random: new Random(7) }
    const answer = await answerOf(async () => {
      writer = await WalWriter.open(this.#watched, this.#config, this.#fuzzed.log.topic, PARTITION, settings)
    })
    if (writer === undefined) this.#mustBeClosed()
    return writer ?? answer
  }

  /** Checks that a writer loses no acknowledged record, also in a power cut. */
  async #goOn(writer: WalWriter, before: Readout): Promise<void> {
    const offset = writer.nextOffset
    const appended = await this.#step(() => this.#append(writer))
    await this.#step(() => writer.close())
    this.#mustBeClosed()
    this.#fs.crash()
    const after = await this.#step(() => this.#read())
    const expected = [...before.found, ...(appended ? [foundRecord({ ...PROBE, offset })] : [])]
    if (before.answer === 'whole' && !isSame(after, expected)) {
      throw new Violation(`1 or 4: ${after.found.length} of ${expected.length} records are left (${after.answer})`)
    }
    const again = await this.#step(() => this.#open())
    if (!(again instanceof WalWriter))
      throw new Violation(`8: a log that was opened and closed is refused with ${again}`)
    await again.close()
    const next = offset + (appended ? 1n : 0n)
    if (again.nextOffset !== next) throw new Violation(`1: the next offset is ${again.nextOffset}, expected ${next}`)
    if (again.recovery.kind !== 'clean') throw new Violation('1: a log that was closed is torn')
  }

  /** Appends a record. False if the log has no offsets left. */
  async #append(writer: WalWriter): Promise<boolean> {
    const offset = writer.nextOffset
    const [outcome] = await Promise.allSettled([writer.appendBatch([PROBE])])
    if (outcome.status === 'rejected') {
      if (offset >= BigInt(Number.MAX_SAFE_INTEGER) && outcome.reason instanceof RangeError) return false
      throw outcome.reason
    }
    if (outcome.value !== offset) throw new Violation(`6: an append got offset ${outcome.value}, expected ${offset}`)
    return true
  }

  #mustBeUnchanged(before: Files, now: Files): void {
    const same = now.size === before.size && [...before].every(([name, bytes]) => now.get(name)?.equals(bytes) ?? false)
    if (!same) throw new Violation('9: a writer refused the log, but changed it')
  }
}

/** The record that is appended if the log opens. */
const PROBE = { key: null, value: Buffer.from('appended after all that'), headers: [], timestampMs: 1 }

function isSame({ found, answer }: Readout, expected: readonly Found[]): boolean {
  if (answer !== 'whole' || found.length !== expected.length) return false
  return expected.every(({ offset, content }, index) => {
    return found[index]?.offset === offset && found[index].content === content
  })
}

function foundRecord(record: LogRecord): Found {
  return { offset: record.offset, nextOffset: record.offset + 1n, content: fingerprint(record) }
}

/** The records of a batch; an error of the log if there are none. */
function recordsOf(batch: RecordBatch): readonly LogRecord[] {
  try {
    return batch.records()
  } catch (error) {
    if (error instanceof RangeError) throw new WalError('SQ_WAL_CORRUPT', error.message, { cause: error })
    throw error
  }
}

/** Reads the rest of a log, from an opaque batch on, by batches. */
async function readOpaque(reader: WalReader, from: bigint | undefined, found: Found[]): Promise<void> {
  for await (const batch of reader.readBatches({ from, exact: true })) {
    const { baseOffset: offset, nextOffset } = batch
    if (batch.isOpaque) found.push({ offset, nextOffset, content: fingerprintOfOpaque(batch) })
    else found.push(...recordsOf(batch).map(foundRecord))
  }
}

/** Whether an error says that a path is not a regular file. */
function isNoFile(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null
  return cause instanceof Error && 'code' in cause && ['ELOOP', 'EISDIR', 'EFTYPE'].includes(String(cause.code))
}

/** The result of an action on a log. Anything but success or a fitting error is a violation. */
async function answerOf(action: () => Promise<void>): Promise<Answer> {
  try {
    await action()
    return 'whole'
  } catch (error) {
    if (error instanceof Violation) throw error
    const code = error instanceof WalError ? error.code : null
    if (code === 'SQ_WAL_CORRUPT' || code === 'SQ_WAL_UNSUPPORTED') return code
    if (code === 'SQ_WAL_IO' && isNoFile(error)) return code
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    throw new Violation(`1: an unexpected error: ${what}`, { cause: error })
  }
}
