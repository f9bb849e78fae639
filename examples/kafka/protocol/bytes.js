/** Reads and writes the primitive values of the protocol. All integers are big-endian. */

/** The peer sent bytes that are not what the protocol says. The connection cannot be used any longer. */
export class ProtocolError extends Error {
  /** @override */
  name = 'ProtocolError'
}

/**
 * The most elements that the arrays of one message may have together. An element can be two bytes in a message and a
 * hundred in memory, so this bounds what a message takes after it was decoded.
 */
const MAX_ELEMENTS = 100_000

/** Reads a message from its first byte to its last. Every method throws a `ProtocolError` where the bytes end early. */
export class Source {
  #bytes
  #at = 0
  #elements = 0

  /** @param {Buffer} bytes */
  constructor(bytes) {
    this.#bytes = bytes
  }

  get left() {
    return this.#bytes.length - this.#at
  }

  int8() {
    return this.#bytes.readInt8(this.#skip(1))
  }

  int16() {
    return this.#bytes.readInt16BE(this.#skip(2))
  }

  int32() {
    return this.#bytes.readInt32BE(this.#skip(4))
  }

  int64() {
    return this.#bytes.readBigInt64BE(this.#skip(8))
  }

  /** A number of up to 32 bits, seven of them in each byte, the lowest first. */
  varint() {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.#bytes.readUInt8(this.#skip(1))
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw new ProtocolError('a variable-length number has more than 32 bits')
  }

  /**
   * A view on the next bytes; it stays valid as long as the message.
   *
   * @param {number} length
   */
  take(length) {
    const start = this.#skip(length)
    return this.#bytes.subarray(start, start + length)
  }

  /**
   * Checks the length of an array before it is read, and returns it.
   *
   * @param {number} count
   */
  countOf(count) {
    this.#elements += count
    if (count < 0 || count > this.left) throw new ProtocolError(`an array cannot have ${count} elements here`)
    if (this.#elements > MAX_ELEMENTS) throw new ProtocolError(`a message has more than ${MAX_ELEMENTS} elements`)
    return count
  }

  /** Throws a `ProtocolError` unless everything has been read. */
  end() {
    if (this.left > 0) throw new ProtocolError(`a message has ${this.left} bytes after its end`)
  }

  /** @param {number} length */
  #skip(length) {
    if (length < 0 || length > this.left) throw new ProtocolError(`a message ends ${length - this.left} bytes early`)
    const start = this.#at
    this.#at += length
    return start
  }
}

const CHUNK_BYTES = 1024

/** Collects the bytes of a message. Long byte strings are not copied, so they must not change until it was sent. */
export class Sink {
  /** @type {Uint8Array[]} */
  #parts = []
  #chunk = Buffer.alloc(CHUNK_BYTES)
  #from = 0
  #at = 0
  /** The number of bytes written so far. */
  length = 0

  /** @param {number} value */
  int8(value) {
    const at = this.#take(1)
    this.#chunk.writeInt8(value, at)
  }

  /** @param {number} value */
  int16(value) {
    const at = this.#take(2)
    this.#chunk.writeInt16BE(value, at)
  }

  /** @param {number} value */
  int32(value) {
    const at = this.#take(4)
    this.#chunk.writeInt32BE(value, at)
  }

  /** @param {bigint} value */
  int64(value) {
    const at = this.#take(8)
    this.#chunk.writeBigInt64BE(value, at)
  }

  /** @param {number} value */
  varint(value) {
    let left = value
    for (; left >= 128; left = Math.floor(left / 128)) this.#byte((left % 128) + 128)
    this.#byte(left)
  }

  /** @param {Uint8Array} bytes */
  bytes(bytes) {
    if (bytes.length >= CHUNK_BYTES) {
      this.#cut()
      this.#parts.push(bytes)
      this.length += bytes.length
    } else {
      const at = this.#take(bytes.length)
      this.#chunk.set(bytes, at)
    }
  }

  /** The message, in parts. */
  parts() {
    this.#cut()
    return this.#parts
  }

  /** @param {number} value */
  #byte(value) {
    const at = this.#take(1)
    this.#chunk.writeUInt8(value, at)
  }

  /** @param {number} length at most CHUNK_BYTES */
  #take(length) {
    if (this.#at + length > CHUNK_BYTES) {
      this.#cut()
      this.#chunk = Buffer.alloc(CHUNK_BYTES)
      this.#from = 0
      this.#at = 0
    }
    const at = this.#at
    this.#at += length
    this.length += length
    return at
  }

  #cut() {
    if (this.#at > this.#from) this.#parts.push(this.#chunk.subarray(this.#from, this.#at))
    this.#from = this.#at
  }
}
