/** Committed offsets of groups that are not used any more are deleted, and no others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { BrokerFixture, settle } from '../broker-fixture.js'
import { OffsetStore } from './offset-store.js'

const DAY_MS = 86_400_000
const isUsed = () => false

/** @param {string} group */
function commitOf(group) {
  return { group, topics: new Map([['t', new Map([[0, { offset: 1n, leaderEpoch: -1, metadata: '' }]])]]) }
}

/** A store with offsets of some groups. @param {...string} groups */
async function storeOf(...groups) {
  const [fs, clock] = [new InMemoryFileSystem(), new ManualClock()]
  const open = (options = {}, disk = fs) => OffsetStore.open(disk, '/data', { clock, ...options })
  const store = await open()
  for (const group of groups) await store.commit(commitOf(group))
  return { fs, clock, open, store }
}

test('the offsets of a group expire, durably, once it was neither used nor committed for the time given', async () => {
  const { fs, clock, open, store } = await storeOf('idle', 'used', 'committed')
  const run = () => store.deleteIdle({ idleMs: DAY_MS, isUsed: (group) => group === 'used' })
  clock.advance(DAY_MS - 1)
  await run()
  assert.deepEqual([...store.groups], ['idle', 'used', 'committed'])
  await store.commit(commitOf('committed'))
  clock.advance(1)
  await run()
  assert.deepEqual([...store.groups], ['used', 'committed'])
  fs.crash({ random: new Random(1) })
  assert.deepEqual([...(await open()).groups], ['used', 'committed'])
})

test('a group that was used counts from the last time that it was seen so', async () => {
  const { clock, store } = await storeOf('g')
  clock.advance(2 * DAY_MS)
  await store.deleteIdle({ idleMs: DAY_MS, isUsed: () => true })
  clock.advance(DAY_MS - 1)
  await store.deleteIdle({ idleMs: DAY_MS, isUsed })
  assert.deepEqual([...store.groups], ['g'])
  clock.advance(1)
  await store.deleteIdle({ idleMs: DAY_MS, isUsed })
  assert.deepEqual([...store.groups], [])
})

test('after a restart the time of every group begins again', async () => {
  const { clock, open, store } = await storeOf('g')
  await store.close()
  clock.advance(2 * DAY_MS)
  const again = await open()
  await again.deleteIdle({ idleMs: DAY_MS, isUsed })
  assert.deepEqual([...again.groups], ['g'])
})

test('a commit that comes at the same time as the deletion of its group is kept', async () => {
  for (const order of ['commit first', 'deletion first', 'while compacting']) {
    const { clock, open, store: first, fs } = await storeOf('g', 'other')
    await first.close()
    const store = await open({ compactAfterBytes: order === 'while compacting' ? 1 : 1e6 })
    await store.deleteIdle({ idleMs: DAY_MS, isUsed })
    clock.advance(DAY_MS)
    if (order === 'while compacting') void store.commit(commitOf('third'))
    const deleting = order === 'commit first' ? null : store.deleteIdle({ idleMs: DAY_MS, isUsed })
    for (let turns = order === 'while compacting' ? 3 : 0; turns > 0; turns--) await Promise.resolve()
    const committing = store.commit(commitOf('g'))
    await Promise.all([committing, deleting ?? store.deleteIdle({ idleMs: DAY_MS, isUsed })])
    assert.equal(store.of('g').size, 1, order)
    assert.equal(store.of('other').size, 0, order)
    fs.crash({ random: new Random(1) })
    assert.equal((await open()).of('g').size, 1, order)
  }
})

test('many idle groups are deleted in records of a bounded size, and their memory is free again', async () => {
  const groups = Array.from({ length: 1200 }, (_, index) => `${index} ${'\u0000'.repeat(250)}`)
  const { clock, store } = await storeOf()
  await Promise.all(groups.map((group) => store.commit(commitOf(group))))
  clock.advance(DAY_MS)
  await store.deleteIdle({ idleMs: DAY_MS, isUsed })
  assert.deepEqual([...store.groups], [])
  const small = await OffsetStore.open(new InMemoryFileSystem(), '/data', { clock, maxOffsetBytes: 2000 })
  for (let round = 0; round < 20; round++) {
    await small.commit(commitOf(`${round}`))
    clock.advance(DAY_MS)
    await small.deleteIdle({ idleMs: DAY_MS, isUsed })
  }
})

test('the broker deletes the offsets of a group without members after seven days', async () => {
  const kafka = await new BrokerFixture().open()
  await kafka.create('t')
  await kafka.commit('g', 't', 0n)
  const offsets = () => [...kafka.broker.committedOffsets()].length
  kafka.clock.advance(6 * DAY_MS)
  await settle()
  kafka.clock.advance(3_600_000)
  await settle()
  assert.equal(offsets(), 1)
  kafka.clock.advance(2 * DAY_MS)
  await settle()
  kafka.clock.advance(3_600_000)
  await settle()
  assert.equal(offsets(), 0)
})
