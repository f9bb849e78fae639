/**
 * Stops both sides at every moment of short runs, with everything that may then be on their disks: a killed process
 * leaves all that it wrote, a power cut any part of what was not synced. From each, the same leader starts again, or
 * the replica takes over; both logs must become the same, with everything that was acknowledged.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { batchesIn, CONFIG, join, record } from './in-memory.js'
import { Leader } from './leader.js'
import { Log } from './log.js'

/** @typedef {import('@sq/sim/memory').CrashImage} CrashImage */
/** @typedef {{ a: InMemoryFileSystem, b: InMemoryFileSystem }} Disks */
/** @typedef {{ a: CrashImage, b: CrashImage, acknowledged: number }} Moment */

/**
 * What a disk may hold after its machine has stopped: all that was written, if only the process was killed; only what
 * was synced; or anything between.
 *
 * @param {InMemoryFileSystem} fs
 */
function imagesOf(fs) {
  const state = fs.crashState()
  const written = state.image({ picks: state.points.map(({ alternatives }) => alternatives - 1) })
  const all = Array.from(state.everyChoice(), (choice) => state.image(choice))
  return { ends: [written, state.image({ picks: [] })], all }
}

/**
 * Runs something on two disks. Returns the distinct pairs of their contents at which both sides may stop, with the
 * number of records that were acknowledged by then: all contents of one disk, with both extremes of the other.
 *
 * @param {Disks} disks
 * @param {(acknowledge: (count: number) => void) => Promise<void>} run
 */
async function momentsOf({ a, b }, run) {
  /** @type {Map<string, Moment>} */
  const moments = new Map()
  let acknowledged = 0
  const add = (/** @type {CrashImage} */ ofA, /** @type {CrashImage} */ ofB) =>
    moments.set(`${ofA.digest()} ${ofB.digest()}`, { a: ofA, b: ofB, acknowledged })
  const observe = () => {
    const [imagesA, imagesB] = [imagesOf(a), imagesOf(b)]
    for (const image of imagesA.all) for (const other of imagesB.ends) add(image, other)
    for (const image of imagesB.all) for (const other of imagesA.ends) add(other, image)
  }
  const stops = [a, b].map((fs) => fs.operations.observe(observe))
  await run((count) => (acknowledged = Math.max(acknowledged, count)))
  for (const stop of stops) stop()
  return [...moments.values()]
}

/**
 * Starts a leader and a replica, appends a record, and waits until the replica has everything. Returns the values.
 *
 * @param {InMemoryFileSystem} a of the leader
 * @param {InMemoryFileSystem} b
 * @param {number} epoch
 */
async function recovered(a, b, epoch) {
  const [logA, logB] = [await Log.open(a, CONFIG), await Log.open(b, CONFIG)]
  const leader = await Leader.of(logA, epoch)
  const { ended } = join(leader, logB)
  await leader.replicated(await leader.append([record('after')]))
  leader.close()
  await ended
  await logA.close()
  await logB.close()
  const batches = await batchesIn(a)
  assert.deepEqual(await batchesIn(b), batches)
  return { firstOffset: batches[0]?.offset, values: batches.flatMap(({ values }) => values) }
}

/** @param {Moment} moment */
function disksOf({ a, b }) {
  return { a: new InMemoryFileSystem({ image: a }), b: new InMemoryFileSystem({ image: b }) }
}

test('whatever both sides hold when they stop, nothing acknowledged is lost, and the logs become the same', async () => {
  const disks = { a: new InMemoryFileSystem(), b: new InMemoryFileSystem() }
  const values = ['one', 'two', 'three', 'four', 'five', 'six', 'seven']
  const moments = await momentsOf(disks, async (acknowledge) => {
    const [logA, logB] = [await Log.open(disks.a, CONFIG), await Log.open(disks.b, CONFIG)]
    const leader = await Leader.of(logA, 1)
    let endOffset = await leader.append([record('one'), record('two')])
    // The replica catches up, and then follows.
    const { ended } = join(leader, logB)
    await leader.replicated(endOffset)
    acknowledge(2)
    for (const value of values.slice(2)) {
      endOffset = await leader.append([record(value)])
      await leader.replicated(endOffset)
      acknowledge(Number(endOffset))
    }
    leader.close()
    await ended
  })
  assert.ok(moments.length > 60, `${moments.length} moments`)
  for (const moment of moments) {
    for (const [leading, epoch] of /** @type {const} */ ([
      ['a', 1],
      ['b', 2],
    ])) {
      const { a, b } = disksOf(moment)
      const found = await (leading === 'a' ? recovered(a, b, epoch) : recovered(b, a, epoch))
      const kept = found.values.slice(0, -1)
      assert.ok(kept.length >= moment.acknowledged, `${leading} leads with ${kept.length} of ${moment.acknowledged}`)
      assert.deepEqual(kept, values.slice(0, kept.length))
    }
  }
})

/**
 * Disks of a leader of epoch 2 and of a replica that were stopped: the replica has records that the leader does not.
 */
async function diverged() {
  const disks = { a: new InMemoryFileSystem(), b: new InMemoryFileSystem() }
  const [logA, logB] = [await Log.open(disks.a, CONFIG), await Log.open(disks.b, CONFIG)]
  const old = await Leader.of(logB, 1)
  const { ended } = join(old, logA)
  await old.replicated(await old.append([record('one')]))
  await old.replicated(await old.append([record('two')]))
  old.close()
  await ended
  for (let number = 0; number < 8; number++) await old.append([record(`only the replica ${number}`)])
  const leader = await Leader.of(logA, 2)
  await leader.append([record('three')])
  return { disks, logA, logB, leader }
}

test('a replica that stops while it drops what the leader does not have begins again where it was', async () => {
  const { disks, logB, leader } = await diverged()
  const moments = await momentsOf(disks, async (acknowledge) => {
    acknowledge(2)
    const { ended } = join(leader, logB)
    await leader.replicated(3n)
    acknowledge(3)
    leader.close()
    await ended
  })
  assert.ok(moments.length > 5, `${moments.length} moments`)
  for (const moment of moments) {
    const { a, b } = disksOf(moment)
    assert.deepEqual((await recovered(a, b, 2)).values, ['one', 'two', 'three', 'after'])
  }
})

test('a replica that stops while it is reset to the log start offset of the leader begins again there', async () => {
  const { disks, logA, logB, leader } = await diverged()
  await logA.writer.closeActiveSegment()
  await logA.writer.deleteSegments({ belowOffset: 3n })
  const moments = await momentsOf(disks, async () => {
    const { ended } = join(leader, logB)
    await leader.replicated(await leader.append([record('four')]))
    leader.close()
    await ended
  })
  assert.ok(moments.length > 5, `${moments.length} moments`)
  for (const moment of moments) {
    const { a, b } = disksOf(moment)
    const { firstOffset, values } = await recovered(a, b, 2)
    assert.equal(firstOffset, 3n)
    assert.ok(['after', 'four,after'].includes(String(values)), String(values))
  }
})
