/** Produce and Fetch, with idempotent producers, failing disks and power cuts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { SharedLimits } from '@sq/storage'
import { BrokerFixture, settle } from './broker-fixture.js'
import { ERROR } from './protocol/errors.js'
import { batchOf } from './protocol/test-batch.js'

/**
 * @param {string} records
 * @param {number} baseSequence
 * @param {{ producerEpoch?: number, producerId?: bigint, recordCount?: number }} [more]
 */
function sequenced(records, baseSequence, { producerEpoch = 0, producerId = 9n, recordCount = 1 } = {}) {
  return batchOf(records, { producerId, producerEpoch, baseSequence, recordCount })
}

test('batches of any size are fetched as they were produced, at their offsets', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 2)
  assert.deepEqual(await kafka.produce('t', 0, batchOf('abc', { recordCount: 3 })), [ERROR.NONE, 0n])
  assert.deepEqual(await kafka.produce('t', 0, batchOf('d')), [ERROR.NONE, 3n])
  assert.deepEqual(await kafka.produce('t', 1, batchOf('e')), [ERROR.NONE, 0n])
  assert.deepEqual(
    await kafka.fetch([
      ['t', 0, 0n],
      ['t', 1, 0n],
    ]),
    [
      { errorCode: ERROR.NONE, highWatermark: 4n, records: ['abc', 'd'] },
      { errorCode: ERROR.NONE, highWatermark: 1n, records: ['e'] },
    ],
  )
  // A batch that begins before the offset is sent whole: the client leaves out what it has.
  assert.deepEqual((await kafka.fetch([['t', 0, 1n]]))[0]?.records, ['abc', 'd'])
  assert.deepEqual((await kafka.fetch([['t', 0, 3n]]))[0]?.records, ['d'])
})

test('a fetch of nothing has a record set of length zero', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  assert.deepEqual(await kafka.fetch([['t', 0, 0n]]), [{ errorCode: ERROR.NONE, highWatermark: 0n, records: [] }])
})

test('an offset before the start or after the end is out of range, however large', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.produce('t', 0, batchOf('a'))
  await kafka.produce('t', 0, batchOf('b'))
  await kafka.deleteRecords('t', 1n)
  for (const offset of [0n, 3n, -1n, 2n ** 62n]) {
    assert.equal((await kafka.fetch([['t', 0, offset]], { maxWaitMs: 1000 }))[0]?.errorCode, ERROR.OFFSET_OUT_OF_RANGE)
  }
})

test('a fetch stops at the limit of the request and of each partition, after one batch at least', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 2)
  for (const index of [0, 1]) for (const text of ['a', 'b']) await kafka.produce('t', index, batchOf(text))
  /** @type {[string, number, bigint][]} */
  const both = [
    ['t', 0, 0n],
    ['t', 1, 0n],
  ]
  const records = async (/** @type {object} */ limits) => (await kafka.fetch(both, limits)).map((part) => part.records)
  assert.deepEqual(await records({ maxBytes: 1 }), [['a'], []])
  assert.deepEqual(await records({ maxBytes: 62 }), [['a'], []])
  assert.deepEqual(await records({ maxBytes: 63 }), [['a'], ['a']])
  assert.deepEqual(await records({ maxBytes: 200 }), [['a', 'b'], ['a']])
  assert.deepEqual(await records({ partitionMaxBytes: 1 }), [['a'], ['a']])
})

test('a fetch waits until there are enough bytes in all its partitions together', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 2)
  let isAnswered = false
  const fetched = kafka.fetch(
    [
      ['t', 0, 0n],
      ['t', 1, 0n],
    ],
    { minBytes: 100, maxWaitMs: 1000 },
  )
  void fetched.then(() => (isAnswered = true))
  await kafka.produce('t', 1, batchOf('a'))
  await settle()
  assert.equal(isAnswered, false)
  await kafka.produce('t', 0, batchOf('b'))
  assert.deepEqual(
    (await fetched).map(({ records }) => records),
    [['b'], ['a']],
  )
})

test('a fetch that has waited for long enough is answered with what there is', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 2)
  const timersBefore = kafka.clock.timers
  const fetched = kafka.fetch(
    [
      ['t', 0, 0n],
      ['t', 1, 0n],
    ],
    { minBytes: 100, maxWaitMs: 1000 },
  )
  await settle()
  await kafka.produce('t', 1, batchOf('a'))
  await settle()
  kafka.clock.advance(1000)
  assert.deepEqual(
    (await fetched).map(({ records }) => records),
    [[], ['a']],
  )
  await settle()
  assert.equal(kafka.clock.timers, timersBefore)
})

test('a fetch whose partitions are all full is answered at once', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.produce('t', 0, batchOf('a'))
  await kafka.produce('t', 0, batchOf('b'))
  const limits = { minBytes: 1000, maxWaitMs: 1000, partitionMaxBytes: 10 }
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]], limits))[0]?.records, ['a'])
})

test('a waiting fetch ends when the client is gone, its topic is deleted, or the broker is closed', async () => {
  for (const end of /** @type {const} */ (['disconnect', 'delete', 'close'])) {
    const kafka = await new BrokerFixture().open()
    await kafka.create('t')
    const fetched = kafka.fetch([['t', 0, 0n]], { maxWaitMs: 1000 })
    await settle()
    if (end === 'disconnect') kafka.disconnect()
    if (end === 'delete') await kafka.delete('t')
    if (end === 'close') await kafka.broker.close()
    const [answer] = await fetched
    assert.equal(answer?.errorCode, end === 'disconnect' ? ERROR.NONE : ERROR.UNKNOWN_TOPIC_OR_PARTITION)
  }
})

test('a batch that cannot be taken is refused, and the others of the request are appended', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 3)
  const bad = batchOf('bad')
  bad.writeUInt8(0, bad.length - 1)
  const batches = [batchOf('a'), bad, batchOf('c'), batchOf('d')]
  const topicData = [{ name: 't', partitionData: batches.map((records, index) => ({ index, records })) }]
  const request = { transactionalId: null, acks: 1, timeoutMs: 0, topicData }
  const response = await kafka.broker.handlers.Produce(request, kafka.context())
  assert.deepEqual(
    response?.responses[0]?.partitionResponses.map(({ errorCode }) => errorCode),
    [ERROR.NONE, ERROR.CORRUPT_MESSAGE, ERROR.NONE, ERROR.UNKNOWN_TOPIC_OR_PARTITION],
  )
})

test('a producer that wants no answer gets none, and its connection ends if a batch is refused', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  const partitionData = [{ index: 0, records: batchOf('a') }]
  const request = (/** @type {string} */ name) => {
    return { transactionalId: null, acks: 0, timeoutMs: 0, topicData: [{ name, partitionData }] }
  }
  assert.equal(await kafka.broker.handlers.Produce(request('t'), kafka.context()), null)
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, ['a'])
  await assert.rejects(kafka.broker.handlers.Produce(request('unknown'), kafka.context()))
})

test('a batch is acknowledged only once it is durable', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  const held = kafka.fs.faults.hold('sync')
  let isAcknowledged = false
  const produced = kafka.produce('t', 0, batchOf('a'))
  void produced.then(() => (isAcknowledged = true))
  await held.reached
  await settle()
  assert.equal(isAcknowledged, false)
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, [])
  held.release()
  assert.deepEqual(await produced, [ERROR.NONE, 0n])
})

test('a batch that is sent again is acknowledged with its first offset, and another out of order is refused', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  for (const restart of [false, true]) {
    if (restart) await kafka.crash()
    else {
      await kafka.produce('t', 0, sequenced('a', 0))
      await kafka.produce('t', 0, sequenced('bc', 1, { recordCount: 2 }))
    }
    assert.deepEqual(await kafka.produce('t', 0, sequenced('a', 0)), [ERROR.NONE, 0n])
    assert.deepEqual(await kafka.produce('t', 0, sequenced('bc', 1, { recordCount: 2 })), [ERROR.NONE, 1n])
    assert.deepEqual(await kafka.produce('t', 0, sequenced('e', 4)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
    assert.deepEqual(await kafka.produce('t', 0, sequenced('b', 1)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
  }
  assert.deepEqual(await kafka.produce('t', 0, sequenced('d', 3)), [ERROR.NONE, 3n])
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, ['a', 'bc', 'd'])
})

test('a batch that is sent again before it is durable is acknowledged when it is', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  const held = kafka.fs.faults.hold('sync')
  const produced = [kafka.produce('t', 0, sequenced('a', 0)), kafka.produce('t', 0, sequenced('b', 1))]
  await held.reached
  produced.push(kafka.produce('t', 0, sequenced('a', 0)), kafka.produce('t', 0, sequenced('c', 2)))
  held.release()
  assert.deepEqual(
    await Promise.all(produced),
    [0n, 1n, 0n, 2n].map((offset) => [ERROR.NONE, offset]),
  )
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, ['a', 'b', 'c'])
})

test('a newer epoch of a producer begins at 0 and ends the older one', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.produce('t', 0, sequenced('a', 0))
  const newer = (/** @type {string} */ text, /** @type {number} */ at) => sequenced(text, at, { producerEpoch: 1 })
  assert.deepEqual(await kafka.produce('t', 0, newer('b', 1)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
  assert.deepEqual(await kafka.produce('t', 0, newer('b', 0)), [ERROR.NONE, 1n])
  assert.deepEqual(await kafka.produce('t', 0, sequenced('c', 1)), [ERROR.INVALID_PRODUCER_EPOCH, -1n])
})

test('after a failed write every batch of it is refused, and those after it until they are sent again in order', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.produce('t', 0, sequenced('a', 0))
  kafka.fs.faults.failNext('sync', 'EIO')
  const produced = ['b', 'c', 'd'].map((text, index) => kafka.produce('t', 0, sequenced(text, index + 1)))
  // Others come at every moment around the failure.
  for (let sequence = 4; sequence < 300; sequence++) {
    produced.push(kafka.produce('t', 0, sequenced('early', sequence)))
    await (sequence % 50 === 0 ? settle() : Promise.resolve())
  }
  const codes = (await Promise.all(produced)).map(([errorCode]) => errorCode)
  assert.equal(codes[0], ERROR.KAFKA_STORAGE_ERROR)
  assert.ok(!codes.includes(ERROR.NONE), `answered with ${codes.join(' ')}`)
  for (const [index, text] of ['b', 'c', 'd'].entries()) {
    assert.deepEqual(await kafka.produce('t', 0, sequenced(text, index + 1)), [ERROR.NONE, BigInt(index + 1)])
  }
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, ['a', 'b', 'c', 'd'])
})

test('a full backlog makes batches wait, in their order', async () => {
  const options = { maxMessageBytes: 1000, limits: new SharedLimits({ maxPendingBytes: 3000 }) }
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), options).open()
  await kafka.create('t')
  const texts = Array.from({ length: 20 }, (_, index) => String.fromCharCode(97 + index).repeat(900))
  const produced = await Promise.all(texts.map((text, index) => kafka.produce('t', 0, sequenced(text, index))))
  assert.deepEqual(
    produced,
    texts.map((_, index) => [ERROR.NONE, BigInt(index)]),
  )
  assert.deepEqual((await kafka.fetch([['t', 0, 0n]]))[0]?.records, texts)
})

test('a power cut loses nothing acknowledged and stores nothing twice, when producers send again', async () => {
  const random = new Random(4)
  for (let round = 0; round < 20; round++) {
    const kafka = await new BrokerFixture().open()
    await kafka.create('t')
    let acknowledged = 0
    const sending = Array.from({ length: 12 }, async (_, index) => {
      const [code] = await kafka.produce('t', 0, sequenced(`${index}`, index))
      if (code === ERROR.NONE) acknowledged = index + 1
    })
    void Promise.allSettled(sending)
    for (let turns = random.int(40); turns > 0; turns--) await new Promise((done) => setImmediate(done))
    const before = acknowledged
    await kafka.crash(random.fork())
    const [kept] = await kafka.fetch([['t', 0, 0n]])
    assert.ok(Number(kept?.highWatermark) >= before, `${before} were acknowledged, ${kept?.highWatermark} are left`)
    for (let index = 0; index < 12; index++) {
      // A producer sends again what was not acknowledged.
      if (index >= before)
        assert.deepEqual(await kafka.produce('t', 0, sequenced(`${index}`, index)), [0, BigInt(index)])
    }
    const [all] = await kafka.fetch([['t', 0, 0n]])
    assert.deepEqual(
      all?.records,
      Array.from({ length: 12 }, (_, index) => `${index}`),
    )
  }
})
