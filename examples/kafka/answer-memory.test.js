/** The memory of answers: what is granted, what waits, and that clients that take none of their answers get no more. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ManualClock } from '@sq/sim'
import { AnswerMemory } from './answer-memory.js'
import { BrokerFixture, settle } from './broker-fixture.js'
import { Sink, Source } from './protocol/bytes.js'
import { CALLS } from './protocol/calls.js'
import { ERROR } from './protocol/errors.js'
import { batchOf } from './protocol/test-batch.js'
import { Server } from './server.js'

const MIB = 1024 * 1024
const { signal } = new AbortController()

test('an answer gets as much as there is room for, and waits for the least', async () => {
  const memory = new AnswerMemory(100)
  const [first, second, third] = [memory.reservation(), memory.reservation(), memory.reservation()]
  assert.equal(await first.reserve({ leastBytes: 10, mostBytes: 60 }, signal), 60)
  assert.equal(await second.reserve({ leastBytes: 10, mostBytes: 60 }, signal), 40)
  const waiting = third.reserve({ leastBytes: 10, mostBytes: 60 }, signal)
  await settle()
  first.set(51)
  await settle()
  assert.equal(memory.bytes, 91)
  second.set(39)
  assert.equal(await waiting, 10)
  for (const reservation of [first, second, third]) reservation.set(0)
  assert.equal(memory.bytes, 0)
})

test('answers that wait get room in the order of their calls', async () => {
  const memory = new AnswerMemory(100)
  const all = memory.reservation()
  await all.reserve({ leastBytes: 100, mostBytes: 100 }, signal)
  /** @type {number[]} */
  const granted = []
  for (const leastBytes of [80, 10, 60]) {
    const reservation = memory.reservation()
    void reservation.reserve({ leastBytes, mostBytes: 100 }, signal).then((bytes) => granted.push(bytes))
  }
  all.set(50)
  await settle()
  assert.deepEqual(granted, [])
  all.set(0)
  await settle()
  assert.deepEqual([granted, memory.bytes], [[80, 10], 90])
})

test('an answer that has some memory gets no more before those that wait, and does not wait itself', async () => {
  const memory = new AnswerMemory(100)
  const [some, rest] = [memory.reservation(), memory.reservation()]
  await some.reserve({ leastBytes: 50, mostBytes: 50 }, signal)
  await rest.reserve({ leastBytes: 40, mostBytes: 40 }, signal)
  assert.equal(await some.reserve({ leastBytes: 61, mostBytes: 70 }, signal), 0)
  void memory.reservation().reserve({ leastBytes: 30, mostBytes: 30 }, signal)
  assert.equal(await some.reserve({ leastBytes: 55, mostBytes: 70 }, signal), 0)
  assert.equal(memory.bytes, 90)
})

test('an answer that nobody waits for any longer gets nothing, and those behind it can go on', async () => {
  const memory = new AnswerMemory(100)
  await memory.reservation().reserve({ leastBytes: 90, mostBytes: 90 }, signal)
  const gone = new AbortController()
  const first = memory.reservation().reserve({ leastBytes: 50, mostBytes: 50 }, gone.signal)
  const second = memory.reservation().reserve({ leastBytes: 10, mostBytes: 50 }, signal)
  gone.abort()
  assert.deepEqual([await first, await second, memory.bytes], [0, 10, 100])
})

test('an answer that takes more than all memory waits until it is alone', async () => {
  const memory = new AnswerMemory(100)
  const small = memory.reservation()
  await small.reserve({ leastBytes: 1, mostBytes: 1 }, signal)
  const large = memory.reservation().reserve({ leastBytes: 1000, mostBytes: 2000 }, signal)
  await settle()
  assert.equal(memory.bytes, 1)
  small.set(0)
  assert.equal(await large, 100)
})

test('a fetch returns one batch at least where memory is short, and what it has where there is none for more', async () => {
  const kafka = await new BrokerFixture(undefined, { maxMessageBytes: 1000 }).open()
  await kafka.create('t')
  const batch = batchOf('x'.repeat(700))
  for (let count = 0; count < 6; count++) await kafka.produce('t', 0, batch)
  kafka.answerMemory = new AnswerMemory(3000)
  const taken = kafka.answerMemory.reservation()
  const count = async () => (await kafka.fetch([['t', 0, 0n]]))[0]?.records.length
  // The rest is kept for a last batch that is longer than what is left.
  assert.equal(await count(), 2)
  taken.set(3000)
  const waiting = count()
  await settle()
  taken.set(1900)
  assert.equal(await waiting, 1)
  taken.set(0)
  assert.equal(kafka.answerMemory.bytes, 0)

  const [part] = await kafka.fetch([['t', 0, 0n]], { minBytes: 100_000, maxWaitMs: 1e9 })
  assert.equal(part?.records.length, 3)
})

test('a fetch waits for more for at most half a minute, because what it has fetched takes memory', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.produce('t', 0, batchOf('a'))
  const fetched = kafka.fetch([['t', 0, 0n]], { minBytes: 1000, maxWaitMs: 2 ** 31 - 1 })
  await settle()
  kafka.clock.advance(30_000)
  assert.deepEqual((await fetched)[0]?.records, ['a'])
})

test('clients that ask for much and take nothing use bounded memory, are closed, and others are served', async () => {
  const clock = new ManualClock()
  const kafka = await new BrokerFixture(undefined, { maxSegmentBytes: 64 * MIB }).open()
  await kafka.create('t')
  for (let count = 0; count < 9; count++) await kafka.produce('t', 0, batchOf('x'.repeat(MIB - 1000)))
  const server = new Server(kafka.broker.handlers, { clock, maxAnswerMemoryBytes: 32 * MIB })
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  const stuck = Array.from({ length: 40 }, () => connect(port, '127.0.0.1'))
  for (const socket of stuck) socket.pause().write(fetchFrame(8 * MIB))
  await until(() => server.stats().connections === 40 && server.stats().answerBytes > 30 * MIB)
  for (let turn = 0; turn < 100; turn++) await settle()
  assert.ok(server.stats().answerBytes <= 32 * MIB)

  // Short answers are not held up, and a fetch gets its turn when those in front of it are closed.
  const honest = connect(port, '127.0.0.1')
  honest.write(heartbeatFrame())
  assert.equal((await answer(honest)).int32(), 1)
  honest.write(fetchFrame(8 * MIB))
  const fetched = answer(honest)
  const waiting = { isOver: false }
  void fetched.then(() => (waiting.isOver = true))
  for (let turn = 0; !waiting.isOver; turn++) {
    // Once its own answer comes, time stands still for it.
    if (turn % 100 === 0 && honest.bytesRead < 1000) clock.advance(10_000)
    await settle()
    assert.ok(server.stats().answerBytes <= 32 * MIB)
  }
  const source = await fetched
  assert.equal(source.int32(), 2)
  const { responses } = CALLS.Fetch.response.read(source, 11)
  const [part] = responses[0]?.partitions ?? []
  assert.equal(part?.errorCode, ERROR.NONE)
  assert.ok((part?.records[0]?.length ?? 0) > MIB - 1000)

  // Short answers of others may be in the buffers of the system: their connections stay.
  await until(() => {
    clock.advance(10_000)
    return server.stats().answerBytes === 0
  })
  assert.ok(server.stats().connections <= 37)
  for (const socket of [honest, ...stuck]) socket.destroy()
  await server.close({ withinMs: 1000 })
  await kafka.broker.close()
})

/** @param {() => boolean} isReached */
async function until(isReached) {
  while (!isReached()) await new Promise((done) => setImmediate(done))
}

/** @param {number} maxBytes */
function fetchFrame(maxBytes) {
  const partitions = [
    { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0n, logStartOffset: -1n, partitionMaxBytes: maxBytes },
  ]
  const session = { sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: '' }
  const wait = { maxWaitMs: 1000, minBytes: 1, maxBytes }
  const request = { replicaId: -1, isolationLevel: 0, ...wait, ...session, topics: [{ topic: 't', partitions }] }
  return frame({ key: CALLS.Fetch.key, version: 11, correlationId: 2 }, (sink) =>
    CALLS.Fetch.request.write(sink, request, 11),
  )
}

function heartbeatFrame() {
  const request = { groupId: 'g', generationId: 0, memberId: '' }
  return frame({ key: CALLS.Heartbeat.key, version: 1, correlationId: 1 }, (sink) =>
    CALLS.Heartbeat.request.write(sink, request, 1),
  )
}

/**
 * @param {{ key: number, version: number, correlationId: number }} head
 * @param {(sink: Sink) => void} write
 */
function frame({ key, version, correlationId }, write) {
  const sink = new Sink()
  sink.int16(key)
  sink.int16(version)
  sink.int32(correlationId)
  sink.int16(-1)
  write(sink)
  const length = Buffer.alloc(4)
  length.writeInt32BE(sink.length)
  return Buffer.concat([length, ...sink.parts()])
}

/**
 * The next answer of the broker.
 *
 * @param {import('node:net').Socket} socket
 */
async function answer(socket) {
  let bytes = Buffer.alloc(0)
  while (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) {
    const [chunk] = await once(socket, 'data')
    bytes = Buffer.concat([bytes, chunk])
  }
  return new Source(bytes.subarray(4))
}
