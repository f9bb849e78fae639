/** Batches as a replica gets them from its leader. They are encoded here by the specification, without the log. */
import { crc32 } from 'node:zlib'
import type { EncodedBatch } from '@sq/storage'

const OVERHEAD_BYTES = 24

/** Records without keys and headers, as a batch at an offset. */
export function encodedBatch(
  records: readonly { readonly value: Uint8Array; readonly timestampMs: number }[],
  baseOffset: number,
): EncodedBatch {
  const bytes = Buffer.concat(records.map(encodedRecord))
  return { baseOffset: BigInt(baseOffset), recordCount: records.length, bytes, checksum: crc32(bytes) }
}

function encodedRecord({ value, timestampMs }: { value: Uint8Array; timestampMs: number }): Buffer {
  const bytes = Buffer.alloc(OVERHEAD_BYTES + value.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeBigUInt64LE(BigInt(timestampMs), 4)
  bytes.writeInt32LE(-1, 12)
  bytes.writeUInt32LE(value.length, 16)
  bytes.set(value, OVERHEAD_BYTES)
  return bytes
}
