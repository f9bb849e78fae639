/** The bytes of a log start, by the specification of the format, with any offset. */
import { crc32 } from 'node:zlib'

/** A log start of partition 0 that verifies. */
export function logStartBytes(topic: string, offset: bigint): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.write('SQLS', 'latin1')
  bytes.writeUInt16LE(1, 4)
  bytes.writeBigUInt64LE(offset, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 16), crc32(`${topic}/0`)), 16)
  return bytes
}
