/**
 * The messages between a leader and a replica, as bytes. `README.md` specifies them. A message is a frame: its length
 * (u32), its type (u8) and its fields; the length counts type and fields. All integers are unsigned and little-endian.
 */

/**
 * What tells a batch from others.
 *
 * @typedef {{ baseOffset: bigint, recordCount: number, attributes: number, checksum: number }} BatchIdentity
 */

/**
 * @typedef {{ type: 'leader', epoch: number, startOffset: bigint, endOffset: bigint }} LeaderMessage
 * @typedef {{ type: 'compare', batch: BatchIdentity }} CompareMessage
 * @typedef {{ type: 'compared', same: boolean }} ComparedMessage
 * @typedef {{ type: 'start', offset: bigint }} StartMessage
 * @typedef {{ type: 'batch', batch: BatchIdentity & { bytes: Uint8Array } }} BatchMessage
 * @typedef {{ type: 'durable', endOffset: bigint }} DurableMessage
 */
/** @typedef {LeaderMessage | ComparedMessage | BatchMessage} MessageOfLeader */
/** @typedef {CompareMessage | StartMessage | DurableMessage} MessageOfReplica */
/** @typedef {MessageOfLeader | MessageOfReplica} Message */

/** The config of the leader's log must not allow larger batches. */
export const MAX_BATCH_BYTES = 1024 * 1024

/** "SQR1" as it is on the wire: what a replica must receive first. */
const MAGIC = 0x31525153
const TYPES = /** @type {const} */ ({ leader: 1, compare: 2, compared: 3, start: 4, batch: 5, durable: 6 })

const LENGTH_BYTES = 4
const TYPE_BYTES = 1
const OFFSET_BYTES = 8
const LEADER_BYTES = TYPE_BYTES + 8 + 2 * OFFSET_BYTES
const IDENTITY_BYTES = TYPE_BYTES + OFFSET_BYTES + 12
/** The encoding of a batch is larger than the limit counts: by its epoch, and by at most this much. */
const OVERHEAD_BYTES = 1024

/** The longest frame that a replica accepts. */
export const MAX_LEADER_FRAME_BYTES = IDENTITY_BYTES + MAX_BATCH_BYTES + OVERHEAD_BYTES
/** The longest frame that a leader accepts. */
export const MAX_REPLICA_FRAME_BYTES = IDENTITY_BYTES

/** The other side sent something that the protocol does not allow. The connection cannot be used any longer. */
export class ProtocolError extends Error {
  /** @override */
  name = 'ProtocolError'
}

/**
 * The error for a message that may not come now.
 *
 * @param {Message} message
 */
export function unexpected({ type }) {
  return new ProtocolError(`the message "${type}" is not expected here`)
}

/**
 * The frame of a message, in parts: the bytes of a batch are not copied.
 *
 * @param {Message} message
 * @returns {Uint8Array[]}
 */
export function encode(message) {
  if (message.type === 'leader') {
    const frame = frameOf(message.type, LEADER_BYTES)
    frame.writeUInt32LE(MAGIC, 5)
    frame.writeUInt32LE(message.epoch, 9)
    frame.writeBigUInt64LE(message.startOffset, 13)
    frame.writeBigUInt64LE(message.endOffset, 21)
    return [frame]
  }
  if (message.type === 'compared') {
    const frame = frameOf(message.type, TYPE_BYTES + 1)
    frame.writeUInt8(message.same ? 1 : 0, 5)
    return [frame]
  }
  if (message.type === 'start') return [frameOfOffset(message.type, message.offset)]
  if (message.type === 'durable') return [frameOfOffset(message.type, message.endOffset)]
  const { type, batch } = message
  if (type === 'compare') return [frameOfBatch(type, batch, 0)]
  return [frameOfBatch(type, batch, batch.bytes.length), batch.bytes]
}

/**
 * The messages in a stream of bytes. Holds at most one frame and one chunk. Throws a `ProtocolError` at the first frame
 * that is not a message or is longer than `maxFrameBytes`, before its bytes have come, and if the stream ends inside a
 * frame.
 *
 * @param {AsyncIterable<Buffer>} stream
 * @param {number} maxFrameBytes
 * @returns {AsyncGenerator<Message, undefined, undefined>}
 */
export async function* messagesOf(stream, maxFrameBytes) {
  /** @type {Buffer[]} */
  let chunks = []
  let bytes = 0
  let wanted = LENGTH_BYTES
  for await (const chunk of stream) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes < wanted) continue
    let rest = Buffer.concat(chunks)
    for (;;) {
      wanted = LENGTH_BYTES
      if (rest.length < wanted) break
      const length = rest.readUInt32LE(0)
      if (length > maxFrameBytes) throw new ProtocolError(`a frame has ${length} bytes, the most is ${maxFrameBytes}`)
      wanted += length
      if (rest.length < wanted) break
      yield decode(rest.subarray(LENGTH_BYTES, wanted))
      rest = rest.subarray(wanted)
    }
    chunks = [rest]
    bytes = rest.length
  }
  if (bytes > 0) throw new ProtocolError('the connection ended inside a frame')
}

/**
 * @param {Buffer} frame
 * @returns {Message}
 */
function decode(frame) {
  if (frame.length === 0) throw new ProtocolError('a frame is empty')
  switch (frame[0]) {
    case TYPES.leader:
      checkLength(frame, LEADER_BYTES)
      if (frame.readUInt32LE(1) !== MAGIC) throw new ProtocolError('the other side is no leader of this version')
      return {
        type: 'leader',
        epoch: frame.readUInt32LE(5),
        startOffset: frame.readBigUInt64LE(9),
        endOffset: frame.readBigUInt64LE(17),
      }
    case TYPES.compare:
      checkLength(frame, IDENTITY_BYTES)
      return { type: 'compare', batch: identityIn(frame) }
    case TYPES.compared:
      checkLength(frame, TYPE_BYTES + 1)
      return { type: 'compared', same: frame[1] === 1 }
    case TYPES.start:
      checkLength(frame, TYPE_BYTES + OFFSET_BYTES)
      return { type: 'start', offset: frame.readBigUInt64LE(1) }
    case TYPES.batch:
      if (frame.length < IDENTITY_BYTES) throw new ProtocolError(`a batch has a frame of only ${frame.length} bytes`)
      return { type: 'batch', batch: { ...identityIn(frame), bytes: frame.subarray(IDENTITY_BYTES) } }
    case TYPES.durable:
      checkLength(frame, TYPE_BYTES + OFFSET_BYTES)
      return { type: 'durable', endOffset: frame.readBigUInt64LE(1) }
    default:
      throw new ProtocolError(`there is no message of type ${frame[0]}`)
  }
}

/**
 * A frame without its fields.
 *
 * @param {Message['type']} type
 * @param {number} length
 * @param {number} [bodyBytes] the part of the length that follows in another array
 */
function frameOf(type, length, bodyBytes = 0) {
  const frame = Buffer.alloc(LENGTH_BYTES + length)
  frame.writeUInt32LE(length + bodyBytes, 0)
  frame.writeUInt8(TYPES[type], LENGTH_BYTES)
  return frame
}

/**
 * @param {'start' | 'durable'} type
 * @param {bigint} offset
 */
function frameOfOffset(type, offset) {
  const frame = frameOf(type, TYPE_BYTES + OFFSET_BYTES)
  frame.writeBigUInt64LE(offset, 5)
  return frame
}

/**
 * @param {'compare' | 'batch'} type
 * @param {BatchIdentity} batch
 * @param {number} bodyBytes
 */
function frameOfBatch(type, { baseOffset, recordCount, attributes, checksum }, bodyBytes) {
  const frame = frameOf(type, IDENTITY_BYTES, bodyBytes)
  frame.writeBigUInt64LE(baseOffset, 5)
  frame.writeUInt32LE(recordCount, 13)
  frame.writeUInt32LE(attributes, 17)
  frame.writeUInt32LE(checksum, 21)
  return frame
}

/**
 * @param {Buffer} frame
 * @returns {BatchIdentity}
 */
function identityIn(frame) {
  return {
    baseOffset: frame.readBigUInt64LE(1),
    recordCount: frame.readUInt32LE(9),
    attributes: frame.readUInt32LE(13),
    checksum: frame.readUInt32LE(17),
  }
}

/**
 * @param {Buffer} frame
 * @param {number} expected
 */
function checkLength(frame, expected) {
  if (frame.length === expected) return
  throw new ProtocolError(`a message of type ${frame[0]} must have ${expected} bytes, and has ${frame.length}`)
}
