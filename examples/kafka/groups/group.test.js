/** What members see of a group: joining, assignments, rebalances, static members, and members that are gone. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { DELAY_MS, errorIn, GroupFixture, REBALANCE_MS, responseOf, SESSION_MS } from './group-fixture.js'

/** @type {GroupFixture} */
let group
beforeEach(() => {
  group = new GroupFixture()
})

/** @param {string} text */
function range(text) {
  return [{ name: 'range', metadata: Buffer.from(text) }]
}

/** @param {string[]} names */
function named(...names) {
  return names.map((name) => ({ name, metadata: Buffer.from(name) }))
}

/** @param {number} at */
function instance(at) {
  return { version: 5, groupInstanceId: `i${at}` }
}

/** A static member that may be away for long. @param {number} at */
function patient(at) {
  return { ...instance(at), sessionTimeoutMs: 10 * REBALANCE_MS }
}

describe('joining', () => {
  test('the first generation begins after the delay, with one leader that sees all members', async () => {
    const calls = [group.join({ clientId: 'a' }), group.join({ clientId: 'b', protocols: range('other') })]
    await group.pass(DELAY_MS - 1)
    assert.deepEqual(calls.map(errorIn), ['waits', 'waits'])
    await group.pass(DELAY_MS + 1)
    const [first, second] = calls.map(responseOf)
    assert.deepEqual(first, {
      errorCode: 0,
      generationId: 1,
      protocolName: 'range',
      leader: 'a-1',
      memberId: 'a-1',
      members: [
        { memberId: 'a-1', groupInstanceId: null, metadata: Buffer.from('topics') },
        { memberId: 'b-2', groupInstanceId: null, metadata: Buffer.from('other') },
      ],
    })
    assert.deepEqual(second, { ...first, memberId: 'b-2', members: [] })
    assert.equal(group.state, 'CompletingRebalance')
  })

  test('each member that joins during the delay extends it, up to the rebalance timeout', async () => {
    const first = group.join({ rebalanceTimeoutMs: 8000 })
    await group.pass(2000)
    group.join()
    await group.pass(1000)
    assert.equal(errorIn(first), 'waits')
    await group.pass(2000)
    group.join()
    await group.pass(1000)
    group.join()
    assert.equal(errorIn(first), 'waits')
    await group.pass(2000)
    assert.equal(responseOf(first).members.length, 4)
  })

  test('from version 4 on, a member gets its id first, and joins with it', async () => {
    const asked = group.join({ version: 4 })
    await group.pass(0)
    assert.deepEqual([errorIn(asked), responseOf(asked).memberId, group.state], ['MEMBER_ID_REQUIRED', 'c-1', 'Empty'])
    const joined = group.join({ version: 4, memberId: 'c-1' })
    await group.pass(DELAY_MS)
    assert.deepEqual([errorIn(joined), responseOf(joined).memberId], ['NONE', 'c-1'])
  })

  test('an id that does not join within its session timeout is forgotten, and the group with it', async () => {
    group.join({ version: 4 })
    await group.pass(SESSION_MS)
    assert.equal(group.state, 'Dead')
    const late = group.join({ version: 4, memberId: 'c-1' })
    await group.pass(0)
    assert.equal(errorIn(late), 'UNKNOWN_MEMBER_ID')
  })

  test('a rebalance waits for an id that was handed out', async () => {
    const { leaderId, followerId } = await group.stable()
    group.join({ version: 4 })
    const calls = [leaderId, followerId].map((memberId) => group.join({ memberId }))
    await group.pass(0)
    assert.deepEqual(calls.map(errorIn), ['waits', 'waits'])
    await group.pass(SESSION_MS)
    assert.deepEqual(calls.map(errorIn), ['NONE', 'NONE'])
  })

  test('an id that is forgotten does not disturb a stable group', async () => {
    const { ids } = await group.stable()
    group.join({ version: 4 })
    await group.passAlive(
      SESSION_MS,
      ids.map((memberId) => ({ memberId })),
    )
    assert.equal(group.state, 'Stable')
    group.join({ version: 4 })
    assert.deepEqual([group.leave({ memberId: 'c-4' }), group.state], [['NONE'], 'Stable'])
  })

  for (const [name, fields, error] of /** @type {[string, Parameters<GroupFixture['join']>[0], string][]} */ ([
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['a group id of 256 characters', { groupId: 'x'.repeat(256) }, 'INVALID_GROUP_ID'],
    ['a session timeout that is too short', { sessionTimeoutMs: 5999 }, 'INVALID_SESSION_TIMEOUT'],
    ['a session timeout that is too long', { sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT'],
    ['no protocol', { protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no type of protocol', { protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['a member id that was never given', { memberId: 'x' }, 'UNKNOWN_MEMBER_ID'],
  ])) {
    test(`${name} is refused, and leaves no group behind`, async () => {
      const call = group.join(fields)
      await group.pass(0)
      assert.deepEqual([errorIn(call), [...group.coordinator.groups].length], [error, 0])
    })
  }

  for (const [name, fields] of /** @type {[string, Parameters<GroupFixture['join']>[0]][]} */ ([
    ['another type of protocol', { protocolType: 'connect' }],
    ['no protocol that all members support', { protocols: [{ name: 'sticky', metadata: Buffer.alloc(0) }] }],
  ])) {
    test(`a member with ${name} is refused`, async () => {
      await group.stable()
      const call = group.join(fields)
      await group.pass(0)
      assert.deepEqual([errorIn(call), group.state], ['INCONSISTENT_GROUP_PROTOCOL', 'Stable'])
    })
  }

  test('the protocol is the one that most members prefer among those that all support', async () => {
    const calls = [
      ['x', 'a', 'b'],
      ['b', 'a'],
      ['a', 'b', 'y'],
      ['b', 'a'],
    ].map((names) => group.join({ protocols: named(...names) }))
    await group.pass(2 * DELAY_MS)
    const [leader] = calls.map(responseOf)
    assert.equal(leader?.protocolName, 'a')
    assert.deepEqual(new Set(leader?.members.map(({ metadata }) => String(metadata))), new Set(['a']))
  })
})

describe('the assignment', () => {
  test('each member gets what the leader assigned to it; nothing if it was left out', async () => {
    const joins = [1, 2, 3].map(() => group.join())
    await group.pass(2 * DELAY_MS)
    const [leader = '', second = '', third = ''] = joins.map((call) => responseOf(call).memberId)
    const early = group.sync({ memberId: second })
    await group.pass(0)
    assert.equal(errorIn(early), 'waits')
    const own = group.sync({ memberId: leader }, { [leader]: 'p0', [second]: 'p1', unknown: 'p2' })
    const late = group.sync({ memberId: third })
    await group.pass(0)
    assert.deepEqual(
      [own, early, late].map((call) => String(responseOf(call).assignment)),
      ['p0', 'p1', ''],
    )
    assert.equal(group.state, 'Stable')
  })

  test('members that do not fetch it within the rebalance timeout are removed, and the others rebalance', async () => {
    const joins = [group.join(), group.join()]
    await group.pass(2 * DELAY_MS)
    const [leaderId = '', followerId = ''] = joins.map((call) => responseOf(call).memberId)
    group.sync({ memberId: leaderId }, { [leaderId]: 'all' })
    await group.passAlive(REBALANCE_MS, [{ memberId: leaderId }, { memberId: followerId }])
    assert.equal(group.state, 'PreparingRebalance')
    assert.deepEqual(
      [group.heartbeat({ memberId: leaderId }), group.heartbeat({ memberId: followerId })],
      ['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID'],
    )
  })

  test('a follower that waits for it is told to join again when the leader is gone', async () => {
    const joins = [group.join(), group.join()]
    await group.pass(2 * DELAY_MS)
    const [, followerId = ''] = joins.map((call) => responseOf(call).memberId)
    const waiting = group.sync({ memberId: followerId })
    await group.pass(SESSION_MS)
    assert.equal(errorIn(waiting), 'REBALANCE_IN_PROGRESS')
    const again = group.join({ memberId: followerId })
    await group.pass(0)
    const { generationId, leader, members } = responseOf(again)
    assert.deepEqual([generationId, leader, members.length], [2, followerId, 1])
  })

  test('nobody gets that of an earlier generation', async () => {
    const { leaderId, followerId } = await group.stable()
    const calls = [group.join({ memberId: leaderId }), group.join({ memberId: followerId })]
    await group.pass(0)
    assert.deepEqual(calls.map(errorIn), ['NONE', 'NONE'])
    group.sync({ memberId: leaderId, generationId: 2 }, { [leaderId]: 'all' })
    const left = group.sync({ memberId: followerId, generationId: 2 })
    await group.pass(0)
    assert.equal(String(responseOf(left).assignment), '')
  })

  test('a second SyncGroup of a member replaces the first', async () => {
    const joins = [group.join(), group.join()]
    await group.pass(2 * DELAY_MS)
    const memberId = joins.map((call) => responseOf(call).memberId)[1] ?? ''
    const [first, second] = [group.sync({ memberId }), group.sync({ memberId })]
    await group.pass(0)
    assert.deepEqual([errorIn(first), errorIn(second)], ['REBALANCE_IN_PROGRESS', 'waits'])
  })

  test('an earlier generation does not get it', async () => {
    const { leaderId } = await group.stable({ clients: 1 })
    const old = group.sync({ memberId: leaderId, generationId: 0 })
    await group.pass(0)
    assert.equal(errorIn(old), 'ILLEGAL_GENERATION')
  })

  test('the bytes of requests are copied', async () => {
    const metadata = Buffer.from('topics')
    const call = group.join({ protocols: [{ name: 'range', metadata }] })
    metadata.fill(0)
    await group.pass(DELAY_MS)
    assert.equal(String(responseOf(call).members[0]?.metadata), 'topics')
  })
})

describe('a rebalance', () => {
  for (const [name, act] of /** @type {[string, (followerId: string) => unknown][]} */ ([
    ['a new member joins', () => group.join()],
    ['a member leaves', (followerId) => group.leave({ memberId: followerId })],
    ['a member changes what it wants', (id) => group.join({ memberId: id, protocols: range('x') })],
  ])) {
    test(`begins when ${name}`, async () => {
      const { leaderId, followerId } = await group.stable()
      act(followerId)
      assert.equal(group.state, 'PreparingRebalance')
      assert.equal(group.heartbeat({ memberId: leaderId }), 'REBALANCE_IN_PROGRESS')
    })
  }

  test('begins when the leader joins again, but not when another member only missed its answer', async () => {
    const { leaderId, followerId } = await group.stable()
    const again = group.join({ memberId: followerId })
    await group.pass(0)
    assert.deepEqual([responseOf(again).generationId, group.state], [1, 'Stable'])
    group.join({ memberId: leaderId })
    assert.equal(group.state, 'PreparingRebalance')
  })

  test('a member that only missed its answer gets it again before the assignment is there', async () => {
    const call = group.join()
    await group.pass(DELAY_MS)
    const again = group.join({ memberId: responseOf(call).memberId })
    await group.pass(0)
    assert.deepEqual(responseOf(again), responseOf(call))
  })

  test('goes on without those that do not join within the rebalance timeout', async () => {
    const { leaderId, followerId } = await group.stable()
    const joined = group.join()
    await group.passAlive(REBALANCE_MS - 1, [{ memberId: leaderId }, { memberId: followerId }])
    assert.equal(errorIn(joined), 'waits')
    await group.pass(1)
    const { generationId, members, leader, memberId } = responseOf(joined)
    assert.deepEqual([generationId, members.length, leader], [2, 1, memberId])
    assert.equal(group.heartbeat({ memberId: leaderId }), 'UNKNOWN_MEMBER_ID')
  })

  test('keeps the leader if it joins again', async () => {
    const { leaderId, followerId } = await group.stable()
    const calls = [group.join(), group.join({ memberId: followerId }), group.join({ memberId: leaderId })]
    await group.pass(0)
    assert.deepEqual(
      calls.map((call) => responseOf(call).leader),
      [leaderId, leaderId, leaderId],
    )
  })

  test('a second JoinGroup of a member replaces the first', async () => {
    const { leaderId } = await group.stable()
    const first = group.join({ memberId: leaderId })
    const second = group.join({ memberId: leaderId })
    await group.pass(0)
    assert.deepEqual([errorIn(first), errorIn(second)], ['REBALANCE_IN_PROGRESS', 'waits'])
  })
})

describe('a member that is gone', () => {
  test('is removed when its session timeout has passed since its last heartbeat', async () => {
    const { leaderId, followerId } = await group.stable()
    await group.passAlive(2 * REBALANCE_MS, [{ memberId: leaderId }, { memberId: followerId }])
    assert.equal(group.state, 'Stable')
    await group.passAlive(SESSION_MS, [{ memberId: leaderId }])
    assert.equal(group.heartbeat({ memberId: followerId }), 'UNKNOWN_MEMBER_ID')
    assert.equal(group.heartbeat({ memberId: leaderId }), 'REBALANCE_IN_PROGRESS')
  })

  test('the last one leaves no group, and no timer, behind', async () => {
    const before = group.coordinator.bytesLeft
    await group.stable()
    assert.notEqual(group.coordinator.bytesLeft, before)
    await group.pass(SESSION_MS)
    await group.pass(REBALANCE_MS)
    assert.deepEqual([group.state, group.clock.timers, group.coordinator.bytesLeft], ['Dead', 0, before])
  })

  test('a new member whose connection closes before it learns its id is removed at once', async () => {
    const gone = group.join()
    const other = group.join()
    gone.disconnect()
    assert.equal(group.coordinator.describe('g')?.members.length, 1)
    await group.pass(2 * DELAY_MS)
    assert.equal(responseOf(other).members.length, 1)
  })

  test('one that waits to join needs no heartbeats, and may send some', async () => {
    const { leaderId, followerId } = await group.stable()
    group.join({ memberId: leaderId })
    assert.equal(group.heartbeat({ memberId: leaderId }), 'REBALANCE_IN_PROGRESS')
    await group.passAlive(3 * SESSION_MS, [{ memberId: followerId }])
    assert.equal(group.heartbeat({ memberId: leaderId }), 'REBALANCE_IN_PROGRESS')
  })

  test('a protocol that only it did not support can be used', async () => {
    const { followerId } = await group.stable({
      fields: (at) => ({ protocols: named(...['range', 'sticky'].slice(0, 2 - at)) }),
    })
    group.leave({ memberId: followerId })
    assert.equal(errorIn(await settled(group.join({ protocols: named('sticky') }))), 'waits')
  })

  test('one that knows its id has its session timeout to join again', async () => {
    const { leaderId, followerId } = await group.stable()
    group.join({ memberId: leaderId }).disconnect()
    const waiting = group.join({ memberId: followerId })
    await group.pass(SESSION_MS - 1)
    assert.equal(errorIn(waiting), 'waits')
    const again = group.join({ memberId: leaderId })
    await group.pass(0)
    assert.deepEqual([errorIn(waiting), errorIn(again)], ['NONE', 'NONE'])
  })

  test('leaving by several identities answers for each', async () => {
    const { leaderId, followerId } = await group.stable()
    const answers = group.leave(
      { memberId: leaderId },
      { memberId: 'x' },
      { memberId: followerId },
      { memberId: leaderId },
    )
    assert.deepEqual(answers, ['NONE', 'UNKNOWN_MEMBER_ID', 'NONE', 'UNKNOWN_MEMBER_ID'])
    assert.equal(group.state, 'Dead')
  })
})

describe('static members', () => {
  test('one that is restarted gets its assignment under a new id, without a rebalance', async () => {
    const { ids } = await group.stable({ fields: instance })
    const back = group.join(instance(1))
    await group.pass(0)
    const { memberId, generationId } = responseOf(back)
    assert.deepEqual([generationId, group.state, ids.includes(memberId)], [1, 'Stable', false])
    const synced = group.sync({ memberId, groupInstanceId: 'i1' })
    await group.pass(0)
    assert.equal(String(responseOf(synced).assignment), ids[1])
  })

  test('a leader that is restarted is not told to assign, and is still the leader', async () => {
    const { leaderId } = await group.stable({ fields: instance })
    const back = group.join(instance(0))
    await group.pass(0)
    const { leader, members, memberId } = responseOf(back)
    assert.deepEqual([leader, members], [leaderId, []])
    group.join({ ...instance(0), memberId })
    assert.equal(group.state, 'PreparingRebalance')
  })

  test('one that supports less than before makes the group rebalance if it needs another protocol', async () => {
    await group.stable({ fields: (at) => ({ ...instance(at), protocols: named('range', 'sticky') }) })
    group.join({ ...instance(1), protocols: named('sticky') })
    assert.equal(group.state, 'PreparingRebalance')
  })

  test('the old id is fenced', async () => {
    const { followerId } = await group.stable({ fields: instance })
    group.join(instance(1))
    const old = { memberId: followerId, groupInstanceId: 'i1' }
    assert.deepEqual(
      [group.heartbeat(old), group.commit({ ...old, generationId: 1 }), ...group.leave(old)],
      ['FENCED_INSTANCE_ID', 'FENCED_INSTANCE_ID', 'FENCED_INSTANCE_ID'],
    )
    assert.deepEqual(
      [errorIn(await settled(group.join({ ...instance(1), memberId: followerId })))],
      ['FENCED_INSTANCE_ID'],
    )
    assert.equal(group.heartbeat({ memberId: 'x', groupInstanceId: 'unknown' }), 'UNKNOWN_MEMBER_ID')
  })

  test('a request of the old id that waits is fenced', async () => {
    const first = group.join(instance(0))
    const second = group.join(instance(0))
    await group.pass(2 * DELAY_MS)
    assert.deepEqual([errorIn(first), errorIn(second)], ['FENCED_INSTANCE_ID', 'NONE'])
    assert.equal(responseOf(second).members.length, 1)
  })

  test('one that is replaced while the leader assigns makes the group rebalance', async () => {
    const joins = [group.join(instance(0)), group.join(instance(1))]
    await group.pass(2 * DELAY_MS)
    const [leaderId = ''] = joins.map((call) => responseOf(call).memberId)
    group.join(instance(1))
    assert.equal(group.state, 'PreparingRebalance')
    assert.equal(group.heartbeat({ memberId: leaderId, groupInstanceId: 'i0' }), 'REBALANCE_IN_PROGRESS')
  })

  test('one that is away keeps its place during a rebalance, until its session ends', async () => {
    const { followerId } = await group.stable({ fields: patient })
    const joined = group.join(patient(2))
    const again = group.join({ ...patient(1), memberId: followerId })
    await group.pass(REBALANCE_MS)
    // The leader is away, so another one assigns.
    const { generationId, leader, memberId, members } = responseOf(joined)
    assert.deepEqual([generationId, leader, members.length], [2, memberId, 3])
    assert.deepEqual(responseOf(again).members, [])
  })

  test('a rebalance that only members who are away could complete goes on when one is back', async () => {
    const { ids } = await group.stable({ clients: 3, fields: patient })
    group.leave({ groupInstanceId: 'i2' })
    await group.pass(2 * REBALANCE_MS)
    assert.equal(group.state, 'PreparingRebalance')
    const back = group.join({ ...patient(0), memberId: ids[0] ?? '' })
    await group.pass(REBALANCE_MS)
    assert.deepEqual([responseOf(back).generationId, responseOf(back).members.length], [2, 2])
  })

  test('an operator removes one by its instance id', async () => {
    await group.stable({ fields: instance })
    assert.deepEqual(group.leave({ groupInstanceId: 'i1' }, { groupInstanceId: 'i9' }), ['NONE', 'UNKNOWN_MEMBER_ID'])
    assert.equal(group.state, 'PreparingRebalance')
  })
})

describe('a commit of offsets', () => {
  for (const [name, fields, error] of /** @type {[string, Parameters<GroupFixture['commit']>[0], string][]} */ ([
    ['of a member in its generation', { generationId: 1 }, 'NONE'],
    ['of an earlier generation', { generationId: 0 }, 'ILLEGAL_GENERATION'],
    ['without a generation', {}, 'ILLEGAL_GENERATION'],
    ['of an unknown member', { memberId: 'x', generationId: 1 }, 'UNKNOWN_MEMBER_ID'],
    ['by hand', { memberId: '' }, 'UNKNOWN_MEMBER_ID'],
  ])) {
    test(`${name}, in a stable group: ${error}`, async () => {
      const { followerId } = await group.stable()
      assert.equal(group.commit({ memberId: followerId, ...fields }), error)
    })
  }

  test('by hand is taken by a group without members', () => {
    assert.equal(group.commit({}), 'NONE')
    assert.equal(group.commit({ generationId: 1, memberId: 'x' }), 'ILLEGAL_GENERATION')
    group.join({ version: 4 })
    assert.equal(group.commit({}), 'NONE')
  })

  test('is taken while members join, and not while the leader assigns', async () => {
    const { leaderId, followerId } = await group.stable()
    const calls = [group.join(), group.join({ memberId: leaderId })]
    assert.equal(group.commit({ memberId: followerId, generationId: 1 }), 'NONE')
    calls.push(group.join({ memberId: followerId }))
    await group.pass(0)
    assert.equal(group.commit({ memberId: followerId, generationId: 2 }), 'REBALANCE_IN_PROGRESS')
  })

  test('counts as a heartbeat', async () => {
    const { ids } = await group.stable()
    for (let at = 0; at < 4; at++) {
      for (const memberId of ids) assert.equal(group.commit({ memberId, generationId: 1 }), 'NONE')
      await group.pass(SESSION_MS - 1)
    }
    assert.equal(group.state, 'Stable')
  })
})

describe('limits', () => {
  test('a group has no more members, and ids that may join, than allowed', async () => {
    group = new GroupFixture({ maxGroupMembers: 2 })
    group.join()
    group.join({ version: 4 })
    assert.equal(errorIn(await settled(group.join())), 'GROUP_MAX_SIZE_REACHED')
  })

  test('a member whose metadata is too large is refused, and an assignment that is too large', async () => {
    const call = group.join({ protocols: [{ name: 'range', metadata: Buffer.alloc(256 * 1024) }] })
    assert.equal(errorIn(await settled(call)), 'INVALID_REQUEST')
    const joined = group.join()
    await group.pass(DELAY_MS)
    const { memberId } = responseOf(joined)
    const large = group.sync({ memberId }, { [memberId]: 'x'.repeat(256 * 1024 + 1) })
    assert.equal(errorIn(await settled(large)), 'INVALID_REQUEST')
  })

  for (const [name, fields] of /** @type {[string, (at: number) => Parameters<GroupFixture['join']>[0]][]} */ ([
    ['groups of one member', (at) => ({ groupId: `g${at}` })],
    ['members of one group', () => ({})],
    ['ids that are handed out', (at) => ({ groupId: `g${at % 7}`, version: 4 })],
    ['one large member after another', () => ({ protocols: range('x'.repeat(9000)) })],
  ])) {
    test(`memory is bounded for ${name}, and comes back`, async () => {
      const maxGroupBytes = 100_000
      group = new GroupFixture({ maxGroupBytes, maxGroupMembers: 10_000 })
      const calls = Array.from({ length: 200 }, (_, at) => group.join(fields(at)))
      await group.pass(0)
      assert.ok(calls.map(errorIn).includes('COORDINATOR_NOT_AVAILABLE'))
      assert.ok(group.coordinator.bytesLeft >= 0)
      await group.pass(REBALANCE_MS)
      await group.pass(REBALANCE_MS)
      assert.deepEqual([group.coordinator.bytesLeft, group.clock.timers], [maxGroupBytes, 0])
      assert.equal(errorIn(await settled(group.join())), 'waits')
    })
  }

  test('assignments that do not fit into memory are refused', async () => {
    group = new GroupFixture({ maxGroupBytes: 10_000 })
    const joined = group.join()
    await group.pass(DELAY_MS)
    const { memberId } = responseOf(joined)
    assert.equal(
      errorIn(await settled(group.sync({ memberId }, { [memberId]: 'x'.repeat(10_000) }))),
      'COORDINATOR_NOT_AVAILABLE',
    )
    assert.equal(errorIn(await settled(group.sync({ memberId }, { [memberId]: 'fits' }))), 'NONE')
  })
})

test('closing answers every request that waits, and refuses all that follow', async () => {
  const joins = [group.join(), group.join()]
  await group.pass(2 * DELAY_MS)
  const [, followerId = ''] = joins.map((call) => responseOf(call).memberId)
  const waiting = [group.sync({ memberId: followerId }), group.join({ groupId: 'other' })]
  await group.pass(0)
  assert.deepEqual(waiting.map(errorIn), ['waits', 'waits'])
  group.coordinator.close()
  const after = group.join()
  await group.pass(0)
  assert.deepEqual([...waiting, after].map(errorIn), Array(3).fill('COORDINATOR_NOT_AVAILABLE'))
  assert.equal(group.clock.timers, 0)
})

/**
 * @template T
 * @param {import('./group-fixture.js').Call<T>} call
 */
async function settled(call) {
  await group.pass(0)
  return call
}
