/** Prints the last records of a log and, with --follow, new ones. */
import { WalReader } from '@sq/storage'
import { catchInterruption, Interruption } from '../interruption.ts'
import type { LocatedLog } from '../log-source.ts'
import { isOutputGone, printNotice } from '../output.ts'
import { readableRecords } from './readable-records.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'

export interface TailOptions extends RecordOptions {
  readonly count: number
  readonly follow?: boolean
}

/** Resolves with the exit status: 0, also after a signal. */
export async function tail(log: LocatedLog, options: TailOptions): Promise<number> {
  const { count, follow = false, durableOnly, grep } = options
  const writer = new RecordWriter(options)
  const reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
  const { logStartOffset: first, logEndOffset: next } = await reader.bounds()
  const from = next - BigInt(count) > first ? next - BigInt(count) : first
  // A slow pattern blocks the event loop, and a signal handler would not run. So the signal must end the process
  // itself.
  using interruption = grep === undefined ? catchInterruption() : null
  const signal = interruption?.signal
  process.stdout.once('close', () => void reader.close())
  try {
    const range = { from, follow, durableOnly, signal, ...(follow ? {} : { to: next }) }
    for await (const record of readableRecords(reader, range)) {
      if (!writer.wants(record)) continue
      await writer.write(record)
      if (follow) await writer.flush()
      if (isOutputGone()) break
    }
  } catch (error) {
    if (!(error instanceof Interruption) && !isOutputGone()) throw error
  } finally {
    await writer.flush()
  }
  const notice = follow || count === 0 || isOutputGone() ? null : writer.describeNone()
  if (notice !== null) printNotice(notice)
  return 0
}
