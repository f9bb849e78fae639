/** A connection in memory: framing, the order of answers, limits, and how it ends. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { ManualClock } from '@sq/sim'
import { Connection } from './connection.js'
import { ProtocolError, Sink } from './protocol/bytes.js'
import { CALLS } from './protocol/calls.js'
import { AnswerMemory } from './answer-memory.js'
import { RequestMemory } from './request-memory.js'

/** The side of the broker: what a test pushes arrives, and what is written is collected. */
class Line extends Duplex {
  /** @type {Buffer[]} */
  written = []
  /** Whether what is written is taken by the client. */
  isTaken = true

  /** @override */
  _read() {}

  /**
   * @override
   * @param {Buffer} chunk
   * @param {BufferEncoding} _encoding
   * @param {() => void} done
   */
  _write(chunk, _encoding, done) {
    this.written.push(chunk)
    this.takeLast = () => {
      this.takeLast = () => {}
      done()
    }
    if (this.isTaken) this.takeLast()
  }

  /** The client takes what was written last. */
  takeLast = () => {}

  /** The correlation ids of the answers so far. */
  answers() {
    const ids = []
    let rest = Buffer.concat(this.written)
    for (; rest.length > 0; rest = rest.subarray(4 + rest.readInt32BE(0))) ids.push(rest.readInt32BE(4))
    return ids
  }
}

/**
 * @param {'Produce' | 'Heartbeat'} name
 * @param {number} correlationId
 * @param {string} [text] tells the handler what it is
 */
function frame(name, correlationId, text = '') {
  const version = 3
  const sink = new Sink()
  sink.int16(CALLS[name].key)
  sink.int16(version)
  sink.int32(correlationId)
  sink.int16(-1)
  if (name === 'Produce') {
    CALLS.Produce.request.write(sink, { transactionalId: text, acks: 1, timeoutMs: 0, topicData: [] }, version)
  } else {
    CALLS.Heartbeat.request.write(sink, { groupId: text, generationId: 0, memberId: '' }, version)
  }
  const length = Buffer.alloc(4)
  length.writeInt32BE(sink.length)
  return Buffer.concat([length, ...sink.parts()])
}

/** Lets everything happen that can happen without the outside. */
async function settle() {
  for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done))
}

/** A connection whose handlers wait until the test lets the one with a text go on. */
function setUp({ maxRequestMemoryBytes = 1e6 } = {}) {
  const line = new Line()
  const clock = new ManualClock()
  const memory = new RequestMemory(maxRequestMemoryBytes)
  const answerMemory = new AnswerMemory(1e9)
  /** @type {Map<string, (error?: Error) => void>} */
  const waiting = new Map()
  /** @type {string[]} */
  const begun = []
  /** @type {AbortSignal[]} */
  const signals = []
  /** @type {(text: string, signal: AbortSignal) => Promise<void>} */
  const wait = async (text, signal) => {
    begun.push(text)
    signals.push(signal)
    if (text === 'large') return
    if (text !== '') await new Promise((done, fail) => waiting.set(text, (error) => (error ? fail(error) : done(null))))
  }
  /** @type {any} */
  const handlers = {
    Heartbeat: async (/** @type {any} */ { groupId }, /** @type {any} */ { signal }) => {
      await wait(groupId, signal)
      return { errorCode: 0 }
    },
    Produce: async (/** @type {any} */ { transactionalId }, /** @type {any} */ { signal }) => {
      await wait(transactionalId, signal)
      const name = 'x'.repeat(30_000)
      const responses =
        transactionalId === 'large' ? Array.from({ length: 100 }, () => ({ name, partitionResponses: [] })) : []
      return transactionalId === 'silent' ? null : { responses }
    },
  }
  const limits = { maxRequestBytes: 1000, maxReceiveMs: 5000, maxSendMs: 7000 }
  const options = { ...limits, handlers, clientHost: '', requestMemory: memory, answerMemory, clock }
  const connection = new Connection(line, options)
  const served = connection.serve().then(
    () => 'closed',
    (error) => error,
  )
  return { line, clock, memory, answerMemory, waiting, begun, signals, connection, served }
}

test('requests are found in chunks of any size', async () => {
  const frames = Buffer.concat([frame('Heartbeat', 1), frame('Produce', 2), frame('Heartbeat', 3)])
  for (let chunkBytes = 1; chunkBytes <= frames.length; chunkBytes++) {
    const { line, memory } = setUp()
    for (let at = 0; at < frames.length; at += chunkBytes) line.push(frames.subarray(at, at + chunkBytes))
    await settle()
    assert.deepEqual(line.answers(), [1, 2, 3])
    assert.equal(memory.bytes, 0)
    line.destroy()
  }
})

test('Produce requests in a row are handled at the same time and answered in order', async () => {
  const { line, begun, waiting } = setUp()
  for (const [id, text] of ['a', 'b', 'c'].entries()) line.push(frame('Produce', id, text))
  await settle()
  assert.deepEqual(begun, ['a', 'b', 'c'])
  waiting.get('c')?.()
  await settle()
  assert.deepEqual(line.answers(), [])
  waiting.get('a')?.()
  waiting.get('b')?.()
  await settle()
  assert.deepEqual(line.answers(), [0, 1, 2])
  line.destroy()
})

test('any other request waits for all before it, and a Produce waits for any other before it', async () => {
  const { line, begun, waiting } = setUp()
  line.push(frame('Produce', 1, 'a'))
  line.push(frame('Heartbeat', 2, 'b'))
  line.push(frame('Produce', 3, 'c'))
  await settle()
  assert.deepEqual(begun, ['a'])
  waiting.get('a')?.()
  await settle()
  assert.deepEqual(begun, ['a', 'b'])
  waiting.get('b')?.()
  await settle()
  assert.deepEqual(begun, ['a', 'b', 'c'])
  line.destroy()
})

test('a handler that answers with null sends nothing, and the next answer follows', async () => {
  const { line, waiting } = setUp()
  line.push(frame('Produce', 1, 'silent'))
  line.push(frame('Produce', 2))
  await settle()
  waiting.get('silent')?.()
  await settle()
  assert.deepEqual(line.answers(), [2])
  line.destroy()
})

for (const bytes of [2 ** 31 - 1, 1001, 7, 0, -1]) {
  test(`a request of ${bytes} bytes is refused by its length`, async () => {
    const { line, served, memory } = setUp()
    const length = Buffer.alloc(4)
    length.writeInt32BE(bytes)
    line.push(length)
    assert.ok((await served) instanceof ProtocolError)
    assert.ok(line.destroyed)
    assert.equal(memory.bytes, 0)
  })
}

test('a request that cannot be decoded closes the connection', async () => {
  const { line, served, memory } = setUp()
  const bad = frame('Heartbeat', 1)
  bad.writeInt16BE(500, bad.length - 10)
  line.push(bad)
  assert.ok((await served) instanceof ProtocolError)
  assert.ok(line.destroyed)
  assert.equal(memory.bytes, 0)
})

test('a handler that fails closes the connection with its error', async () => {
  const { line, served, waiting, memory } = setUp()
  line.push(frame('Heartbeat', 1, 'a'))
  line.push(frame('Heartbeat', 2, 'b'))
  await settle()
  const error = new Error('a fault of the program')
  waiting.get('a')?.(error)
  assert.equal(await served, error)
  await settle()
  assert.ok(line.destroyed)
  assert.equal(memory.bytes, 0)
})

test('the end of the stream and its destruction abort what is handled', async () => {
  for (const end of /** @type {const} */ (['push', 'destroy'])) {
    const { line, signals, waiting, served } = setUp()
    line.push(frame('Heartbeat', 1, 'a'))
    await settle()
    assert.equal(signals[0]?.aborted, false)
    if (end === 'push') line.push(null)
    else line.destroy()
    await settle()
    assert.equal(signals[0]?.aborted, true)
    waiting.get('a')?.()
    assert.equal(await served, 'closed')
  }
})

test('at most 16 requests are taken before one is answered', async () => {
  const { line, begun, waiting } = setUp()
  for (let id = 0; id < 20; id++) line.push(frame('Produce', id, `request ${id}`))
  await settle()
  assert.equal(begun.length, 16)
  waiting.get('request 0')?.()
  await settle()
  assert.equal(begun.length, 17)
  line.destroy()
})

test('a client that does not take its answers gets no more', async () => {
  const { line, begun } = setUp()
  line.isTaken = false
  for (let id = 0; id < 10_000; id++) line.push(frame('Heartbeat', id))
  await settle()
  assert.ok(begun.length > 16 && begun.length < 10_000, `${begun.length} were handled`)
  const before = begun.length
  await settle()
  assert.equal(begun.length, before)
  line.destroy()
})

test('a client that takes nothing of an answer for too long is closed, and the memory of its answers is free', async () => {
  const { line, clock, served, answerMemory } = setUp()
  line.isTaken = false
  line.push(frame('Produce', 1, 'large'))
  line.push(frame('Produce', 2, 'large'))
  await settle()
  assert.equal(answerMemory.bytes, 2 * 3_000_612)
  clock.advance(6999)
  assert.ok(!line.destroyed)
  clock.advance(1)
  assert.equal(await served, 'closed')
  await settle()
  assert.deepEqual([line.destroyed, answerMemory.bytes, clock.timers], [true, 0, 0])
})

test('a client that takes a large answer slowly gets all of it', async () => {
  const { line, clock, answerMemory } = setUp()
  line.isTaken = false
  line.push(frame('Produce', 1, 'large'))
  for (let parts = 0; answerMemory.bytes > 0 || parts === 0; parts++) {
    await settle()
    clock.advance(20)
    line.takeLast()
  }
  await settle()
  assert.deepEqual([line.answers(), line.destroyed, clock.timers], [[1], false, 0])
  line.destroy()
})

test('an answer that is made after its connection has failed leaves no memory taken', async () => {
  const { line, waiting, answerMemory } = setUp()
  line.push(frame('Produce', 1, 'a'))
  line.push(frame('Produce', 2, 'b'))
  await settle()
  waiting.get('a')?.(new Error('a fault of the program'))
  await settle()
  assert.ok(line.destroyed)
  waiting.get('b')?.()
  await settle()
  assert.equal(answerMemory.bytes, 0)
})

test('a client that does not complete its request in time is closed, and one that sends none is not', async () => {
  const { line, clock, served, memory } = setUp()
  line.push(frame('Heartbeat', 1))
  await settle()
  clock.advance(10_000)
  assert.ok(!line.destroyed)
  line.push(frame('Heartbeat', 2).subarray(0, 10))
  await settle()
  assert.equal(memory.bytes, 10)
  clock.advance(4999)
  assert.ok(!line.destroyed)
  clock.advance(1)
  assert.equal(await served, 'closed')
  assert.ok(line.destroyed)
  assert.equal(memory.bytes, 0)
  assert.equal(clock.timers, 0)
})

test('above the limit of the memory, complete requests are handled, and nothing more is read', async () => {
  const { line, memory, begun, waiting } = setUp({ maxRequestMemoryBytes: 50 })
  memory.take(50)
  line.push(frame('Heartbeat', 1, 'a'))
  await settle()
  assert.deepEqual(begun, ['a'])
  line.push(frame('Heartbeat', 2))
  waiting.get('a')?.()
  await settle()
  assert.deepEqual(line.answers(), [1])
  memory.give(50)
  await settle()
  assert.deepEqual(line.answers(), [1, 2])
  line.destroy()
})

test('a connection that is stopped answers what has come, and nothing that comes later', async () => {
  const { line, connection, served, signals, waiting } = setUp()
  line.push(frame('Heartbeat', 1, 'a'))
  await settle()
  connection.stop()
  assert.equal(signals[0]?.aborted, true)
  line.push(frame('Heartbeat', 2))
  await settle()
  waiting.get('a')?.()
  assert.equal(await served, 'closed')
  assert.deepEqual(line.answers(), [1])
})
