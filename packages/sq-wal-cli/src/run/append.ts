/** Appends the records of an input to a log. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isDeepStrictEqual } from 'node:util'
import { NodeFileSystem } from '@sq/sim'
import { AppendAllError, WalReader, WalWriter } from '@sq/storage'
import type { CommitEvent, LogRecord, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { inputBytes, readInputs, STANDARD_INPUT } from '../input/record-input.ts'
import type { InputFormat } from '../input/record-input.ts'
import type { JsonFields } from '../input/json-record.ts'
import { catchInterruption, Interruption } from '../interruption.ts'
import type { DataDirOption, LogName } from '../log-name.ts'
import { formatBytes, formatCount } from '../output.ts'
import { progressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'

export interface AppendOptions extends JsonFields, DataDirOption {
  readonly format: InputFormat
  readonly offsets?: boolean
  readonly resumeFrom?: bigint
}

/** Resolves with the exit status. */
export async function append(log: LogName, files: readonly string[], options: AppendOptions): Promise<number> {
  const { format, keyField, timestampField, headerField } = options
  if (format !== 'json' && (keyField ?? timestampField ?? headerField) !== undefined) {
    throw new UsageError('--key-field, --timestamp-field and --header-field need --format json')
  }
  const inputs = files.length === 0 ? [STANDARD_INPUT] : files
  const total = await inputBytes(inputs)
  using interruption = catchInterruption()
  const { signal } = interruption
  const bar = await progressBar('appending', { total, format: formatBytes })
  let read = 0
  const onRead = (bytes: number): void => bar.reached((read += bytes))
  try {
    const records = readInputs(inputs, { ...options, signal, onRead })
    const { appended, firstOffset } = await appendTo(log, records, options)
    bar.stop()
    if (options.offsets !== true) print(`${describe(log, appended, firstOffset)}\n`)
    return 0
  } catch (error) {
    bar.stop()
    if (!(error instanceof AppendAllError)) throw error
    const firstOffset = error.lastOffset === null ? 0n : error.lastOffset + 1n - BigInt(error.records)
    const durable = describe(log, error.records, firstOffset)
    if (!(error.cause instanceof Interruption)) throw new CommandError(`${messageIn(error)}; ${durable}`)
    process.stderr.write(`sq-wal: ${error.cause.message}; ${durable}\n`)
    return error.cause.exitStatus
  }
}

async function appendTo(
  { config, topic, partition }: LogName,
  records: AsyncGenerator<RecordInput>,
  { resumeFrom, offsets = false }: AppendOptions,
): Promise<{ appended: number; firstOffset: bigint }> {
  const fs = new NodeFileSystem()
  const writer = await WalWriter.open(fs, config, topic, partition)
  const firstOffset = writer.nextOffset
  try {
    if (resumeFrom !== undefined) {
      const reader = await WalReader.open(fs, config, topic, partition)
      await skipStored(records, { reader, resumeFrom, nextOffset: firstOffset })
    }
    if (offsets) subscribe('sq:wal:commit', printOffsets)
    const { records: appended } = await writer.appendAll(records)
    return { appended, firstOffset }
  } finally {
    unsubscribe('sq:wal:commit', printOffsets)
    await writer.close()
  }
}

/** What comes on the channel of commits is what the storage says it is. */
function isCommit(event: unknown): event is CommitEvent {
  return typeof event === 'object' && event !== null && 'baseOffset' in event
}

/** Of each commit that became durable. */
function printOffsets(event: unknown): void {
  if (!isCommit(event) || event.error !== null) return
  const { baseOffset, records } = event
  const offsets = Array.from({ length: records }, (_, index) => `${baseOffset + BigInt(index)}\n`)
  print(offsets.join(''))
}

/** Leaves out what the log has already. Rejects with a `CommandError` where that is not the beginning of the input. */
async function skipStored(
  records: AsyncGenerator<RecordInput>,
  { reader, resumeFrom, nextOffset }: { reader: WalReader; resumeFrom: bigint; nextOffset: bigint },
): Promise<void> {
  if (resumeFrom > nextOffset) {
    throw new CommandError(`cannot resume from offset ${resumeFrom}: the log ends before ${nextOffset}`)
  }
  let last: RecordInput | null = null
  for (let offset = resumeFrom; offset < nextOffset; offset++) {
    const { done, value } = await records.next()
    if (done === true) {
      const [stored, found] = [formatCount(nextOffset - resumeFrom), formatCount(offset - resumeFrom)]
      throw new CommandError(`the log has ${stored} records from offset ${resumeFrom} on, the input only ${found}`)
    }
    last = value
  }
  if (last === null) return
  for await (const stored of reader.read({ from: nextOffset - 1n })) {
    if (isSame(stored, last)) return
    throw new CommandError(
      `the log does not go on where this input was left: offset ${stored.offset} holds another record than number ` +
        `${formatCount(nextOffset - resumeFrom)} of the input`,
    )
  }
}

/** Whether a record was made of the same input; its time may be that of its reading. */
function isSame(stored: LogRecord, read: RecordInput): boolean {
  return isDeepStrictEqual(contentOf(stored), contentOf(read))
}

function contentOf({ key, value, headers }: RecordInput): unknown[] {
  const named = headers.map((header) => [header.name, Buffer.from(header.value)])
  return [key && Buffer.from(key), Buffer.from(value), named]
}

function messageIn({ cause, message }: AppendAllError): string {
  return cause instanceof Error ? cause.message : message
}

/** `3 records are durable in orders/0, offsets 4-6`. */
function describe({ topic, partition }: LogName, records: number, firstOffset: bigint): string {
  const [count, log] = [formatCount(records), `${topic}/${partition}`]
  if (records === 0) return `no record was appended to ${log}`
  const last = firstOffset + BigInt(records - 1)
  if (records === 1) return `1 record is durable in ${log}, offset ${last}`
  return `${count} records are durable in ${log}, offsets ${firstOffset}-${last}`
}

function print(text: string): void {
  process.stdout.write(text)
}
