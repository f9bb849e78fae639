/** The tables of the calls: each message in each version arrives as it was sent, and hostile bytes are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@sq/sim'
import { ProtocolError, Sink, Source } from './bytes.js'
import { CALLS, callOf, decodeHead, decodeRequest, encodeResponse, encodeUnsupported, namesOfCalls } from './calls.js'
import { ERROR } from './errors.js'

/** @typedef {import('./types.js').Type<any>} AnyType */

/**
 * A value of each kind of field, made from what the decoder asks for: each read of a primitive draws one. Strings,
 * arrays and byte strings get a length from 0 to 2.
 */
class RandomSource extends Source {
  #random

  /** @param {Random} random */
  constructor(random) {
    super(Buffer.alloc(0))
    this.#random = random
  }

  /** @override */
  get left() {
    return Infinity
  }

  /** @override */
  int8() {
    return this.#random.int(2)
  }

  /** @override */
  int16() {
    return this.#random.int(3)
  }

  /** @override */
  int32() {
    return this.#random.int(3)
  }

  /** @override */
  int64() {
    return BigInt.asIntN(64, this.#random.bigUint64())
  }

  /** @override */
  varint() {
    return 1
  }

  /**
   * @override
   * @param {number} length
   */
  take(length) {
    return Buffer.alloc(length, 'x')
  }

  /** @override */
  countOf() {
    return 2
  }
}

/** @type {[string, AnyType, number][]} */
const MESSAGES = namesOfCalls().flatMap((name) => {
  const { request, response, versions } = CALLS[name]
  const numbers = Array.from({ length: versions.to - versions.from + 1 }, (_, index) => versions.from + index)
  /** @type {(kind: string, type: AnyType) => [string, AnyType, number][]} */
  const each = (kind, type) => numbers.map((version) => [`${kind} of ${name} ${version}`, type, version])
  return [...each('request', request), ...each('response', response)]
})

/**
 * @param {AnyType} type
 * @param {unknown} value
 * @param {number} version
 */
function encode(type, value, version) {
  const sink = new Sink()
  type.write(sink, value, version)
  const bytes = Buffer.concat(sink.parts())
  assert.equal(bytes.length, sink.length)
  return bytes
}

/**
 * @param {AnyType} type
 * @param {Buffer} bytes
 * @param {number} version
 */
function decode(type, bytes, version) {
  const source = new Source(bytes)
  const value = type.read(source, version)
  source.end()
  return value
}

/**
 * Whether bytes are refused. Throws if they are refused with another error than a `ProtocolError`.
 *
 * @param {AnyType} type
 * @param {Buffer} bytes
 * @param {number} version
 */
function isRefused(type, bytes, version) {
  try {
    decode(type, bytes, version)
    return false
  } catch (error) {
    if (error instanceof ProtocolError) return true
    throw error
  }
}

/**
 * @param {number} key
 * @param {number} version
 * @param {Buffer} rest
 */
function requestOf(key, version, rest) {
  const head = Buffer.alloc(8)
  head.writeInt16BE(key, 0)
  head.writeInt16BE(version, 2)
  head.writeInt32BE(77, 4)
  return decodeHead(Buffer.concat([head, rest]))
}

/**
 * Asserts that a message has the bytes of an example in hexadecimal, which may have spaces.
 *
 * @param {Sink} sink
 * @param {string} example
 */
function assertBytes(sink, example) {
  assert.equal(Buffer.concat(sink.parts()).toString('hex'), example.replaceAll(' ', ''))
}

test('every message of every version arrives as it was sent', () => {
  const random = new Random(1)
  for (const [message, type, version] of MESSAGES) {
    for (let round = 0; round < 5; round++) {
      const value = type.read(new RandomSource(random), version)
      assert.deepEqual(decode(type, encode(type, value, version), version), value, message)
    }
  }
})

test('a message that ends early or has a byte too many is refused, wherever it ends', () => {
  const random = new Random(2)
  for (const [message, type, version] of MESSAGES) {
    const bytes = encode(type, type.read(new RandomSource(random), version), version)
    for (let length = 0; length < bytes.length; length++) {
      assert.ok(isRefused(type, bytes.subarray(0, length), version), `${length} bytes of ${message}`)
    }
    assert.ok(isRefused(type, Buffer.concat([bytes, Buffer.alloc(1)]), version), message)
  }
})

test('random and changed bytes are decoded or refused with a ProtocolError', () => {
  const random = new Random(3)
  let refused = 0
  for (const [, type, version] of MESSAGES) {
    const valid = encode(type, type.read(new RandomSource(random), version), version)
    for (let round = 0; round < 40; round++) {
      const bytes = Buffer.from(round % 2 === 0 ? random.bytes(random.int(200)) : valid)
      if (bytes.length > 0) bytes[random.int(bytes.length)] = random.pick([0, 0x7f, 0x80, 0xff])
      if (isRefused(type, bytes, version)) refused++
    }
  }
  assert.ok(refused > MESSAGES.length, `only ${refused} were refused`)
})

test('an array that announces more elements than there are bytes is refused before one is read', () => {
  const bytes = Buffer.alloc(64)
  bytes.writeInt32BE(2 ** 31 - 1)
  for (const name of namesOfCalls()) {
    const { request, versions } = CALLS[name]
    assert.throws(() => decode(request, bytes, versions.to), ProtocolError, name)
  }
  const source = new Source(bytes)
  assert.throws(() => source.countOf(65), ProtocolError)
  assert.equal(source.left, 64)
})

test('a message with too many elements is refused, however small they are', () => {
  const topics = Array.from({ length: 100_001 }, () => ({ name: '' }))
  const bytes = encode(CALLS.Metadata.request, { topics }, 1)
  assert.throws(() => decode(CALLS.Metadata.request, bytes, 1), /more than 100000 elements/)
})

test('the oldest and the newest request of ApiVersions are read byte for byte as clients send them', () => {
  const client = Buffer.from('00046b636174', 'hex')
  assert.deepEqual(decodeRequest('ApiVersions', requestOf(18, 0, client)).clientId, 'kcat')
  const tagged = Buffer.concat([client, Buffer.from('00086b61666b616a7306322e322e3400', 'hex')])
  assert.deepEqual(decodeRequest('ApiVersions', requestOf(18, 3, tagged)), {
    clientId: 'kcat',
    request: { clientSoftwareName: 'kafkajs', clientSoftwareVersion: '2.2.4', taggedFields: null },
  })
})

test('the answer of ApiVersions 3 has compact arrays and tagged fields after the head of version 0', () => {
  const response = { errorCode: 0, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 3 }] }
  const sink = encodeResponse('ApiVersions', { version: 3, correlationId: 5 }, response)
  assertBytes(sink, '00000005 0000 02 001200000003 00 00000000 00')
})

test('a call or a version that is not offered is answered with the error and nothing else', () => {
  for (const [key, version] of [
    [3, 7],
    [0, 2],
    [24, 0],
    [-1, 0],
    [0, -1],
  ]) {
    const head = requestOf(key ?? 0, version ?? 0, Buffer.from('anything'))
    assert.equal(callOf(head), null)
    const bytes = Buffer.concat(encodeUnsupported(head).parts())
    assert.deepEqual([bytes.readInt32BE(0), bytes.readInt16BE(4), bytes.length], [77, ERROR.UNSUPPORTED_VERSION, 6])
  }
})

test('an ApiVersions that is too new is answered in version 0, with the versions to use', () => {
  const bytes = Buffer.concat(encodeUnsupported(requestOf(18, 4, Buffer.alloc(0))).parts())
  const { errorCode, apiKeys } = decode(CALLS.ApiVersions.response, bytes.subarray(4), 0)
  assert.equal(errorCode, ERROR.UNSUPPORTED_VERSION)
  assert.deepEqual(apiKeys.length, namesOfCalls().length)
})

test('an answer that lacks a field is an error of the program, and one without optional fields is not', () => {
  const head = { version: 0, correlationId: 1 }
  // @ts-expect-error a field is missing
  assert.throws(() => encodeResponse('ListGroups', head, { errorCode: 0 }), /the field groups is missing/)
  const sink = encodeResponse('ListGroups', { ...head, version: 2 }, { errorCode: 0, groups: [] })
  assertBytes(sink, '00000001 00000000 0000 00000000')
})

test('a field that an older version lacks has its default', () => {
  const bytes = encode(CALLS.LeaveGroup.request, { groupId: 'g', memberId: 'm' }, 0)
  assert.deepEqual(decode(CALLS.LeaveGroup.request, bytes, 0), { groupId: 'g', memberId: 'm', members: [] })
})
