/** Batches for the tests, as producers send them. The broker does not look into their records. */
import { crc32c } from '@node-rs/crc32'

/**
 * @typedef {object} BatchFields
 * @property {number} [recordCount]
 * @property {number} [lastOffsetDelta]
 * @property {number} [attributes]
 * @property {number} [magic]
 * @property {bigint} [baseTimestamp]
 * @property {bigint} [maxTimestamp]
 * @property {bigint} [producerId]
 * @property {number} [producerEpoch]
 * @property {number} [baseSequence]
 */

/**
 * A batch whose records are any bytes.
 *
 * @param {string | Uint8Array} records
 * @param {BatchFields} [fields]
 */
export function batchOf(records, fields = {}) {
  const { recordCount = 1, attributes = 0, magic = 2, baseTimestamp = 0n, maxTimestamp = baseTimestamp } = fields
  const { lastOffsetDelta = recordCount - 1, producerId = -1n, producerEpoch = -1, baseSequence = -1 } = fields
  const head = Buffer.alloc(61)
  const bytes = Buffer.concat([head, Buffer.from(records)])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(-1, 12)
  bytes.writeInt8(magic, 16)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeInt32BE(lastOffsetDelta, 23)
  bytes.writeBigInt64BE(baseTimestamp, 27)
  bytes.writeBigInt64BE(maxTimestamp, 35)
  bytes.writeBigInt64BE(producerId, 43)
  bytes.writeInt16BE(producerEpoch, 51)
  bytes.writeInt32BE(baseSequence, 53)
  bytes.writeInt32BE(recordCount, 57)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/**
 * The batches in a record set: of each its offset, the number of its records, and the records themselves.
 *
 * @param {readonly Uint8Array[]} parts
 */
export function batchesIn(parts) {
  const batches = []
  for (let rest = Buffer.concat(parts); rest.length > 0;) {
    const end = 12 + rest.readInt32BE(8)
    const records = rest.subarray(61, end).toString()
    batches.push({ offset: rest.readBigInt64BE(0), recordCount: rest.readInt32BE(57), records })
    rest = rest.subarray(end)
  }
  return batches
}
