/** Appends the records of its inputs to a log. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isDeepStrictEqual } from 'node:util'
import { NodeFileSystem } from '@sq/sim'
import { AppendAllError, LogNotFoundError, WalReader, WalWriter } from '@sq/storage'
import type { CommitEvent, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { inputBytes, readInputs, STANDARD_INPUT } from '../input/record-input.ts'
import type { InputFormat, InputRecord } from '../input/record-input.ts'
import type { JsonFields } from '../input/json-record.ts'
import { catchInterruption } from '../interruption.ts'
import type { DataDirOption, LogName } from '../log-name.ts'
import { messageOf } from '../message-of.ts'
import { formatBytes, formatCount, printLine, printLines, printNotice } from '../output.ts'
import { progressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'

export interface AppendOptions extends JsonFields, DataDirOption {
  readonly format: InputFormat
  readonly offsets?: boolean
  readonly resumeFrom?: bigint
  /** Whether each record of the format `sq` must get the offset that it had. */
  readonly checkOffsets?: boolean
}

/** The limit on printed offsets that the reader of stdout has not taken yet. At the limit, reading the input waits. */
const MAX_OUTPUT_BYTES = 1024 * 1024

/** Rejects with a `CommandError` that says how many records are durable. */
export async function append(log: LogName, files: readonly string[], options: AppendOptions): Promise<void> {
  const { format, keyField, valueField, timestampField, timestampUnit, headerField, checkOffsets = false } = options
  if (format !== 'json' && (keyField ?? valueField ?? timestampField ?? timestampUnit ?? headerField) !== undefined) {
    throw new UsageError(
      '--key-field, --value-field, --timestamp-field, --timestamp-unit and --header-field need --format json',
    )
  }
  if (checkOffsets && format !== 'sq') throw new UsageError('--check-offsets needs --format sq')
  if (timestampUnit !== undefined && timestampField === undefined) {
    throw new UsageError('--timestamp-unit needs --timestamp-field')
  }
  const inputs = files.length === 0 ? [STANDARD_INPUT] : files
  const total = await inputBytes(inputs)
  using interruption = catchInterruption()
  const { signal } = interruption
  using bar = await progressBar('appending', { total, format: formatBytes })
  let read = 0
  const onRead = (bytes: number): void => bar.reached((read += bytes))
  const appending = new Appending(log, options)
  try {
    await appending.run(readInputs(inputs, { ...options, signal, onRead, onDoubt: printNotice }))
    // Ctrl-C may have ended the program that writes the input, before this one noticed its signal.
    signal.throwIfAborted()
  } catch (error) {
    bar.stop()
    const cause = error instanceof AppendAllError ? error.cause : error
    if (error instanceof UsageError) throw error
    const message = `${messageOf(cause)}; ${appending.describe()}`
    if (cause !== signal.reason) throw new CommandError(message, { cause })
    throw new CommandError(message, { cause, exitStatus: interruption.exitStatus })
  }
  bar.stop()
  if (options.offsets !== true) await printLine(appending.describe())
}

/** One call of the command, and its progress. */
class Appending {
  readonly #log: LogName
  readonly #options: AppendOptions
  /** The number of durable records, and the offset of the first one. */
  #records = 0
  #firstOffset: bigint | null = null
  /** Resolves when the last printed offsets have been taken. */
  #printed: Promise<void> = Promise.resolve()

  constructor(log: LogName, options: AppendOptions) {
    this.#log = log
    this.#options = options
  }

  async run(records: AsyncGenerator<InputRecord>): Promise<void> {
    const { config, topic, partition } = this.#log
    const { resumeFrom } = this.#options
    const stored = resumeFrom === undefined ? null : await this.#skipStored(records, resumeFrom)
    // Without a record to append, no log is created.
    const first = await records.next()
    if (first.done === true) return
    const writer = await WalWriter.open(new NodeFileSystem(), config, topic, partition)
    const onCommit = (event: unknown): void => this.#committed(event)
    subscribe('sq:wal:commit', onCommit)
    try {
      if (stored !== null && stored !== writer.nextOffset) {
        throw new CommandError(
          `another process appends to the log: its next offset was ${stored}, and is now ${writer.nextOffset}`,
        )
      }
      const paced = this.#paced(first.value, records)
      await writer.appendAll(this.#options.checkOffsets === true ? checked(paced, writer.nextOffset) : paced)
    } catch (error) {
      // Report the first error, not one that follows from it.
      await writer.close().catch(() => {})
      throw error
    } finally {
      unsubscribe('sq:wal:commit', onCommit)
    }
    await writer.close()
    await this.#printed
  }

  /** `3 records are durable in orders/0, offsets 4-6`. */
  describe(): string {
    const log = `${this.#log.topic}/${this.#log.partition}`
    if (this.#firstOffset === null) return `no record was appended to ${log}`
    if (this.#records === 1) return `1 record is durable in ${log}, offset ${this.#firstOffset}`
    const last = this.#firstOffset + BigInt(this.#records - 1)
    return `${formatCount(this.#records)} records are durable in ${log}, offsets ${this.#firstOffset}-${last}`
  }

  /** Applies the backpressure of the printed offsets to the input. */
  async *#paced(first: InputRecord, others: AsyncIterable<InputRecord>): AsyncGenerator<InputRecord> {
    yield first
    for await (const record of others) {
      yield record
      if (process.stdout.writableLength > MAX_OUTPUT_BYTES) await this.#printed
    }
  }

  #committed(event: unknown): void {
    if (!isCommit(event) || event.error !== null) return
    const { baseOffset, records } = event
    this.#firstOffset ??= baseOffset
    this.#records += records
    if (this.#options.offsets !== true) return
    this.#printed = printLines(Array.from({ length: records }, (_, index) => [String(baseOffset + BigInt(index))]))
  }

  /**
   * Skips the records that the log already has, and resolves with its next offset. Rejects with a `CommandError` if
   * they are not the first records of the input. Records that retention has deleted cannot be compared.
   */
  async #skipStored(records: AsyncGenerator<InputRecord>, resumeFrom: bigint): Promise<bigint> {
    const { firstOffset, nextOffset } = await this.#range()
    if (resumeFrom > nextOffset) {
      throw new CommandError(`cannot resume from offset ${resumeFrom}: the next offset of the log is ${nextOffset}`)
    }
    if (resumeFrom === nextOffset) return nextOffset
    const { config, topic, partition } = this.#log
    const reader = await WalReader.open(new NodeFileSystem(), config, topic, partition)
    const from = resumeFrom > firstOffset ? resumeFrom : firstOffset
    const stored = reader.read({ from, to: nextOffset })
    for (let offset = resumeFrom; offset < nextOffset; offset++) {
      const { done, value: read } = await records.next()
      const number = formatCount(offset - resumeFrom + 1n)
      if (done === true) {
        const count = formatCount(nextOffset - resumeFrom)
        throw new CommandError(
          `the log has ${count} records from offset ${resumeFrom} on, the input no number ${number}`,
        )
      }
      if (offset < firstOffset) continue
      const { value: found } = await stored.next()
      if (found === undefined || !isDeepStrictEqual(contentOf(found), contentOf(read))) {
        throw new CommandError(
          `cannot resume: the record at offset ${offset} differs from record ${number} of the input`,
        )
      }
    }
    return nextOffset
  }

  /** The offsets of the log. Both are 0 if there is no log yet. */
  async #range(): Promise<{ firstOffset: bigint; nextOffset: bigint }> {
    const { config, topic, partition } = this.#log
    try {
      const reader = await WalReader.open(new NodeFileSystem(), config, topic, partition)
      const { logStartOffset: firstOffset, logEndOffset: nextOffset } = await reader.bounds()
      return { firstOffset, nextOffset }
    } catch (error) {
      if (error instanceof LogNotFoundError) return { firstOffset: 0n, nextOffset: 0n }
      throw error
    }
  }
}

/** Rejects with a `CommandError` at a record that does not have the next offset. */
async function* checked(records: AsyncIterable<InputRecord>, nextOffset: bigint): AsyncGenerator<InputRecord> {
  let next = nextOffset
  for await (const record of records) {
    if (record.offset !== next) {
      throw new CommandError(`--check-offsets: the record has ${offsetOf(record)}, but would get offset ${next}`)
    }
    yield record
    next++
  }
}

function offsetOf({ offset = null }: InputRecord): string {
  return offset === null ? 'no offset' : `offset ${offset}`
}

/** Narrows a message of the channel `sq:wal:commit`. */
function isCommit(event: unknown): event is CommitEvent {
  return typeof event === 'object' && event !== null && 'baseOffset' in event
}

/** The parts of a record to compare. The timestamp is left out: it may be the time of reading. */
function contentOf({ key = null, value, headers = [] }: RecordInput): unknown[] {
  const named = headers.map((header) => [header.key, Buffer.from(header.value)])
  return [key && Buffer.from(key), value && Buffer.from(value), named]
}
