/** Batches as a replica gets them from its leader. They are encoded here by the specification, without the log. */
import { crc32 } from 'node:zlib'
import type { EncodedBatch } from '@sq/storage'

const OVERHEAD_BYTES = 24
const METADATA = 1
const OPAQUE = 2

/** The parts of a batch: records without keys and headers, or a payload that stands for some. */
export interface BatchParts {
  /** Null for none. */
  readonly metadata: Uint8Array | null
  readonly content:
    | { readonly records: readonly { readonly value: Uint8Array; readonly timestampMs: number }[] }
    | { readonly payload: Uint8Array; readonly recordCount: number; readonly timestampMs: number }
}

/** A batch at an offset. */
export function encodedBatch({ metadata, content }: BatchParts, baseOffset: number): EncodedBatch {
  const isOpaque = 'payload' in content
  const bytes = Buffer.concat([
    ...(metadata === null ? [] : [uint32(metadata.length), metadata]),
    ...(isOpaque
      ? [uint64(content.timestampMs), uint64(content.timestampMs), content.payload]
      : content.records.map(encodedRecord)),
  ])
  return {
    baseOffset: BigInt(baseOffset),
    recordCount: isOpaque ? content.recordCount : content.records.length,
    attributes: (metadata === null ? 0 : METADATA) + (isOpaque ? OPAQUE : 0),
    bytes,
    checksum: crc32(bytes),
  }
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

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
