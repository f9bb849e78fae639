/** What a batch of a producer must be, and how it is sent to consumers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../refusal.js'
import { ERROR } from './errors.js'
import { checkBatch, placed } from './record-batch.js'
import { batchOf } from './test-batch.js'

const LIMITS = { version: 7, maxBytes: 100, nowMs: 1000 }

/**
 * The error code that a batch is refused with.
 *
 * @param {Buffer | null} bytes
 * @param {typeof LIMITS} [limits]
 */
function errorOf(bytes, limits = LIMITS) {
  try {
    checkBatch(bytes, limits)
    return ERROR.NONE
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return error.errorCode
  }
}

test('a batch is accepted with its number of records, its times and its producer', () => {
  const bytes = batchOf('abc', {
    recordCount: 3,
    baseTimestamp: 70n,
    maxTimestamp: 90n,
    producerId: 5n,
    producerEpoch: 1,
    baseSequence: 2 ** 31 - 2,
  })
  assert.deepEqual(checkBatch(bytes, LIMITS), {
    bytes,
    recordCount: 3,
    minTimestampMs: 70,
    maxTimestampMs: 90,
    producer: { id: 5n, epoch: 1, firstSequence: 2 ** 31 - 2, lastSequence: 0 },
  })
  assert.equal(checkBatch(batchOf(''), LIMITS).producer, null)
})

test('records without a timestamp get the time of the broker, and one out of range the next that the log knows', () => {
  const none = checkBatch(batchOf('', { baseTimestamp: -1n }), LIMITS)
  assert.deepEqual([none.minTimestampMs, none.maxTimestampMs], [1000, 1000])
  const some = checkBatch(batchOf('', { baseTimestamp: -1n, maxTimestamp: 5n }), LIMITS)
  assert.deepEqual([some.minTimestampMs, some.maxTimestampMs], [0, 5])
  const far = checkBatch(batchOf('', { baseTimestamp: 2n ** 62n, maxTimestamp: 5n }), LIMITS)
  assert.deepEqual([far.minTimestampMs, far.maxTimestampMs], [5, 5])
})

test('every changed byte of a batch is refused, except in the fields that the broker sets', () => {
  const valid = batchOf('the records')
  for (let at = 0; at < valid.length; at++) {
    const bytes = Buffer.from(valid)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at)
    const isSet = at < 8 || (at >= 12 && at < 16)
    assert.equal(errorOf(bytes) === ERROR.NONE, isSet, `byte ${at}`)
  }
})

test('a batch that ends early, has bytes after its end, or is not there is refused', () => {
  const valid = batchOf('the records')
  for (let length = 0; length < valid.length; length++) {
    assert.equal(errorOf(valid.subarray(0, length)), ERROR.INVALID_RECORD)
  }
  assert.equal(errorOf(Buffer.concat([valid, Buffer.alloc(1)])), ERROR.INVALID_RECORD)
  assert.equal(errorOf(null), ERROR.INVALID_RECORD)
})

test('each batch that the broker does not take is refused with the error of its kind', () => {
  /** @type {[import('./test-batch.js').BatchFields, number][]} */
  const cases = [
    [{ magic: 1 }, ERROR.INVALID_RECORD],
    [{ recordCount: 0 }, ERROR.INVALID_RECORD],
    [{ recordCount: -1 }, ERROR.INVALID_RECORD],
    [{ recordCount: 2, lastOffsetDelta: 5 }, ERROR.INVALID_RECORD],
    [{ attributes: 5 }, ERROR.INVALID_RECORD],
    [{ attributes: 8 }, ERROR.INVALID_TIMESTAMP],
    [{ attributes: 0x10 }, ERROR.INVALID_RECORD],
    [{ attributes: 0x20 }, ERROR.INVALID_RECORD],
    [{ producerId: 1n, producerEpoch: -1, baseSequence: 0 }, ERROR.INVALID_RECORD],
    [{ producerId: 1n, producerEpoch: 0, baseSequence: -1 }, ERROR.INVALID_RECORD],
  ]
  for (const [fields, expected] of cases) assert.equal(errorOf(batchOf('abc', fields)), expected)
  assert.equal(errorOf(batchOf('a'.repeat(40))), ERROR.MESSAGE_TOO_LARGE)
  const changed = batchOf('abc')
  changed.writeUInt8(1, changed.length - 1)
  assert.equal(errorOf(changed), ERROR.CORRUPT_MESSAGE)
})

test('each compression is accepted, and zstd only from version 7 on', () => {
  for (const attributes of [0, 1, 2, 3, 4]) assert.equal(errorOf(batchOf('', { attributes })), ERROR.NONE)
  const zstd = batchOf('', { attributes: 4 })
  assert.equal(errorOf(zstd, { ...LIMITS, version: 6 }), ERROR.UNSUPPORTED_COMPRESSION_TYPE)
})

test('a consumer gets a batch with its offset and epoch, and the same bytes otherwise', () => {
  const bytes = batchOf('the records', { recordCount: 2 })
  const before = Buffer.from(bytes)
  const sent = Buffer.concat(placed(bytes, { baseOffset: 2n ** 40n, leaderEpoch: 7 }))
  assert.deepEqual([sent.readBigInt64BE(0), sent.readInt32BE(12)], [2n ** 40n, 7])
  bytes.copy(sent, 0, 0, 8)
  bytes.copy(sent, 12, 12, 16)
  assert.deepEqual(sent, bytes)
  assert.deepEqual(bytes, before)
})
