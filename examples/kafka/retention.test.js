/** Old records expire, and consumers that were there go on with what is left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { BrokerFixture, settle } from './broker-fixture.js'
import { ERROR } from './protocol/errors.js'
import { batchOf } from './protocol/test-batch.js'

const HOUR_MS = 3_600_000
const EARLIEST = -2n

test('batches expire with the newest record of their segment, and a consumer of them goes on at the earliest offset', async () => {
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), { retentionMs: HOUR_MS }).open()
  await kafka.create('t')
  const now = () => BigInt(kafka.clock.now())
  await kafka.produce('t', 0, batchOf('a'.repeat(1500), { baseTimestamp: 5n, maxTimestamp: now() }))
  await pass(kafka, HOUR_MS / 2)
  await kafka.produce('t', 0, batchOf('b'.repeat(1500), { baseTimestamp: 5n, maxTimestamp: now() }))
  assert.equal((await kafka.fetch([['t', 0, 0n]]))[0]?.errorCode, ERROR.NONE)
  await pass(kafka, HOUR_MS * 0.75)
  assert.equal((await kafka.fetch([['t', 0, 0n]]))[0]?.errorCode, ERROR.OFFSET_OUT_OF_RANGE)
  const { offset } = await kafka.offset('t', EARLIEST)
  assert.deepEqual(
    (await kafka.fetch([['t', 0, offset]]))[0]?.records.map((records) => records[0]),
    ['b'],
  )
  await kafka.broker.close()
  assert.equal(kafka.clock.timers, 0)
})

test('the last records of a quiet partition expire, too, and producers go on at the next offset', async () => {
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), { retentionMs: HOUR_MS }).open()
  await kafka.create('t')
  await pass(kafka, 2 * HOUR_MS)
  await kafka.produce('t', 0, batchOf('without a time', { baseTimestamp: -1n }))
  await pass(kafka, HOUR_MS / 2)
  assert.equal((await kafka.offset('t', EARLIEST)).offset, 0n)
  await pass(kafka, HOUR_MS)
  assert.equal((await kafka.offset('t', EARLIEST)).offset, 1n)
  assert.deepEqual(await kafka.produce('t', 0, batchOf('b')), [ERROR.NONE, 1n])
})

test('a partition keeps its newest segments up to the limit of bytes', async () => {
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), { retentionBytes: 5000 }).open()
  await kafka.create('t', 2)
  for (let count = 0; count < 10; count++) await kafka.produce('t', 0, batchOf('x'.repeat(1500)))
  await pass(kafka, HOUR_MS)
  const [, partition] = [...kafka.broker.logs()][0] ?? []
  assert.ok(partition !== undefined && partition.stats().diskBytes <= 5000)
  assert.ok(partition.logStartOffset > 0n && partition.logStartOffset < 10n)
})

test('retention that fails is reported, does not keep other partitions from theirs, and is tried again', async () => {
  /** @type {unknown[]} */
  const errors = []
  const options = { retentionBytes: 0, onError: (/** @type {unknown} */ error) => errors.push(error) }
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), options).open()
  await kafka.create('t', 2)
  for (const index of [0, 1]) {
    for (let count = 0; count < 3; count++) await kafka.produce('t', index, batchOf('x'.repeat(1500)))
  }
  kafka.fs.faults.failNext('unlink', 'EIO')
  kafka.clock.advance(300_000)
  await settle()
  assert.match(String(errors[0]), /retention/)
  const starts = () => [...kafka.broker.logs()].map(([, { logStartOffset }]) => logStartOffset)
  assert.equal(starts()[1], 2n)
  await pass(kafka, HOUR_MS)
  assert.deepEqual([starts(), errors.length], [[2n, 2n], 1])
})

/**
 * Lets time pass, and everything happen that follows.
 *
 * @param {BrokerFixture} kafka
 * @param {number} ms
 */
async function pass(kafka, ms) {
  for (let passed = 0; passed < ms; passed += 60_000) {
    kafka.clock.advance(60_000)
    await settle()
  }
}
