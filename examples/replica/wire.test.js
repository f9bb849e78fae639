/** The frames of the protocol: every message, in chunks of any size, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, MAX_LEADER_FRAME_BYTES, MAX_REPLICA_FRAME_BYTES, messagesOf, ProtocolError } from './wire.js'

const batch = { baseOffset: 2n ** 40n, recordCount: 3, attributes: 1, checksum: 0xdeadbeef }
/** @type {import('./wire.js').Message[]} */
const MESSAGES = [
  { type: 'leader', epoch: 7, startOffset: 5n, endOffset: 2n ** 50n },
  { type: 'compare', batch },
  { type: 'compared', same: true },
  { type: 'compared', same: false },
  { type: 'start', offset: 9n },
  { type: 'batch', batch: { ...batch, bytes: Buffer.from('the records') } },
  { type: 'batch', batch: { ...batch, bytes: Buffer.alloc(0) } },
  { type: 'durable', endOffset: 10n },
]

/**
 * @param {Buffer} bytes
 * @param {number} chunkBytes
 */
async function* chunksOf(bytes, chunkBytes) {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

/**
 * The messages in some bytes.
 *
 * @param {Buffer} bytes
 */
async function read(bytes, { chunkBytes = bytes.length, maxFrameBytes = MAX_LEADER_FRAME_BYTES } = {}) {
  const messages = []
  for await (const message of messagesOf(chunksOf(bytes, chunkBytes), maxFrameBytes)) messages.push(message)
  return messages
}

test('every message arrives as it was sent, in chunks of any size', async () => {
  const bytes = Buffer.concat(MESSAGES.flatMap(encode))
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    assert.deepEqual(await read(bytes, { chunkBytes }), MESSAGES)
  }
})

test('a frame that is too long is refused by its first four bytes', async () => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(MAX_REPLICA_FRAME_BYTES + 1)
  await assert.rejects(read(length, { maxFrameBytes: MAX_REPLICA_FRAME_BYTES }), ProtocolError)
})

test('a stream that ends inside a frame is refused, wherever it ends', async () => {
  for (const message of MESSAGES) {
    const bytes = Buffer.concat(encode(message))
    for (let length = 1; length < bytes.length; length++) {
      await assert.rejects(read(bytes.subarray(0, length)), ProtocolError)
    }
  }
})

test('a message with a missing or an additional byte, or of an unknown type, is refused', async () => {
  for (const message of MESSAGES.filter(({ type }) => type !== 'batch')) {
    const bytes = Buffer.concat([...encode(message), Buffer.alloc(1)])
    bytes.writeUInt32LE(bytes.length - 4)
    await assert.rejects(read(bytes), ProtocolError)
    const short = bytes.subarray(0, bytes.length - 2)
    short.writeUInt32LE(short.length - 4)
    await assert.rejects(read(short), ProtocolError)
  }
  for (const frame of [[], [0], [7], [255], [5, 0, 0]]) {
    await assert.rejects(read(Buffer.from([frame.length, 0, 0, 0, ...frame])), ProtocolError)
  }
})

test('a leader of another protocol is refused', async () => {
  const [bytes] = encode({ type: 'leader', epoch: 1, startOffset: 0n, endOffset: 0n })
  assert.ok(bytes)
  bytes[5] = 0
  await assert.rejects(read(Buffer.from(bytes)), ProtocolError)
})
