/**
 * Random members of a group, which join, sync, send heartbeats, leave, lose their connections and fall silent in any
 * order, while time passes. Whatever they do, the group keeps what it promises.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@sq/sim'
import { ERROR } from '../protocol/errors.js'
import { errorIn, GroupFixture, REBALANCE_MS, SESSION_MS } from './group-fixture.js'

const SEEDS = 120
const STEPS = 60
const MAX_GROUP_BYTES = 1_000_000

/** @typedef {import('./group-fixture.js').Call<import('./member.js').JoinResponse>} JoinCall */
/** @typedef {import('./group-fixture.js').Call<import('./member.js').SyncResponse>} SyncCall */

/** One consumer: what it knows of itself, and the request that it waits for. */
class Consumer {
  memberId = ''
  generationId = -1
  /** @type {string[]} */
  assigns = []
  /** @type {JoinCall | null} */
  join = null
  /** @type {SyncCall | null} */
  sync = null
  heardMs = 0
  hasLeft = false
  syncGeneration = -1

  /**
   * @param {number} version
   * @param {string | null} groupInstanceId
   */
  constructor(version, groupInstanceId) {
    this.version = version
    this.groupInstanceId = groupInstanceId
  }
}

class Run {
  group = new GroupFixture({ maxGroupBytes: MAX_GROUP_BYTES })
  /** @type {Consumer[]} */
  consumers = []
  /** The leaders of each generation by their own account. @type {Map<number, Set<string>>} */
  leaders = new Map()
  lastGeneration = 0
  completed = 0

  /** @param {number} seed */
  constructor(seed) {
    this.random = new Random(seed)
  }

  async step() {
    const { random } = this
    const [kind, pick] = [random.int(12), random.int(Math.max(this.consumers.length, 1))]
    const consumer = this.consumers[pick]
    if (kind === 0 || consumer === undefined) this.add()
    else if (kind === 1) await this.group.pass(random.pick([1000, 3000, SESSION_MS / 2, SESSION_MS, REBALANCE_MS]))
    else if (kind === 2) this.leave(consumer)
    else if (kind === 3) this.disconnect(consumer)
    else if (kind === 4) this.join(consumer, random.pick(['topics', 'other']))
    else if (kind === 5) this.syncNow(consumer, random.chance(0.5) ? consumer.generationId : random.int(5))
    else for (const each of this.consumers) if (random.chance(0.8)) this.proceed(each)
    await this.group.pass(random.pick([0, 0, 500]))
    for (const each of this.consumers) this.take(each)
    this.check()
  }

  add() {
    const version = this.random.pick([3, 4, 5])
    const consumer = new Consumer(version, version === 5 && this.random.chance(0.5) ? `i${this.random.int(3)}` : null)
    this.consumers.push(consumer)
    this.join(consumer, 'topics')
  }

  /** What a consumer does next that behaves. @param {Consumer} consumer */
  proceed(consumer) {
    if (consumer.join !== null || consumer.sync !== null || consumer.hasLeft) return
    if (consumer.generationId === -1) return this.join(consumer, 'topics')
    const { memberId, generationId, groupInstanceId } = consumer
    const error = this.group.heartbeat({ memberId, generationId, groupInstanceId })
    if (error === 'NONE') {
      consumer.heardMs = this.now
      this.syncNow(consumer, generationId)
    } else if (error === 'REBALANCE_IN_PROGRESS') this.join(consumer, 'topics')
    else this.reset(consumer)
  }

  /**
   * @param {Consumer} consumer
   * @param {string} metadata
   */
  join(consumer, metadata) {
    if (consumer.hasLeft) return
    const { memberId, groupInstanceId, version } = consumer
    const protocols = [{ name: 'range', metadata: Buffer.from(metadata) }]
    consumer.join = this.group.join({ memberId, groupInstanceId, version, protocols })
    consumer.heardMs = this.now
  }

  /**
   * @param {Consumer} consumer
   * @param {number} generationId
   */
  syncNow(consumer, generationId) {
    const { memberId, groupInstanceId } = consumer
    const texts = consumer.assigns.map((id) => [id, `${generationId}/${id}`])
    consumer.sync = this.group.sync({ memberId, generationId, groupInstanceId }, Object.fromEntries(texts))
    consumer.syncGeneration = generationId
    consumer.heardMs = this.now
  }

  /** @param {Consumer} consumer */
  leave(consumer) {
    if (consumer.memberId === '' || this.group.state === 'Dead') return
    this.group.leave({ memberId: consumer.memberId, groupInstanceId: consumer.groupInstanceId })
    consumer.hasLeft = true
  }

  /** @param {Consumer} consumer */
  disconnect(consumer) {
    consumer.join?.disconnect()
    consumer.sync?.disconnect()
    consumer.heardMs = this.now
  }

  /** @param {Consumer} consumer */
  reset(consumer) {
    consumer.memberId = ''
    consumer.generationId = -1
    consumer.assigns = []
  }

  /** Reads the responses that have come. @param {Consumer} consumer */
  take(consumer) {
    const { join, sync } = consumer
    if (join !== null && join.response !== null) {
      consumer.join = null
      consumer.heardMs = this.now
      this.takeJoin(consumer, join.response)
    }
    if (sync !== null && sync.response !== null) {
      const { errorCode, assignment } = sync.response
      consumer.sync = null
      consumer.heardMs = this.now
      // The assignment is that of the generation, made for this member, or for the one that it replaced.
      const text = String(assignment)
      if (errorCode !== ERROR.NONE) assert.equal(text, '')
      else if (text !== '') assert.equal(text.split('/')[0], String(consumer.syncGeneration))
      if (text !== '' && consumer.groupInstanceId === null) assert.equal(text.split('/')[1], consumer.memberId)
      if (errorCode === ERROR.NONE) this.completed++
    }
  }

  /**
   * @param {Consumer} consumer
   * @param {import('./member.js').JoinResponse} response
   */
  takeJoin(consumer, { errorCode, memberId, generationId = -1, leader, members }) {
    if (errorCode === ERROR.MEMBER_ID_REQUIRED) consumer.memberId = memberId
    else if (errorCode === ERROR.REBALANCE_IN_PROGRESS) return
    else if (errorCode !== ERROR.NONE) this.reset(consumer)
    else {
      consumer.memberId = memberId
      consumer.generationId = generationId
      consumer.assigns = members.map((member) => member.memberId)
      assert.equal(members.length > 0, leader === memberId, 'only the leader sees the members')
      if (leader === memberId) {
        assert.ok(members.some((member) => member.memberId === memberId))
        this.leaders.set(generationId, (this.leaders.get(generationId) ?? new Set()).add(memberId))
      }
    }
  }

  check() {
    if (this.group.state === 'Dead') {
      this.lastGeneration = 0
      this.leaders.clear()
    }
    for (const [generation, leaders] of this.leaders) assert.equal(leaders.size, 1, `leaders of ${generation}`)
    const newest = Math.max(0, ...this.leaders.keys())
    assert.ok(newest >= this.lastGeneration, 'the generation grows')
    this.lastGeneration = newest
    for (const consumer of this.consumers) {
      const isSilent = consumer.join === null && consumer.sync === null && this.now - consumer.heardMs > SESSION_MS
      const isGone = (isSilent || consumer.hasLeft) && consumer.memberId !== ''
      if (isGone) assert.match(this.heartbeatOf(consumer), /UNKNOWN_MEMBER_ID|FENCED_INSTANCE_ID/)
    }
  }

  /** @param {Consumer} consumer */
  heartbeatOf({ memberId, generationId, groupInstanceId }) {
    return this.group.heartbeat({ memberId, generationId, groupInstanceId })
  }

  get now() {
    return this.group.clock.monotonic()
  }
}

test('random members never see two leaders, a wrong assignment, an old generation, or no answer', async () => {
  let completed = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = new Run(seed)
    try {
      for (let step = 0; step < STEPS; step++) await run.step()
      const waiting = run.consumers.flatMap(({ join, sync }) => [join, sync]).filter((call) => call !== null)
      for (let round = 0; round < 4; round++) await run.group.pass(REBALANCE_MS)
      assert.ok(waiting.every((call) => errorIn(call) !== 'waits'))
      assert.deepEqual(
        [run.group.state, run.group.clock.timers, run.group.coordinator.bytesLeft],
        ['Dead', 0, MAX_GROUP_BYTES],
      )
      completed += run.completed
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  assert.ok(completed > SEEDS, `${completed} assignments`)
})
