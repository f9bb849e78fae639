/** Reads records, and tells of opaque batches, which hold none that could be shown. */
import { OpaqueBatchError } from '@sq/storage'
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { printNotice } from '../output.ts'

/** The records of a range. Tells of each opaque batch that it passes; prints a notice unless told otherwise. */
export async function* readableRecords(
  reader: WalReader,
  options: ReadOptions,
  tellOf: (batch: OpaqueBatchError) => void = printPassed,
): AsyncGenerator<LogRecord, undefined> {
  for (let range = options; ;) {
    try {
      yield* reader.read(range)
      return undefined
    } catch (error) {
      if (!(error instanceof OpaqueBatchError)) throw error
      tellOf(error)
      const { nextOffset } = error
      if (options.to !== undefined && nextOffset >= options.to) return undefined
      range = { ...options, from: nextOffset, fromTimestampMs: undefined }
    }
  }
}

/** Prints a notice about an opaque batch that is skipped. */
export function printPassed({ baseOffset, nextOffset }: OpaqueBatchError): void {
  const last = nextOffset - 1n
  const offsets = last === baseOffset ? `offset ${last} is` : `offsets ${baseOffset} to ${last} are`
  printNotice(`${offsets} an opaque batch, which only its producer can read; sq-wal dump shows its bytes`)
}
