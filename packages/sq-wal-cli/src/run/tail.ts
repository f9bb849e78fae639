/** Prints the last records of logs and, with --follow, new ones. */
import { WalReader } from '@sq/storage'
import type { LogRecord, ReadOptions } from '@sq/storage'
import { catchInterruption } from '../interruption.ts'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { isOutputGone, printNotice } from '../output.ts'
import type { Place } from '../place.ts'
import { UsageError } from '../usage-error.ts'
import { startAt } from './cat.ts'
import { onEachLog, tellIfMisplaced } from './each-log.ts'
import { followLogs } from './follow.ts'
import { lastSelected } from './last-selected.ts'
import { readableRecords } from './readable-records.ts'
import { RecordFilter } from './record-filter.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'

export interface TailOptions extends RecordOptions {
  readonly count?: number
  readonly from?: Place
  readonly follow?: boolean
}

const DEFAULT_COUNT = 10

/** Resolves with the exit status: 0 also after a signal. */
export async function tail(selection: Selection, options: TailOptions): Promise<number> {
  const { follow = false, grep } = options
  if (options.from !== undefined && options.count !== undefined) {
    throw new UsageError('--from and --count both say where to begin; use only one of them')
  }
  // A slow pattern blocks the event loop, and a signal handler would not run. So the signal must end the process
  // itself.
  using interruption = grep === undefined ? catchInterruption() : null
  const gone = new AbortController()
  process.stdout.once('close', () => gone.abort())
  const signal = interruption === null ? gone.signal : AbortSignal.any([gone.signal, interruption.signal])
  const tailing = new Tailing(selection, options, signal)
  let status = 0
  try {
    status = follow ? await followLogs(selection, tailing) : await onEachLog(selection, (log) => tailing.printLast(log))
  } catch (error) {
    if (!signal.aborted) throw error
  }
  await tailing.writer.flush()
  return options.exitStatus === true && tailing.writer.written === 0 ? 1 : status
}

/** One call of the command. */
class Tailing {
  readonly signal: AbortSignal
  readonly writer: RecordWriter
  readonly #selection: Selection
  readonly #options: TailOptions
  /** Resolves when the last record of any log is written. */
  #turn: Promise<void> = Promise.resolve()

  constructor(selection: Selection, options: TailOptions, signal: AbortSignal) {
    this.signal = signal
    this.writer = new RecordWriter(options, { writesLogs: selection.single === null })
    this.#selection = selection
    this.#options = options
  }

  /** Prints the last records of a log, or those from a place on. */
  async printLast(log: LocatedLog): Promise<void> {
    const filter = new RecordFilter(this.#options)
    await using reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
    const { logEndOffset: to } = await reader.bounds()
    const start = await this.#start(reader, filter)
    try {
      for await (const record of readableRecords(reader, { ...start, to, ...this.#read })) {
        if (!filter.selects(record)) continue
        await this.writer.write(record, log)
        if (isOutputGone()) break
      }
    } finally {
      await this.writer.flush()
    }
    const notice = this.#options.count === 0 || isOutputGone() ? null : filter.describeNone()
    if (notice === null) return
    printNotice(this.#selection.single === null ? `${log.topic}/${log.partition}: ${notice}` : notice)
  }

  /** Prints the records of a log until the signal. `isNew`: whether to begin with the first record. */
  async follow(log: LocatedLog, isNew: boolean): Promise<void> {
    tellIfMisplaced(log)
    const filter = new RecordFilter(this.#options)
    await using reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
    const start = isNew ? {} : await this.#start(reader, filter)
    for await (const record of readableRecords(reader, { ...start, follow: true, ...this.#read })) {
      if (!filter.selects(record)) continue
      // One record at a time: each is written as a whole.
      this.#turn = this.#print(record, log, this.#turn)
      await this.#turn
    }
  }

  async #print(record: LogRecord, log: LocatedLog, before: Promise<void>): Promise<void> {
    await before
    await this.writer.write(record, log)
    await this.writer.flush()
  }

  get #read(): ReadOptions {
    return { durableOnly: this.#options.durableOnly, signal: this.signal }
  }

  async #start(reader: WalReader, filter: RecordFilter): Promise<ReadOptions> {
    const { from, count = DEFAULT_COUNT } = this.#options
    if (from !== undefined) return startAt(from)
    const { logStartOffset, logEndOffset } = await reader.bounds()
    const range = { first: logStartOffset, next: logEndOffset, ...this.#read }
    return { from: await lastSelected(reader, filter, { ...range, count }) }
  }
}
