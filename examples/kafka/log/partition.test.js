/** What a partition does between a failed write and the moment in which its callers learn of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../protocol/errors.js'
import { checkBatch } from '../protocol/record-batch.js'
import { batchOf } from '../protocol/test-batch.js'
import { Partition } from './partition.js'
import { Producers } from './producers.js'

/** A writer whose answers come when the test says so. */
class SlowWriter {
  failedCommits = 0
  /** @type {any[]} */
  waiting = []
  /** @type {any[]} */
  appends = []

  stats() {
    return { failedCommits: this.failedCommits }
  }

  ready() {
    return this.#later(this.waiting)
  }

  appendOpaque() {
    return this.#later(this.appends)
  }

  /** @param {any[]} list */
  #later(list) {
    /** @type {any} */
    const later = {}
    later.promise = new Promise((resolve, reject) => Object.assign(later, { resolve, reject }))
    list.push(later)
    return later.promise
  }
}

/** @param {number} baseSequence */
function batch(baseSequence) {
  const bytes = batchOf('a', { producerId: 1n, producerEpoch: 0, baseSequence })
  return checkBatch(bytes, { version: 7, maxBytes: 1000, nowMs: 0 })
}

test('a batch that follows a failed one is refused, even if its turn comes in the moment of the failure', async () => {
  /** @type {any} */
  const writer = new SlowWriter()
  /** @type {any} */
  const log = { writer }
  /** @type {any} */
  const none = null
  const state = { producers: new Producers(), snapshotOffset: 0n }
  const partition = new Partition({ log, reader: none }, state, { snapshot: none, onError: none })
  const first = assert.rejects(partition.append(batch(0)), /the disk failed/)
  await Promise.resolve()
  writer.waiting[0].resolve()
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  const second = assert.rejects(partition.append(batch(1)), { errorCode: ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER })
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  writer.waiting[1].resolve()
  writer.failedCommits++
  writer.appends[0].reject(new Error('the disk failed'))
  await first
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  writer.waiting[2]?.resolve()
  await second
  assert.equal(writer.appends.length, 1)
})
