/** Topics, their records and offsets, and the calls that describe them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listPartitions } from '@sq/storage'
import { BrokerFixture } from '../broker-fixture.js'
import { ERROR } from '../protocol/errors.js'
import { batchOf } from '../protocol/test-batch.js'

/**
 * @param {bigint} offset
 * @param {bigint} timestamp
 */
function found(offset, timestamp) {
  return { errorCode: ERROR.NONE, offset, timestamp }
}

test('topics and producer ids survive a crash, and no id is given out twice', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('a', 3)
  await kafka.create('b')
  const ids = [await kafka.producerId(), await kafka.producerId()]
  await kafka.crash()
  assert.deepEqual(await kafka.metadata(null), [
    ['a', 0, 3],
    ['b', 0, 1],
  ])
  ids.push(await kafka.producerId())
  assert.equal(new Set(ids).size, 3)
})

test('a deleted topic is gone with its records, and can be created again, empty', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t', 2)
  await kafka.produce('t', 1, batchOf('old'))
  assert.equal(await kafka.delete('t'), ERROR.NONE)
  assert.deepEqual(await kafka.metadata(['t']), [['t', ERROR.UNKNOWN_TOPIC_OR_PARTITION, 0]])
  assert.equal(await kafka.delete('t'), ERROR.UNKNOWN_TOPIC_OR_PARTITION)
  assert.deepEqual(await kafka.produce('t', 1, batchOf('a')), [ERROR.UNKNOWN_TOPIC_OR_PARTITION, -1n])
  await kafka.crash()
  await kafka.create('t', 2)
  assert.deepEqual(await kafka.fetch([['t', 1, 0n]]), [{ errorCode: ERROR.NONE, highWatermark: 0n, records: [] }])
})

test('a power cut in the middle of a deletion leaves the topic whole or gone', async () => {
  for (let point = 0; ; point += 9) {
    const kafka = await new BrokerFixture().open()
    await kafka.create('t', 2)
    await kafka.produce('t', 0, batchOf('old'))
    await kafka.produce('t', 1, batchOf('old'))
    let operations = 0
    const reached = new Promise((done) => {
      kafka.fs.operations.observe(() => {
        if (operations++ === point) done(false)
      })
    })
    const deleted = kafka.delete('t').then(
      () => true,
      () => false,
    )
    const isOver = await Promise.race([deleted, reached])
    await kafka.crash(new Random(point))
    const [[, code] = []] = await kafka.metadata(['t'])
    if (code === ERROR.NONE) {
      const kept = await kafka.fetch([
        ['t', 0, 0n],
        ['t', 1, 0n],
      ])
      assert.deepEqual(
        kept.map(({ records }) => records),
        [['old'], ['old']],
      )
      assert.notEqual(isOver, true)
    } else {
      assert.deepEqual(await listPartitions(kafka.fs, { dataDir: '/data/topics' }), [])
      assert.equal(await kafka.create('t', 2), ERROR.NONE)
      assert.deepEqual(await kafka.metadata(['t']), [['t', ERROR.NONE, 2]])
      assert.deepEqual((await kafka.fetch([['t', 1, 0n]]))[0]?.records, [])
    }
    if (isOver === true) break
  }
})

test('a topic is created when a client asks for it, if the broker and the client allow it', async () => {
  const closed = await new BrokerFixture().open()
  assert.deepEqual(await closed.metadata(['t']), [['t', ERROR.UNKNOWN_TOPIC_OR_PARTITION, 0]])
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), {
    autoCreateTopics: true,
    defaultPartitions: 2,
  }).open()
  assert.deepEqual(await kafka.metadata(['t'], false), [['t', ERROR.UNKNOWN_TOPIC_OR_PARTITION, 0]])
  assert.deepEqual(await Promise.all([kafka.metadata(['t']), kafka.metadata(['t'])]), [[['t', 0, 2]], [['t', 0, 2]]])
  assert.deepEqual(await kafka.metadata(['../t']), [['../t', ERROR.INVALID_TOPIC_EXCEPTION, 0]])
})

test('a topic that cannot be created is refused with the error of its kind', async () => {
  const kafka = await new BrokerFixture().open()
  const wanted = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  /** @type {[object, number][]} */
  const cases = [
    [{ name: '..' }, ERROR.INVALID_TOPIC_EXCEPTION],
    [{ name: 'x'.repeat(250) }, ERROR.INVALID_TOPIC_EXCEPTION],
    [{ numPartitions: 0 }, ERROR.INVALID_PARTITIONS],
    [{ numPartitions: 1001 }, ERROR.INVALID_PARTITIONS],
    [{ replicationFactor: 3 }, ERROR.INVALID_REPLICATION_FACTOR],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [2] }] }, ERROR.INVALID_REPLICA_ASSIGNMENT],
    [{ configs: [{ name: 'cleanup.policy', value: 'compact' }] }, ERROR.INVALID_CONFIG],
  ]
  for (const [fields, expected] of cases) {
    const request = { topics: [{ ...wanted, ...fields }], timeoutMs: 0, validateOnly: false }
    const { topics } = await kafka.broker.handlers.CreateTopics(request, kafka.context(4))
    assert.equal(topics[0]?.errorCode, expected)
  }
  const twice = { topics: [wanted, wanted], timeoutMs: 0, validateOnly: false }
  const answer = await kafka.broker.handlers.CreateTopics(twice, kafka.context(4))
  assert.deepEqual(
    answer.topics.map(({ errorCode }) => errorCode),
    [ERROR.INVALID_REQUEST, ERROR.INVALID_REQUEST],
  )
  const tried = { topics: [wanted], timeoutMs: 0, validateOnly: true }
  const validated = await kafka.broker.handlers.CreateTopics(tried, kafka.context(4))
  assert.equal(validated.topics[0]?.errorCode, ERROR.NONE)
  assert.deepEqual(await kafka.metadata(null), [])
  assert.equal(await kafka.create('t'), ERROR.NONE)
  assert.equal(await kafka.create('t'), ERROR.TOPIC_ALREADY_EXISTS)
})

test('offsets are found by time, and at both ends of the log', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  for (const baseTimestamp of [100n, 200n, 300n]) {
    await kafka.produce('t', 0, batchOf('ab', { recordCount: 2, baseTimestamp, maxTimestamp: baseTimestamp + 10n }))
  }
  assert.deepEqual(await kafka.offset('t', -2n), found(0n, -1n))
  assert.deepEqual(await kafka.offset('t', -1n), found(6n, -1n))
  assert.deepEqual(await kafka.offset('t', 0n), found(0n, 110n))
  assert.deepEqual(await kafka.offset('t', 111n), found(2n, 210n))
  assert.deepEqual(await kafka.offset('t', 311n), found(-1n, -1n))
  assert.deepEqual(await kafka.offset('t', 2n ** 62n), found(-1n, -1n))
  assert.equal((await kafka.offset('t', -7n)).errorCode, ERROR.INVALID_REQUEST)
  assert.equal((await kafka.offset('u', -1n)).errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION)
  assert.deepEqual(await kafka.deleteRecords('t', 1n), [ERROR.NONE, 1n])
  assert.deepEqual(await kafka.offset('t', 0n), found(1n, 110n))
  assert.deepEqual(await kafka.offset('t', -2n), found(1n, -1n))
})

test('records are deleted up to an offset or all, and not beyond the end', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  for (const text of ['a', 'b', 'c']) await kafka.produce('t', 0, batchOf(text))
  assert.deepEqual(await kafka.deleteRecords('t', 1n), [ERROR.NONE, 1n])
  assert.deepEqual(await kafka.deleteRecords('t', 4n), [ERROR.OFFSET_OUT_OF_RANGE, -1n])
  assert.deepEqual(await kafka.deleteRecords('t', -2n), [ERROR.OFFSET_OUT_OF_RANGE, -1n])
  assert.deepEqual(await kafka.deleteRecords('t', -1n), [ERROR.NONE, 3n])
  await kafka.crash()
  assert.deepEqual((await kafka.offset('t', -2n)).offset, 3n)
})

test('the configuration of a topic and of the broker can be read, all of it or by name', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  const resources = [
    { resourceType: 2, resourceName: 't', configurationKeys: ['max.message.bytes', 'unknown'] },
    { resourceType: 4, resourceName: '1', configurationKeys: null },
    { resourceType: 2, resourceName: 'u', configurationKeys: null },
    { resourceType: 4, resourceName: '7', configurationKeys: null },
  ]
  const request = { resources, includeSynonyms: false }
  const { results } = await kafka.broker.handlers.DescribeConfigs(request, kafka.context(2))
  assert.deepEqual(
    results.map(({ errorCode }) => errorCode),
    [0, 0, ERROR.UNKNOWN_TOPIC_OR_PARTITION, ERROR.INVALID_REQUEST],
  )
  assert.deepEqual(
    results[0]?.configs.map(({ name, value }) => [name, value]),
    [['max.message.bytes', '1048576']],
  )
  assert.ok((results[1]?.configs.length ?? 0) > 3)
})

test('transactions are refused', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  const init = { transactionalId: 'x', transactionTimeoutMs: 0 }
  const { errorCode } = await kafka.broker.handlers.InitProducerId(init, kafka.context(1))
  assert.equal(errorCode, ERROR.INVALID_REQUEST)
  const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf('a') }] }]
  const request = { transactionalId: 'x', acks: -1, timeoutMs: 0, topicData }
  const response = await kafka.broker.handlers.Produce(request, kafka.context())
  assert.equal(response?.responses[0]?.partitionResponses[0]?.errorCode, ERROR.INVALID_REQUEST)
})
