/** The broker with an archive: machines are lost, and the next one goes on with everything that was archived. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryObjectStore } from '@sq/archive/memory'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments } from '@sq/storage'
import { BrokerFixture, settle } from './broker-fixture.js'
import { ERROR } from './protocol/errors.js'
import { batchOf } from './protocol/test-batch.js'

const EARLIEST = -2n
const WITHIN_MS = 10_000

/** A machine with an empty disk, and a broker that uses the archive. */
class Machine extends BrokerFixture {
  /**
   * @param {InMemoryObjectStore} archive
   * @param {Partial<import('./broker.js').BrokerOptions>} [options]
   */
  constructor(archive, options = {}) {
    super(new InMemoryFileSystem(), { archive, archiveWithinMs: WITHIN_MS, ...options })
  }

  /** Lets everything be archived. */
  async archiveAll() {
    for (let turn = 0; turn < 4; turn++) {
      this.clock.advance(WITHIN_MS)
      await settle()
    }
  }

  /**
   * @param {string} topic
   * @param {bigint} [from]
   */
  async records(topic, from = 0n) {
    const records = []
    for (let next = from; ;) {
      const [part] = await this.fetch([[topic, 0, next]])
      assert.equal(part?.errorCode, ERROR.NONE)
      if (part.records.length === 0) return records
      records.push(...part.records)
      next += BigInt(part.records.length)
    }
  }
}

test('another machine goes on after the first is gone, with all that was archived', async () => {
  const store = new InMemoryObjectStore()
  const first = await new Machine(store).open()
  await first.create('t', 2)
  await first.create('empty')
  const id = (await first.producerId()) ?? -1n
  const texts = Array.from({ length: 8 }, (_, at) => `${at} `.repeat(300))
  const batch = (/** @type {string} */ text, /** @type {number} */ baseSequence) =>
    batchOf(text, { producerId: id, producerEpoch: 0, baseSequence })
  for (const [at, text] of texts.entries())
    assert.deepEqual(await first.produce('t', 0, batch(text, at)), [0, BigInt(at)])
  await first.commit('g', 't', 5n)
  await first.archiveAll()
  await first.produce('t', 0, batch('is lost with the machine', 8))

  const second = await new Machine(store).open()
  assert.deepEqual(await second.metadata(null), [
    ['t', 0, 2],
    ['empty', 0, 1],
  ])
  assert.deepEqual(await second.records('t'), texts)
  assert.equal((await second.offset('t', EARLIEST)).offset, 0n)
  assert.deepEqual(
    [...second.broker.committedOffsets()].map(({ group, offset }) => [group, offset]),
    [['g', 5n]],
  )
  // What was archived is recognized when it comes again, and what was lost can be sent again.
  assert.deepEqual(await second.produce('t', 0, batch(texts[7] ?? '', 7)), [ERROR.NONE, 7n])
  assert.deepEqual(await second.produce('t', 0, batch('is sent again', 8)), [ERROR.NONE, 8n])
  assert.deepEqual(await second.records('t', 7n), [texts[7], 'is sent again'])
  assert.notEqual(await second.producerId(), id)
  await second.produce('empty', 0, batchOf('not any more'))
  await second.broker.close()

  const third = await new Machine(store).open()
  assert.deepEqual(await third.records('t'), [...texts, 'is sent again'])
  assert.deepEqual(await third.records('empty'), ['not any more'])
  await third.broker.close()
})

test('local retention deletes only what is archived, and consumers get it from the archive', async () => {
  const store = new InMemoryObjectStore()
  const machine = await new Machine(store, { retentionBytes: 0 }).open()
  await machine.create('t')
  await machine.archiveAll()
  const failing = store.faults.add({ on: 'put', when: 'always', fault: { error: 'failed' } })
  const texts = Array.from({ length: 8 }, (_, at) => `${at} `.repeat(500))
  for (const text of texts) await machine.produce('t', 0, batchOf(text))
  await machine.archiveAll()
  const [, partition] = [...machine.broker.logs()][0] ?? []
  const first = async () => (await listSegments(machine.fs, { dataDir: '/data/topics' }, 't', 0))[0]?.baseOffset
  assert.equal(await first(), 0n)
  failing.remove()
  for (let turn = 0; turn < 4; turn++) await machine.archiveAll()
  assert.ok(((await first()) ?? 0n) > 5n)
  assert.equal(partition?.logStartOffset, 0n)
  assert.equal((await machine.offset('t', EARLIEST)).offset, 0n)
  assert.deepEqual(await machine.records('t'), texts)
  assert.equal((await machine.offset('t', 0n)).offset, 0n)
  await machine.broker.close()
})

test('a topic is known once it is archived, so that another machine knows it, too', async () => {
  const store = new InMemoryObjectStore()
  const machine = await new Machine(store).open()
  await settle()
  /** @type {(() => void)[]} */
  const held = []
  const until = new Promise((done) => void held.push(() => done(undefined)))
  store.faults.add({ on: 'put', when: 'next', fault: { until } })
  const created = machine.create('t')
  await settle()
  assert.deepEqual(await machine.metadata(['t']), [['t', ERROR.UNKNOWN_TOPIC_OR_PARTITION, 0]])
  held[0]?.()
  assert.equal(await created, ERROR.NONE)
  const second = await new Machine(store).open()
  assert.deepEqual(await second.metadata(null), [['t', 0, 1]])
  await second.broker.close()
})

test('a topic that is deleted is gone from the archive, and can be created again', async () => {
  const store = new InMemoryObjectStore()
  const machine = await new Machine(store).open()
  await machine.create('t')
  await machine.produce('t', 0, batchOf('a'))
  await machine.archiveAll()
  assert.equal(await machine.delete('t'), ERROR.NONE)
  assert.equal(await machine.create('t'), ERROR.NONE)
  await machine.produce('t', 0, batchOf('b'))
  await machine.broker.close()
  const second = await new Machine(store).open()
  assert.deepEqual(await second.records('t'), ['b'])
  await second.broker.close()
})

test('a topic that the archive has and the broker does not know is not created over it', async () => {
  const store = new InMemoryObjectStore()
  const first = await new Machine(store).open()
  await first.create('t')
  await first.produce('t', 0, batchOf('a'))
  await first.broker.close()
  for await (const { key } of store.list('broker/')) await store.delete(key)
  const second = await new Machine(store).open()
  assert.equal(await second.create('t'), ERROR.TOPIC_ALREADY_EXISTS)
  await second.broker.close()
})

test('records of an archived partition cannot be deleted', async () => {
  const machine = await new Machine(new InMemoryObjectStore()).open()
  await machine.create('t')
  await machine.produce('t', 0, batchOf('a'))
  assert.deepEqual(await machine.deleteRecords('t', 1n), [ERROR.INVALID_REQUEST, -1n])
  await machine.broker.close()
})

test('a broker learns that another one has taken over its archive', async () => {
  const store = new InMemoryObjectStore()
  /** @type {unknown[]} */
  const stopped = []
  const first = await new Machine(store, { onArchiveStopped: (error) => stopped.push(error) }).open()
  await first.create('t')
  await first.produce('t', 0, batchOf('a'))
  await first.archiveAll()
  const second = await new Machine(store).open()
  await second.produce('t', 0, batchOf('b'))
  await second.archiveAll()
  assert.deepEqual(stopped, [])
  await first.produce('t', 0, batchOf('c'))
  await first.archiveAll()
  assert.match(String(stopped[0]), /FencedError/)
  await Promise.all([first.broker.close(), second.broker.close()])
})

test('the archives of the logs of the broker stay short over many starts', async () => {
  const store = new InMemoryObjectStore()
  let fs = new InMemoryFileSystem()
  for (let start = 0; start < 20; start++) {
    const machine = new Machine(store)
    machine.fs = fs
    await machine.open()
    if (start === 0) await machine.create('t')
    await machine.producerId()
    await machine.archiveAll()
    await machine.broker.close()
    fs = machine.fs
  }
  const keys = []
  for await (const { key } of store.list('broker/')) keys.push(key)
  assert.ok(keys.length <= 8, keys.join(' '))
  const other = await new Machine(store).open()
  assert.deepEqual(await other.metadata(null), [['t', 0, 1]])
  assert.equal(await other.producerId(), 20_000n)
  await other.broker.close()
})
