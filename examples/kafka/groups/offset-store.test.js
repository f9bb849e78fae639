/**
 * The log of the committed offsets: what is acknowledged is durable, the log stays short, and a kill or a power cut at
 * any step, also while it is compacted, leaves what was acknowledged.
 */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments } from '@sq/storage'
import { OffsetStore } from './offset-store.js'
import { OffsetTable } from './offset-table.js'

/** @typedef {import('@sq/sim/memory').CrashImage} CrashImage */
/** @typedef {import('./offset-table.js').Commit} Commit */
/** @typedef {import('./offset-table.js').Deletion} Deletion */
/** @typedef {import('./offset-store.js').OffsetStoreOptions} Options */

const clock = new ManualClock()

/** @type {InMemoryFileSystem} */
let fs
/** @type {unknown[]} */
let errors
beforeEach(() => {
  fs = new InMemoryFileSystem()
  errors = []
})

/** @param {Options} [options] */
function open(options = {}, disk = fs) {
  return OffsetStore.open(disk, '/data', { clock, onError: (error) => errors.push(error), ...options })
}

/**
 * A commit of partitions of the topic `t`.
 *
 * @param {string} group
 * @param {Record<number, number>} offsets
 * @param {string} [topic]
 * @returns {Commit}
 */
function commitOf(group, offsets, topic = 't') {
  const partitions = Object.entries(offsets).map(([partition, offset]) => {
    return /** @type {const} */ ([Number(partition), { offset: BigInt(offset), leaderEpoch: -1, metadata: '' }])
  })
  return { group, topics: new Map([[topic, new Map(partitions)]]) }
}

/** @param {OffsetStore} store */
function stateOf(store) {
  return new Map(Array.from(store.groups, (group) => [group, store.of(group)]))
}

/** What all changes together say. @param {readonly (Commit | Deletion)[]} changes */
function foldOf(changes) {
  const table = new OffsetTable()
  for (const change of changes) table.apply(change)
  return new Map(Array.from(table.groups, (group) => [group, table.of(group)]))
}

/**
 * @param {OffsetStore} store
 * @param {Commit | Deletion} change
 */
function submit(store, change) {
  if ('deletedTopics' in change) return store.deleteTopics(change.deletedTopics)
  if ('topics' in change) return store.commit(change)
  throw new TypeError('groups are deleted by time only')
}

/** The offset of partition 0 of the topic `t`. @param {OffsetStore} store @param {string} group */
function offsetOf(store, group) {
  return store.of(group).get('t')?.get(0)?.offset
}

async function recordsInLog() {
  const segments = await listSegments(fs, { dataDir: '/data' }, '__committed-offsets', 0)
  return segments.reduce((sum, { records }) => sum + records, 0)
}

describe('commits', () => {
  test('are read again as they were', async () => {
    /** @type {[number, import('./offset-table.js').Committed][]} */
    const partitions = [
      [0, { offset: 2n ** 63n - 1n, leaderEpoch: 7, metadata: 'a "text"\u0000\u{1f600}' }],
      [2 ** 31 - 1, { offset: 0n, leaderEpoch: -1, metadata: '' }],
    ]
    const commit = { group: 'gr"oup', topics: new Map([['t', new Map(partitions)]]) }
    const store = await open()
    await store.commit(commit)
    await store.close()
    const again = await open()
    assert.deepEqual(stateOf(again), new Map([[commit.group, commit.topics]]))
    await again.close()
  })

  test('show and resolve only when they are durable', async () => {
    const store = await open()
    const held = fs.faults.hold('sync')
    let isDone = false
    const commit = store.commit(commitOf('g', { 0: 5 })).then(() => (isDone = true))
    await held.reached
    assert.deepEqual([isDone, offsetOf(store, 'g')], [false, undefined])
    held.release()
    await commit
    assert.equal(offsetOf(store, 'g'), 5n)
    await store.close()
  })

  test('change only the partitions that they name', async () => {
    const store = await open()
    await store.commit(commitOf('g', { 0: 1, 1: 1 }))
    await store.commit(commitOf('g', { 1: 2 }))
    await store.commit(commitOf('g', { 0: 3 }, 'other'))
    assert.deepEqual(stateOf(store), foldOf([commitOf('g', { 0: 1, 1: 2 }), commitOf('g', { 0: 3 }, 'other')]))
    await store.close()
  })

  test('that the disk refuses change nothing, and may be tried again', async () => {
    const store = await open()
    await store.commit(commitOf('g', { 0: 1 }))
    fs.faults.failNext('write', 'EIO')
    await assert.rejects(store.commit(commitOf('g', { 0: 2 })), { errorCode: 15 })
    assert.equal(offsetOf(store, 'g'), 1n)
    await store.commit(commitOf('g', { 0: 3 }))
    assert.equal(offsetOf(store, 'g'), 3n)
    await store.close()
    await assert.rejects(store.commit(commitOf('g', { 0: 4 })), { errorCode: 15 })
  })

  test('of a topic are deleted with it, for all groups', async () => {
    const store = await open()
    for (const group of ['a', 'b']) await store.commit(commitOf(group, { 0: 1 }))
    await store.commit(commitOf('b', { 0: 1 }, 'other'))
    await store.deleteTopics(['t', 'unknown'])
    assert.deepEqual(stateOf(store), foldOf([commitOf('b', { 0: 1 }, 'other')]))
    assert.deepEqual([...store.topics], ['other'])
    await store.close()
    const again = await open()
    assert.deepEqual([...again.topics], ['other'])
    await again.close()
  })
})

describe('limits', () => {
  test('new offsets are refused when memory is full, known ones are not', async () => {
    const store = await open({ maxOffsetBytes: 10_000 })
    const groups = Array.from({ length: 40 }, (_, at) => `g${at}`)
    const outcomes = await Promise.allSettled(groups.map((group) => store.commit(commitOf(group, { 0: 1 }))))
    const accepted = groups.filter((_, at) => outcomes[at]?.status === 'fulfilled')
    assert.ok(accepted.length > 10 && accepted.length < 20, `${accepted.length} groups`)
    const refused = outcomes.find(({ status }) => status === 'rejected')
    assert.ok(refused?.status === 'rejected' && refused.reason.errorCode === 15)
    for (const group of accepted) await store.commit(commitOf(group, { 0: 2 }))
    assert.deepEqual([...store.groups], accepted)
    await store.deleteTopics(['t'])
    await store.commit(commitOf('g39', { 0: 1 }))
    await store.close()
    const smaller = await open({ maxOffsetBytes: 1 })
    await smaller.commit(commitOf('g39', { 0: 2 }))
    await smaller.close()
  })

  test('deleted offsets take no memory', () => {
    const table = new OffsetTable()
    table.apply(commitOf('a', { 0: 1, 1: 1 }))
    table.apply(commitOf('b', { 0: 1 }, 'other'))
    assert.ok(table.bytes > 0)
    table.apply({ deletedTopics: ['t', 'other'] })
    assert.equal(table.bytes, 0)
  })

  test('a commit that is too large for a record is refused', async () => {
    const store = await open()
    const committed = { offset: 0n, leaderEpoch: -1, metadata: 'x'.repeat(1024 * 1024) }
    const topics = new Map([['t', new Map([[0, committed]])]])
    await assert.rejects(store.commit({ group: 'g', topics }), { errorCode: 28 })
    await store.close()
  })
})

describe('compacting', () => {
  test('keeps the log short, and all offsets', async () => {
    const options = { compactAfterBytes: 2000 }
    const store = await open(options)
    const partitions = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [at, at]))
    await store.commit(commitOf('large', partitions))
    for (let offset = 1; offset <= 200; offset++) await store.commit(commitOf('g', { 0: offset }))
    await store.close()
    assert.ok((await recordsInLog()) < 50, `${await recordsInLog()} records`)
    const again = await open(options)
    assert.deepEqual(stateOf(again), foldOf([commitOf('large', partitions), commitOf('g', { 0: 200 })]))
    await again.close()
    assert.deepEqual(errors, [])
  })

  test('is due after a restart, too', async () => {
    const store = await open()
    for (let offset = 1; offset <= 100; offset++) await store.commit(commitOf('g', { 0: offset }))
    await store.close()
    const again = await open({ compactAfterBytes: 2000 })
    const before = fs.operations.count('unlink')
    await again.commit(commitOf('g', { 0: 101 }))
    await again.close()
    assert.ok(fs.operations.count('unlink') > before)
    assert.ok((await recordsInLog()) < 50, `${await recordsInLog()} records`)
  })

  test('waits for commits that are not durable yet, and later commits wait for it', async () => {
    for (const turns of [0, 1, 2, 5, 20]) {
      fs = new InMemoryFileSystem()
      const store = await open({ compactAfterBytes: 1 })
      await store.commit(commitOf('g', { 0: 0 }))
      fs.faults.add({ on: ['write', 'sync', 'create', 'syncDirectory'], when: 'always', fault: { turns } })
      const held = fs.faults.hold('sync')
      const commits = [store.commit(commitOf('g', { 0: 1 }))]
      await held.reached
      for (let offset = 2; offset <= 5; offset++) {
        commits.push(store.commit(commitOf('g', { 0: offset })))
        if (offset === 3) held.release()
        for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      }
      await Promise.all(commits)
      await store.close()
      const again = await open()
      assert.equal(offsetOf(again, 'g'), 5n)
      await again.close()
    }
  })

  test('that fails is reported, loses nothing, and is tried again', async () => {
    const options = { compactAfterBytes: 500 }
    const store = await open(options)
    await store.commit(commitOf('g', { 0: 0 }))
    const rule = fs.faults.failAlways('create', 'ENOSPC')
    for (let offset = 1; offset <= 30; offset++) await store.commit(commitOf('g', { 0: offset })).catch(() => {})
    rule.remove()
    assert.ok(errors.length > 0)
    for (let offset = 31; offset <= 60; offset++) await store.commit(commitOf('g', { 0: offset }))
    await store.close()
    assert.ok((await recordsInLog()) < 50, `${await recordsInLog()} records`)
    const again = await open(options)
    assert.equal(offsetOf(again, 'g'), 60n)
    await again.close()
  })
})

test('random changes, many at once, with restarts: the offsets are those of all changes in their order', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Random(seed)
    fs = new InMemoryFileSystem()
    /** @type {(Commit | Deletion)[]} */
    const changes = []
    let store = await open({ compactAfterBytes: 1000 })
    for (let round = 0; round < 15; round++) {
      const burst = Array.from({ length: 1 + random.int(6) }, () => randomChange(random))
      changes.push(...burst)
      await Promise.all(burst.map((change) => submit(store, change)))
      if (random.chance(0.2)) {
        if (random.chance(0.5)) await store.close()
        else fs.kill()
        store = await open({ compactAfterBytes: 1000 })
      }
      assert.deepEqual(stateOf(store), foldOf(changes), `seed ${seed}`)
    }
    await store.close()
  }
})

/** @param {Random} random */
function randomChange(random) {
  const topic = random.pick(['t', 'u', 'v'])
  if (random.chance(0.1)) return { deletedTopics: [topic] }
  return commitOf(random.pick(['a', 'b', 'c']), { [random.int(4)]: random.int(1000) }, topic)
}

test('whatever a kill or a power cut at any step leaves, the acknowledged offsets are there', async () => {
  const options = { compactAfterBytes: 300 }
  /** In bursts: those of one are submitted at once. @type {(Commit | Deletion)[][]} */
  const bursts = [
    [commitOf('a', { 0: 1, 1: 1 })],
    [commitOf('b', { 0: 1 }), commitOf('a', { 0: 2 }), commitOf('a', { 0: 1 }, 'gone')],
    [commitOf('c', { 0: 1 }), { deletedTopics: ['gone'] }, commitOf('b', { 0: 2 })],
    [commitOf('a', { 1: 2 })],
    [commitOf('c', { 0: 2 }), commitOf('c', { 0: 3 }), commitOf('a', { 0: 3 }), commitOf('b', { 0: 3 })],
    [commitOf('b', { 0: 4 })],
  ]
  const changes = bursts.flat()
  /** @type {Map<string, { image: CrashImage, acknowledged: number, submitted: number }>} */
  const moments = new Map()
  let [acknowledged, submitted] = [0, 0]
  fs.operations.observe(() => {
    const state = fs.crashState()
    const written = { picks: state.points.map(({ alternatives }) => alternatives - 1) }
    for (const choice of [written, ...state.everyChoice()]) {
      const image = state.image(choice)
      const digest = image.digest()
      moments.set(digest, { image, acknowledged, submitted: moments.get(digest)?.submitted ?? submitted })
    }
  })
  const store = await open(options)
  for (const burst of bursts) {
    submitted += burst.length
    await Promise.all(burst.map((change) => submit(store, change).then(() => acknowledged++)))
  }
  await store.close()
  assert.ok(moments.size > 30, `${moments.size} moments`)
  assert.ok(fs.operations.count('unlink') > 2, 'the log was compacted')
  for (const moment of moments.values()) {
    const disk = new InMemoryFileSystem({ image: moment.image })
    const found = await open(options, disk)
    const allowed = Array.from({ length: moment.submitted - moment.acknowledged + 1 }, (_, more) =>
      foldOf(changes.slice(0, moment.acknowledged + more)),
    )
    assert.ok(allowed.some((state) => isDeepStrictEqual(stateOf(found), state)))
    await found.close()
  }
  assert.deepEqual(errors, [])
})
