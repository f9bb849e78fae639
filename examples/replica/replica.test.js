/** A leader and a replica on disks in memory: catching up, following, trimmed, diverged, and disconnected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { batchesIn, CONFIG, connection, join, record, valuesIn } from './in-memory.js'
import { Leader } from './leader.js'
import { Log } from './log.js'
import { replicate, StaleLeaderError } from './replica.js'
import { encode, MAX_BATCH_BYTES, ProtocolError } from './wire.js'

/** A leader in an epoch, and the log of a replica, on two disks. */
async function twoLogs({ epoch = 1, a = new InMemoryFileSystem(), b = new InMemoryFileSystem() } = {}) {
  const [logA, logB] = [await Log.open(a, CONFIG), await Log.open(b, CONFIG)]
  return { a, b, logA, logB, leader: await Leader.of(logA, epoch) }
}

/**
 * Appends values, each as a batch.
 *
 * @param {Leader} leader
 * @param {string[]} values
 */
async function append(leader, ...values) {
  let endOffset = 0n
  for (const value of values) endOffset = await leader.append([record(value)])
  return endOffset
}

/**
 * Starts `b` as the leader of the next epoch, and `a` as its replica, after both were closed.
 *
 * @param {Awaited<ReturnType<typeof twoLogs>>} logs
 */
async function failOver({ a, b, logA, logB }) {
  await logA.close()
  await logB.close()
  return twoLogs({ epoch: 2, a: b, b: a })
}

test('a replica catches up, then follows, and its batches are the same byte for byte', async () => {
  const { a, b, logB, leader } = await twoLogs()
  await append(leader, 'one', 'two')
  await leader.append([record('three'), record('four')])
  join(leader, logB)
  await leader.replicated(4n)
  for (let count = 0; count < 30; count++) await leader.replicated(await append(leader, `live ${count}`))
  assert.deepEqual(await batchesIn(b), await batchesIn(a))
  assert.equal((await batchesIn(b)).length, 33)
})

test('consumers see a record once it is durable on both sides, and not before', async () => {
  const { logB, leader } = await twoLogs()
  /** @type {string[]} */
  const seen = []
  const end = new AbortController()
  const consumer = (async () => {
    for await (const batch of leader.read(0n, end.signal))
      seen.push(...batch.records().map(({ value }) => String(value)))
  })()
  await append(leader, 'one', 'two')
  assert.deepEqual([leader.highWatermark, seen], [0n, []])
  const joined = join(leader, logB)
  await leader.replicated(2n)
  assert.equal(logB.endOffset, 2n)
  joined.break()
  await joined.ended
  await append(leader, 'three')
  assert.equal(leader.highWatermark, 2n)
  // One that comes later sees no more, although the log has more.
  const later = leader.read(0n, end.signal)
  assert.deepEqual([(await later.next()).value?.baseOffset, (await later.next()).value?.baseOffset], [0n, 1n])
  const beyond = later.next()
  end.abort()
  await Promise.all([beyond, consumer].map((ended) => assert.rejects(ended, { name: 'AbortError' })))
  assert.deepEqual(seen, ['one', 'two'])
})

test('a replica that the leader has been trimmed past continues at the log start offset of the leader', async () => {
  const { a, b, logA, logB, leader } = await twoLogs()
  await append(leader, 'one')
  const joined = join(leader, logB)
  await leader.replicated(1n)
  joined.break()
  await joined.ended
  await append(leader, 'two', 'three')
  await logA.writer.closeActiveSegment()
  await append(leader, 'four')
  await logA.writer.deleteSegments({ belowOffset: 3n })
  assert.deepEqual(await valuesIn(a), ['four'])
  join(leader, logB)
  await leader.replicated(await append(leader, 'five'))
  assert.deepEqual(await batchesIn(b), await batchesIn(a))
  assert.deepEqual(await valuesIn(b), ['four', 'five'])
})

test('logs that have one batch in common keep it, also if records of it are deleted in one of them', async () => {
  for (const deletedIn of /** @type {const} */ (['leader', 'replica'])) {
    for (const onlyOld of [0, 2]) {
      const old = await twoLogs()
      join(old.leader, old.logB)
      await old.leader.replicated(await old.leader.append(['a', 'b', 'c', 'd'].map(record)))
      old.leader.close()
      for (let number = 0; number < onlyOld; number++) await append(old.leader, `only old ${number}`)

      const now = await failOver(old)
      await (deletedIn === 'leader' ? now.logA : now.logB).writer.deleteRecords(2n)
      const kept = deletedIn === 'leader' ? ['a', 'b', 'c', 'd'] : ['c', 'd']
      join(now.leader, now.logB)
      await now.leader.replicated(await append(now.leader, 'after'))
      assert.deepEqual(await valuesIn(now.b), [...kept, 'after'])
    }
  }
})

test('a replica drops what the new leader does not have, however far back that is', async () => {
  for (const [common, onlyOld, onlyNew] of /** @type {const} */ ([
    [0, 1, 0],
    [0, 3, 5],
    [1, 1, 1],
    [4, 9, 0],
    [7, 2, 20],
    [40, 3, 3],
  ])) {
    const old = await twoLogs()
    join(old.leader, old.logB)
    const values = Array.from({ length: common }, (_, number) => `common ${number}`)
    await old.leader.replicated(await append(old.leader, ...values))
    old.leader.close()
    for (let number = 0; number < onlyOld; number++) await append(old.leader, `only old ${number}`)

    const now = await failOver(old)
    for (let number = 0; number < onlyNew; number++) await append(now.leader, `only new ${number}`)
    join(now.leader, now.logB)
    await now.leader.replicated(await append(now.leader, 'after'))
    assert.deepEqual(await batchesIn(now.b), await batchesIn(now.a))
    assert.deepEqual((await valuesIn(now.b)).slice(0, common), values)
    assert.equal((await valuesIn(now.b)).length, common + onlyNew + 1)
  }
})

test('the same records at the same offsets in another epoch are not taken for the same batches', async () => {
  const old = await twoLogs()
  join(old.leader, old.logB)
  await old.leader.replicated(await append(old.leader, 'common'))
  old.leader.close()
  await append(old.leader, 'old', 'heartbeat')
  const now = await failOver(old)
  await append(now.leader, 'new', 'heartbeat')
  join(now.leader, now.logB)
  await now.leader.replicated(3n)
  assert.deepEqual(await valuesIn(now.b), ['common', 'new', 'heartbeat'])
})

test('a leader that has been replaced is refused, and the replica keeps everything', async () => {
  const old = await twoLogs()
  const now = await twoLogs({ epoch: 2 })
  await append(now.leader, 'of epoch 2')
  const { ended } = join(old.leader, now.logA)
  const [, reason] = await ended
  assert.ok(reason instanceof StaleLeaderError)
  assert.deepEqual(await valuesIn(now.a), ['of epoch 2'])
  await assert.rejects(Leader.of(now.logA, 1), RangeError)
})

test('a connection that breaks after any number of writes leaves a beginning of the leader, and the next completes it', async () => {
  const values = ['one', 'two', 'three', 'four', 'five']
  let broken = 0
  for (let maxWrites = 0; ; maxWrites++) {
    const { a, b, logB, leader } = await twoLogs()
    await append(leader, 'one', 'two')
    const { ended } = join(leader, logB, { maxWrites })
    await append(leader, 'three', 'four', 'five')
    const all = leader.replicated(5n)
    const isWhole = await Promise.race([all.then(() => true), ended.then(() => false)])
    assert.deepEqual(await valuesIn(b), values.slice(0, Number(logB.endOffset)))
    assert.ok(leader.highWatermark <= logB.endOffset)
    if (isWhole) break
    broken++
    join(leader, logB)
    await all
    assert.deepEqual(await batchesIn(b), await batchesIn(a))
  }
  assert.ok(broken > 5, `${broken} places`)
})

test('the largest batch that the log takes goes over the connection', async () => {
  const { logB, leader } = await twoLogs()
  join(leader, logB)
  await leader.replicated(await leader.append([record('x'.repeat(MAX_BATCH_BYTES))]))
  const half = 'x'.repeat(MAX_BATCH_BYTES / 2 - 24)
  await leader.replicated(await leader.append([record(half), record(half)]))
  assert.equal(logB.endOffset, 3n)
})

test('garbage closes the connection, and neither side changes its log', async () => {
  const { a, b, logB, leader } = await twoLogs()
  await append(leader, 'one')
  const hello = encode({ type: 'leader', epoch: 1, startOffset: 0n, endOffset: 9n })
  const body = { baseOffset: 0n, recordCount: 1, attributes: 0, checksum: 1, bytes: Buffer.from('no record') }
  for (const garbage of [
    [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    encode({ type: 'durable', endOffset: 1n }),
    encode({ type: 'start', offset: 2n }),
    [...encode({ type: 'start', offset: 0n }), ...encode({ type: 'start', offset: 0n })],
  ]) {
    const [left, right] = connection()
    for (const part of garbage) right.write(part)
    right.resume()
    await assert.rejects(leader.serve(left), ProtocolError)
    assert.ok(left.destroyed)
  }
  for (const garbage of [
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    [...hello, ...encode({ type: 'compared', same: true })],
    [...hello, ...encode({ type: 'batch', batch: body })],
    encode({ type: 'leader', epoch: 1, startOffset: 2n, endOffset: 1n }),
  ]) {
    const [left, right] = connection()
    for (const part of garbage) left.write(part)
    left.resume()
    await assert.rejects(replicate(logB, right))
    assert.ok(right.destroyed)
  }
  assert.deepEqual([leader.highWatermark, logB.endOffset], [0n, 0n])
  assert.deepEqual([await valuesIn(a), await valuesIn(b)], [['one'], []])
})

test('a leader sends a replica that does not read no more than the connection holds', async () => {
  const { logA, leader } = await twoLogs()
  for (let count = 0; count < 100; count++) await leader.append([record('x'.repeat(10_000))])
  const [left, right] = connection()
  const serving = leader.serve(left)
  for (const part of encode({ type: 'start', offset: 0n })) right.write(part)
  // The replica never reads. Once the leader waits for it, only its appends move on.
  for (let count = 0; count < 200; count++) await logA.startOffset()
  // A message has some 10 KB: each end of the connection holds no more than one above its limit, which depends on Node.
  assert.ok(left.writableLength < left.writableHighWaterMark + 11_000, `${left.writableLength}`)
  assert.ok(right.readableLength < right.readableHighWaterMark + 11_000, `${right.readableLength}`)
  right.destroy()
  await assert.rejects(serving, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

test('a replica stops reading while its disk does not write', async () => {
  const { b, logB, leader } = await twoLogs()
  const held = b.faults.hold('sync')
  const joined = join(leader, logB)
  await append(leader, 'one')
  await held.reached
  const large = 'x'.repeat(MAX_BATCH_BYTES)
  for (let count = 0; count < 12; count++) await append(leader, large)
  const sentMiB = joined.left.bytesSent / 1024 / 1024
  assert.ok(sentMiB > 4 && sentMiB < 7, `${sentMiB} MiB`)
  assert.equal(leader.highWatermark, 0n)
  held.release()
  await leader.replicated(13n)
})
