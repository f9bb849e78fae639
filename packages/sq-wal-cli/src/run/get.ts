/** Prints the value of one record, byte for byte. */
import { writeFile } from 'node:fs/promises'
import { OffsetOutOfRangeError, WalReader } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LocatedLog } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { printBytes } from '../output.ts'

export interface GetOptions {
  readonly output?: string
}

/** Rejects with a `CommandError` if there is no such record, or if it has no value. */
export async function get(log: LocatedLog, offset: bigint, { output }: GetOptions): Promise<void> {
  const name = `${log.topic}/${log.partition}`
  const reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
  const { logStartOffset: firstOffset, logEndOffset: nextOffset } = await reader.bounds()
  if (offset < firstOffset || offset >= nextOffset) {
    throw new OffsetOutOfRangeError({ path: name, offset, firstOffset, nextOffset })
  }
  for await (const { value } of reader.read({ from: offset, maxRecords: 1 })) {
    if (value === null) throw new CommandError(`the record at offset ${offset} of ${name} has no value`)
    if (output === undefined) await printBytes(value)
    else await writeTo(output, value)
  }
}

async function writeTo(path: string, value: Uint8Array): Promise<void> {
  try {
    await writeFile(path, value)
  } catch (error) {
    throw new CommandError(`cannot write the value: ${messageOf(error)}`)
  }
}
