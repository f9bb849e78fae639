/** The content of a log, independent of how it is cut into segments and commits: for a digest, and to compare logs. */
import { createHash } from 'node:crypto'
import type { LogRecord, WalReader } from '@sq/storage'

/** A record, or an opaque batch, which has several offsets. */
export interface Entry {
  readonly offset: bigint
  readonly nextOffset: bigint
  /** Null for an opaque batch. */
  readonly record: LogRecord | null
  /** Its bytes in parts. Two entries are the same exactly if their parts are the same. */
  readonly parts: readonly Uint8Array[]
}

/** The entries of a range, in order. */
export async function* entriesOf(
  reader: WalReader,
  range: { readonly from?: bigint; readonly to: bigint },
): AsyncGenerator<Entry> {
  if (range.from === range.to) return
  for await (const batch of reader.readBatches({ ...range, exact: true })) {
    const { baseOffset, nextOffset, payload, minTimestampMs, maxTimestampMs } = batch
    if (payload === null) {
      for (const record of batch.records()) {
        yield { offset: record.offset, nextOffset: record.offset + 1n, record, parts: partsOf(record) }
      }
    } else {
      const numbers = [Number(baseOffset), Number(nextOffset), minTimestampMs, maxTimestampMs, payload.length]
      yield { offset: baseOffset, nextOffset, record: null, parts: [numbered('opaque', numbers), payload] }
    }
  }
}

/** The SHA-256 of the entries of a log, in hexadecimal. Logs with the same digest have the same records and offsets. */
export async function digestOf(
  reader: WalReader,
  range: { readonly from: bigint; readonly to: bigint },
): Promise<string> {
  const hash = createHash('sha256')
  hash.update(numbered('log', [Number(range.from), Number(range.to)]))
  for await (const { parts } of entriesOf(reader, range)) for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Each part is preceded by its length, so that no two records have the same parts. */
function partsOf({ offset, timestampMs, key, value, headers }: LogRecord): Uint8Array[] {
  const lengths = [key?.length ?? -1, value?.length ?? -1, headers.length]
  const parts: Uint8Array[] = [numbered('record', [Number(offset), timestampMs, ...lengths])]
  if (key !== null) parts.push(key)
  if (value !== null) parts.push(value)
  for (const header of headers) {
    const name = Buffer.from(header.key)
    parts.push(numbered('header', [name.length, header.value.length]), name, header.value)
  }
  return parts
}

function numbered(kind: string, numbers: readonly number[]): Buffer {
  return Buffer.from(`${kind} ${numbers.join(' ')}\n`)
}
