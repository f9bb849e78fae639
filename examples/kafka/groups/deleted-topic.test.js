/** The offsets of a topic that is deleted, whenever the power is cut. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { BrokerFixture } from '../broker-fixture.js'

/** @param {BrokerFixture} kafka */
async function commit(kafka) {
  const partition = { partitionIndex: 0, committedOffset: 7n, committedLeaderEpoch: -1, committedMetadata: '' }
  const request = {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1n,
    topics: [{ name: 't', partitions: [partition] }],
  }
  const { topics } = await kafka.broker.handlers.OffsetCommit(request, kafka.context())
  return topics[0]?.partitions[0]?.errorCode
}

/** @param {BrokerFixture} kafka */
async function committed(kafka) {
  const request = { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }
  const { topics } = await kafka.broker.handlers.OffsetFetch(request, kafka.context(5))
  return topics[0]?.partitions[0]?.committedOffset
}

test('a topic that is created again has no offsets of the deleted one, also if the power is cut on the way', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  assert.deepEqual([await commit(kafka), await committed(kafka)], [0, 7n])
  /** @type {Map<string, import('@sq/sim/memory').CrashImage>} */
  const images = new Map()
  kafka.fs.operations.observe(() => {
    const state = kafka.fs.crashState()
    const image = state.image({ picks: state.points.map(({ alternatives }) => alternatives - 1) })
    images.set(image.digest(), image)
  })
  await kafka.delete('t')
  await kafka.create('t')
  assert.equal(await committed(kafka), -1n)
  await kafka.broker.close()

  const found = new Set()
  for (const image of images.values()) {
    const restarted = await new BrokerFixture(new InMemoryFileSystem({ image })).open()
    const isCreated = (await restarted.create('t')) === 0
    found.add(`${isCreated ? 'deleted' : 'there'} with ${await committed(restarted)}`)
    await restarted.broker.close()
  }
  assert.deepEqual(found, new Set(['there with 7', 'deleted with -1', 'there with -1']))
})
