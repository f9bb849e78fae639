/** Snapshots of producers make a start short, and never change what the log alone would say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { BrokerFixture, settle } from '../broker-fixture.js'
import { ERROR } from '../protocol/errors.js'
import { batchOf } from '../protocol/test-batch.js'
import { readFile, replaceFile } from '../../table/replace-file.js'

const PATH = '/data/producers/t/0.json'
/** With it, no segment ends, so that there are no snapshots but those of an orderly stop. */
const ONE_SEGMENT = { maxSegmentBytes: 1_000_000 }
/** A client has so many batches under way that are not answered, at most. */
const IN_FLIGHT = 5

/**
 * @param {bigint} producerId
 * @param {number} baseSequence
 * @param {number} [bytes]
 */
function sequenced(producerId, baseSequence, bytes = 100) {
  return batchOf('x'.repeat(bytes), { producerId, producerEpoch: 0, baseSequence })
}

/**
 * How many batches were read when the broker was opened.
 *
 * @param {BrokerFixture} kafka
 */
function batchesRead(kafka) {
  const [, partition] = [...kafka.broker.logs()][0] ?? []
  return partition?.reader.stats().commits
}

/** A broker with a topic in which a producer has sent 40 batches, in several segments. */
async function filled(options = {}) {
  const kafka = await new BrokerFixture(new InMemoryFileSystem(), options).open()
  await kafka.create('t')
  for (let sequence = 0; sequence < 40; sequence++) await kafka.produce('t', 0, sequenced(1n, sequence))
  return kafka
}

test('after an orderly stop no batch is read, and retries are recognised all the same', async () => {
  const kafka = await filled()
  await kafka.broker.close()
  await kafka.open()
  assert.equal(batchesRead(kafka), 0)
  for (let sequence = 35; sequence < 40; sequence++) {
    assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, sequence)), [ERROR.NONE, BigInt(sequence)])
  }
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 41)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 40)), [ERROR.NONE, 40n])
})

test('after a power cut only the batches since the last segment began are read', async () => {
  const kafka = await filled()
  await settle()
  await kafka.crash()
  const [, partition] = [...kafka.broker.logs()][0] ?? []
  assert.ok(Number(partition?.stats().segments) > 3)
  assert.ok(Number(batchesRead(kafka)) < 15, `${batchesRead(kafka)} batches were read`)
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 39)), [ERROR.NONE, 39n])
})

test('a stop after which nothing was appended writes nothing', async () => {
  const kafka = await filled()
  await kafka.broker.close()
  await kafka.open()
  let isWritten = false
  kafka.fs.operations.observe(({ path }) => {
    if (path.startsWith('/data/producers')) isWritten = true
  })
  await kafka.broker.close()
  assert.equal(isWritten, false)
})

test('whenever the power is cut, producers are known as if all of the log had been read', async () => {
  const random = new Random(3)
  for (let round = 0; round < 15; round++) {
    const kafka = await new BrokerFixture(new InMemoryFileSystem(), { onError: () => {} }).open()
    await kafka.create('t')
    /** The offsets of the batches of each producer that were acknowledged. @type {bigint[][]} */
    const acknowledged = [[], [], []]
    for (let life = 0; life < 4; life++) {
      // The producers go on at the same time, each with several batches under way, and with a failure now and then.
      if (random.chance(0.5)) kafka.fs.faults.failNext('sync', 'EIO')
      let isOver = false
      const lives = acknowledged.map(async (offsets, id) => {
        const sent = Array.from({ length: random.int(IN_FLIGHT + 1) }, (_, at) =>
          kafka.produce('t', 0, sequenced(BigInt(id), offsets.length + at, random.int(600))),
        )
        for (const answer of sent) {
          const [code, offset] = await answer
          if (code !== ERROR.NONE || isOver) return
          offsets.push(BigInt(offset ?? -1n))
        }
      })
      void Promise.allSettled(lives)
      if (random.chance(0.3))
        await Promise.all(lives)
          .then(() => kafka.broker.close())
          .then(() => kafka.open())
      else {
        for (let turns = random.int(120); turns > 0; turns--) await new Promise((done) => setImmediate(done))
        isOver = true
        await kafka.crash(random.fork())
      }
      for (const [id, offsets] of acknowledged.entries()) {
        for (const [at, offset] of [...offsets.entries()].slice(-5)) {
          assert.deepEqual(
            await kafka.produce('t', 0, sequenced(BigInt(id), at)),
            [ERROR.NONE, offset],
            `round ${round}`,
          )
        }
        // What was not acknowledged may be there. It is sent again, and found or appended.
        const [code, offset] = await kafka.produce('t', 0, sequenced(BigInt(id), offsets.length))
        assert.equal(code, ERROR.NONE, `round ${round}`)
        offsets.push(BigInt(offset ?? -1n))
      }
    }
    const all = acknowledged.flat()
    assert.equal(new Set(all).size, all.length)
  }
})

test('a damaged snapshot is reported, and all of the log is read', async () => {
  /** @type {unknown[]} */
  const errors = []
  const kafka = await filled({ onError: (/** @type {unknown} */ error) => errors.push(error) })
  await kafka.broker.close()
  const bytes = await readFile(kafka.fs, PATH)
  assert.ok(bytes !== null)
  bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30)
  await replaceFile(kafka.fs, PATH, bytes)
  await kafka.open()
  assert.match(String(errors), /0\.json is damaged/)
  assert.equal(batchesRead(kafka), 40)
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 39)), [ERROR.NONE, 39n])
})

test('a snapshot that cannot be written is reported, and the one before is used', async () => {
  /** @type {unknown[]} */
  const errors = []
  const kafka = await filled({ onError: (/** @type {unknown} */ error) => errors.push(error) })
  await settle()
  kafka.fs.faults.failAlways('create', 'ENOSPC', `${PATH}.tmp`)
  await kafka.broker.close()
  assert.match(String(errors), /ENOSPC/)
  kafka.fs.faults.clear()
  await kafka.open()
  assert.ok(Number(batchesRead(kafka)) < 15)
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 39)), [ERROR.NONE, 39n])
})

test('the snapshot of a log that has lost its last records is never used, not even when the log is longer again', async () => {
  const kafka = await filled()
  await kafka.broker.close()
  const snapshot = (await readFile(kafka.fs, PATH)) ?? Buffer.alloc(0)
  // The same, as if the log had been repaired, and had nothing left.
  const repaired = await new BrokerFixture(new InMemoryFileSystem(), ONE_SEGMENT).open()
  await repaired.create('t')
  await repaired.broker.close()
  await repaired.fs.mkdir('/data/producers/t')
  await replaceFile(repaired.fs, PATH, snapshot)
  await repaired.open()
  for (let sequence = 0; sequence < 41; sequence++) await repaired.produce('t', 0, sequenced(2n, sequence))
  await repaired.crash()
  assert.deepEqual(await repaired.produce('t', 0, sequenced(1n, 7)), [ERROR.NONE, 41n])
  assert.deepEqual(await repaired.produce('t', 0, sequenced(2n, 41)), [ERROR.NONE, 42n])
})

test('a snapshot from before the start of the log is not used: it lacks batches that are deleted', async () => {
  const kafka = await filled(ONE_SEGMENT)
  await kafka.broker.close()
  await kafka.open()
  for (let sequence = 40; sequence < 43; sequence++) await kafka.produce('t', 0, sequenced(1n, sequence))
  await kafka.deleteRecords('t', 42n)
  await kafka.crash()
  assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 43)), [ERROR.NONE, 43n])
})

test('a topic that is created again does not know the producers of the deleted one, wherever the power was cut', async () => {
  for (let point = 0; ; point++) {
    const kafka = await filled(ONE_SEGMENT)
    await kafka.broker.close()
    await kafka.open()
    let operations = 0
    const reached = new Promise((done) => {
      kafka.fs.operations.observe(() => {
        if (operations++ === point * 13) done(false)
      })
    })
    const isOver = await Promise.race([kafka.delete('t').then(() => true), reached])
    await kafka.crash(new Random(point))
    await kafka.delete('t')
    await kafka.create('t')
    for (let sequence = 0; sequence < 50; sequence++) await kafka.produce('t', 0, sequenced(2n, sequence))
    await kafka.crash(new Random(point))
    assert.deepEqual(await kafka.produce('t', 0, sequenced(1n, 3)), [ERROR.NONE, 50n])
    await kafka.delete('t')
    assert.deepEqual(await kafka.fs.readdir('/data/producers'), [])
    if (isOver === true) break
  }
})
