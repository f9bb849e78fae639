/**
 * The batch of records that a producer sends: a head of 61 bytes, and records that only clients read, because they may
 * be compressed. Its checksum does not cover the first fields, so the broker can set its offset without another one.
 */
import { crc32c } from '@node-rs/crc32'
import { Refusal } from '../refusal.js'
import { ERROR } from './errors.js'

/** Positions of the fields. */
const LENGTH = 8
const LEADER_EPOCH = 12
const MAGIC = 16
const CHECKSUM = 17
const ATTRIBUTES = 21
const LAST_OFFSET_DELTA = 23
const BASE_TIMESTAMP = 27
const MAX_TIMESTAMP = 35
const PRODUCER_ID = 43
const PRODUCER_EPOCH = 51
const BASE_SEQUENCE = 53
const RECORD_COUNT = 57
const HEAD_BYTES = 61

/** What the attributes hold. */
const COMPRESSION = 0x07
const TIME_OF_BROKER = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

const ZSTD = 4
/** Producers may use zstd from this version of Produce on. */
const ZSTD_VERSION = 7

/** Sequences count up to here, and begin at 0 again after it. */
export const SEQUENCES = 2 ** 31

/**
 * A batch as a producer sent it. `producer` is null if it is not idempotent.
 *
 * @typedef {object} ProducedBatch
 * @property {Buffer} bytes
 * @property {number} recordCount
 * @property {number} minTimestampMs
 * @property {number} maxTimestampMs
 * @property {ProducerPosition | null} producer
 */
/** @typedef {{ id: bigint, epoch: number, firstSequence: number, lastSequence: number }} ProducerPosition */

/**
 * Checks everything of a batch that can be checked without its records. Throws a `Refusal`.
 *
 * @param {Buffer | null} bytes
 * @param {object} request
 * @param {number} request.version of Produce
 * @param {number} request.maxBytes that topics allow
 * @param {number} request.nowMs the time of records that have none
 * @returns {ProducedBatch}
 */
export function checkBatch(bytes, { version, maxBytes, nowMs }) {
  if (bytes === null || bytes.length < HEAD_BYTES) throw invalid(`a batch has at least ${HEAD_BYTES} bytes`)
  if (bytes.length > maxBytes) {
    throw new Refusal(ERROR.MESSAGE_TOO_LARGE, `a batch may have ${maxBytes} bytes, not ${bytes.length}`)
  }
  if (bytes.readInt8(MAGIC) !== 2) throw invalid('only batches of version 2 are taken')
  const length = LENGTH + 4 + bytes.readInt32BE(LENGTH)
  if (length !== bytes.length) throw invalid(`one batch of ${bytes.length} bytes is expected, not of ${length}`)
  if (crc32c(bytes.subarray(ATTRIBUTES)) !== bytes.readUInt32BE(CHECKSUM)) {
    throw new Refusal(ERROR.CORRUPT_MESSAGE, 'the checksum of the batch is wrong')
  }
  checkAttributes(bytes.readInt16BE(ATTRIBUTES), version)
  const recordCount = bytes.readInt32BE(RECORD_COUNT)
  if (recordCount < 1 || bytes.readInt32BE(LAST_OFFSET_DELTA) !== recordCount - 1) {
    throw invalid(`the offsets of a batch do not fit to its ${recordCount} records`)
  }
  const times = timesOf(bytes, nowMs)
  return { bytes, recordCount, ...times, producer: producerOf(bytes) }
}

/**
 * The position of the producer in a batch that was checked; null if it is not idempotent. Throws a `Refusal` for one
 * that cannot be.
 *
 * @param {Buffer} bytes
 * @returns {ProducerPosition | null}
 */
export function producerOf(bytes) {
  const id = bytes.readBigInt64BE(PRODUCER_ID)
  if (id < 0n) return null
  const [epoch, firstSequence] = [bytes.readInt16BE(PRODUCER_EPOCH), bytes.readInt32BE(BASE_SEQUENCE)]
  if (epoch < 0 || firstSequence < 0) throw invalid('a batch of an idempotent producer needs an epoch and a sequence')
  const lastSequence = (firstSequence + bytes.readInt32BE(RECORD_COUNT) - 1) % SEQUENCES
  return { id, epoch, firstSequence, lastSequence }
}

/**
 * A stored batch as it is sent to consumers, in parts: with its offset, and everything but the first fields as it came.
 *
 * @param {Uint8Array} bytes
 * @param {{ baseOffset: bigint, leaderEpoch: number }} place
 */
export function placed(bytes, { baseOffset, leaderEpoch }) {
  const head = Buffer.from(bytes.subarray(0, MAGIC))
  head.writeBigInt64BE(baseOffset, 0)
  head.writeInt32BE(leaderEpoch, LEADER_EPOCH)
  return [head, bytes.subarray(MAGIC)]
}

/**
 * @param {number} attributes
 * @param {number} version
 */
function checkAttributes(attributes, version) {
  const compression = attributes & COMPRESSION
  if (compression > ZSTD) throw invalid(`the compression ${compression} is not known`)
  if (compression === ZSTD && version < ZSTD_VERSION) {
    throw new Refusal(ERROR.UNSUPPORTED_COMPRESSION_TYPE, `zstd needs version ${ZSTD_VERSION} of Produce`)
  }
  if ((attributes & TIME_OF_BROKER) !== 0) {
    throw new Refusal(ERROR.INVALID_TIMESTAMP, 'a producer cannot give a batch the time of the broker')
  }
  if ((attributes & (TRANSACTIONAL | CONTROL)) !== 0) throw invalid('there are no transactions')
}

/**
 * The range of timestamps, as far as the head tells it. Records without a timestamp have -1: they count as of now, so
 * that retention does not take them for old. The log knows no other time before 1970.
 *
 * @param {Buffer} bytes
 * @param {number} nowMs
 */
function timesOf(bytes, nowMs) {
  if (bytes.readBigInt64BE(MAX_TIMESTAMP) < 0n) return { minTimestampMs: nowMs, maxTimestampMs: nowMs }
  const base = timeIn(bytes, BASE_TIMESTAMP)
  const maxTimestampMs = timeIn(bytes, MAX_TIMESTAMP)
  return { minTimestampMs: Math.min(base, maxTimestampMs), maxTimestampMs }
}

/**
 * @param {Buffer} bytes
 * @param {number} position
 */
function timeIn(bytes, position) {
  return Math.min(Math.max(Number(bytes.readBigInt64BE(position)), 0), Number.MAX_SAFE_INTEGER)
}

/** @param {string} message */
function invalid(message) {
  return new Refusal(ERROR.INVALID_RECORD, message)
}
