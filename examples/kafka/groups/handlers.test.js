/** The answers of the calls of groups, in every version that is offered, as they are encoded for a client. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { ManualClock } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { AnswerMemory } from '../answer-memory.js'
import { CALLS, encodeResponse } from '../protocol/calls.js'
import { ERROR } from '../protocol/errors.js'
import { groupHandlers } from './handlers.js'
import { OffsetStore } from './offset-store.js'

/** @typedef {keyof ReturnType<typeof groupHandlers>['handlers']} GroupCall */
/** @typedef {import('../protocol/calls.js').Context} Context */
/** @template {GroupCall} N @typedef {import('../protocol/calls.js').Request<N>} Request */
/** @template {GroupCall} N @typedef {import('../protocol/calls.js').Response<N>} Response */

const SESSION_MS = 10_000

/** @type {ManualClock} */
let clock
/** @type {OffsetStore} */
let offsets
/** @type {ReturnType<typeof groupHandlers>} */
let groups
beforeEach(async () => {
  clock = new ManualClock()
  offsets = await OffsetStore.open(new InMemoryFileSystem(), '/data', { clock })
  groups = groupHandlers({
    offsets,
    clock,
    nodeId: 1,
    address: () => ({ host: 'localhost', port: 9092 }),
    hasPartition: (topic, partition) => topic !== 'unknown' && partition < 3,
    initialRebalanceDelayMs: 0,
  })
})
afterEach(async () => {
  groups.close()
  await offsets.close()
})

/**
 * The answer of a call, in its last version unless another is given. Fails if it cannot be encoded.
 *
 * @template {GroupCall} N
 * @param {N} name
 * @param {Request<N>} request
 * @returns {Promise<Response<N>>}
 */
async function call(name, request, version = CALLS[name].versions.to) {
  /** @type {{ [N in GroupCall]: (request: Request<N>, context: Context) => Promise<Response<N>> }} */
  const { [name]: handler } = groups.handlers
  const signal = new AbortController().signal
  const reservation = new AnswerMemory(Infinity).reservation()
  const answered = handler(request, { version, clientId: 'client', clientHost: '127.0.0.1', signal, reservation })
  clock.advance(0)
  const response = await answered
  encodeResponse(name, { version, correlationId: 1 }, response)
  return response
}

/** @param {Partial<Request<'JoinGroup'>>} [fields] */
function joinRequest(fields = {}) {
  return {
    groupId: 'g',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: SESSION_MS,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
    ...fields,
  }
}

/** A member of a stable group of its own. */
async function member() {
  const { memberId } = await call('JoinGroup', joinRequest(), 3)
  const assignments = [{ memberId, assignment: Buffer.from('all') }]
  await call('SyncGroup', { groupId: 'g', generationId: 1, memberId, groupInstanceId: null, assignments })
  return memberId
}

/**
 * @param {Partial<Request<'OffsetCommit'>>} fields
 * @param {Partial<Request<'OffsetCommit'>['topics'][0]['partitions'][0]>} [partition]
 */
function commitRequest(fields, partition = {}) {
  const one = { partitionIndex: 0, committedOffset: 5n, committedLeaderEpoch: 2, committedMetadata: 'note' }
  return {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1n,
    topics: [{ name: 't', partitions: [{ ...one, ...partition }] }],
    ...fields,
  }
}

test('every answer, and every refusal, can be encoded in all versions that are offered', async () => {
  const identity = { groupId: 'g', memberId: '', groupInstanceId: null, generationId: 1 }
  /** @type {(version: number) => { [N in GroupCall]: Request<N>[] }} */
  const requestsOf = (version) => ({
    FindCoordinator: [{ key: 'g', keyType: 0 }],
    JoinGroup: [joinRequest({ groupId: `g${version}` }), joinRequest({ groupId: '' })],
    SyncGroup: [{ ...identity, assignments: [] }],
    Heartbeat: [identity],
    LeaveGroup: [{ groupId: 'g', memberId: 'x', members: [{ memberId: 'x', groupInstanceId: null }] }],
    OffsetCommit: [commitRequest({ groupId: 'other' }), commitRequest({ groupId: '' })],
    OffsetFetch: [
      { groupId: 'other', topics: null },
      { groupId: 'x', topics: [{ name: 't', partitionIndexes: [0] }] },
    ],
    DescribeGroups: [{ groups: ['g', 'other', 'x'] }],
    ListGroups: [{}],
  })
  let answers = 0
  for (const name of /** @type {GroupCall[]} */ (Object.keys(groups.handlers))) {
    const { from, to } = CALLS[name].versions
    for (let version = from; version <= to; version++) {
      for (const request of requestsOf(version)[name]) {
        await call(name, request, version)
        answers++
      }
    }
  }
  assert.ok(answers > 40)
})

describe('the coordinator', () => {
  test('of every group is this broker', async () => {
    const answer = await call('FindCoordinator', { key: 'g', keyType: 0 })
    assert.deepEqual(answer, { errorCode: 0, nodeId: 1, host: 'localhost', port: 9092 })
  })

  test('of a transaction does not exist, for good', async () => {
    const { errorCode, errorMessage } = await call('FindCoordinator', { key: 'x', keyType: 1 })
    assert.deepEqual([errorCode, errorMessage], [53, 'this broker has no transactions'])
  })
})

describe('members', () => {
  test('have ids that are never given twice', async () => {
    const [first, second] = [await call('JoinGroup', joinRequest()), await call('JoinGroup', joinRequest())]
    assert.match(first.memberId, /^client-[0-9a-f-]{36}$/)
    assert.notEqual(first.memberId, second.memberId)
  })

  test('leave alone or together, by the version', async () => {
    const memberId = await member()
    const members = [
      { memberId: 'x', groupInstanceId: null },
      { memberId, groupInstanceId: null },
    ]
    const alone = await call('LeaveGroup', { groupId: 'g', memberId: 'x', members: [] }, 2)
    const together = await call('LeaveGroup', { groupId: 'g', memberId: '', members })
    assert.deepEqual(alone, { errorCode: ERROR.UNKNOWN_MEMBER_ID })
    assert.deepEqual(
      together.members?.map(({ errorCode }) => errorCode),
      [ERROR.UNKNOWN_MEMBER_ID, ERROR.NONE],
    )
  })
})

describe('offsets', () => {
  test('are fetched as they were committed, -1 where there are none', async () => {
    const memberId = await member()
    const commit = commitRequest({ memberId, generationIdOrMemberEpoch: 1 })
    const committed = await call('OffsetCommit', commit)
    assert.deepEqual(committed, { topics: [{ name: 't', partitions: [{ partitionIndex: 0, errorCode: 0 }] }] })
    const topics = [{ name: 't', partitionIndexes: [0, 1, 0] }]
    const known = { committedOffset: 5n, committedLeaderEpoch: 2, metadata: 'note', errorCode: 0 }
    const none = { committedOffset: -1n, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }
    assert.deepEqual(await call('OffsetFetch', { groupId: 'g', topics }), {
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, ...known },
            { partitionIndex: 1, ...none },
          ],
        },
      ],
      errorCode: 0,
    })
    assert.deepEqual(await call('OffsetFetch', { groupId: 'g', topics: null }), {
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, ...known }] }],
      errorCode: 0,
    })
  })

  for (const [
    name,
    fields,
    partition,
    errorCode,
  ] of /** @type {[string, Partial<Request<'OffsetCommit'>>, {}, number][]} */ ([
    ['by hand to a group with members', {}, {}, ERROR.UNKNOWN_MEMBER_ID],
    ['of an unknown member', { memberId: 'x', generationIdOrMemberEpoch: 1 }, {}, ERROR.UNKNOWN_MEMBER_ID],
    ['of an unknown group', { groupId: 'x', generationIdOrMemberEpoch: 1 }, {}, ERROR.ILLEGAL_GENERATION],
    ['of a partition that does not exist', { groupId: 'x' }, { partitionIndex: 3 }, ERROR.UNKNOWN_TOPIC_OR_PARTITION],
    [
      'with 4097 bytes of metadata',
      { groupId: 'x' },
      { committedMetadata: `${'ä'.repeat(2048)}x` },
      ERROR.OFFSET_METADATA_TOO_LARGE,
    ],
  ])) {
    test(`a commit ${name} is refused, and nothing is stored`, async () => {
      await member()
      const { topics } = await call('OffsetCommit', commitRequest(fields, partition))
      assert.equal(topics[0]?.partitions[0]?.errorCode, errorCode)
      assert.deepEqual([...offsets.groups], [])
    })
  }

  test('of one commit are stored where they can be', async () => {
    const [topic] = commitRequest({}).topics
    assert.ok(topic)
    const { topics } = await call('OffsetCommit', commitRequest({ topics: [{ ...topic, name: 'unknown' }, topic] }))
    assert.deepEqual(
      topics.map(({ partitions }) => partitions[0]?.errorCode),
      [ERROR.UNKNOWN_TOPIC_OR_PARTITION, ERROR.NONE],
    )
    assert.deepEqual([...offsets.topics], ['t'])
  })

  test('without metadata are fetched with an empty text', async () => {
    await call('OffsetCommit', commitRequest({}, { committedMetadata: null }))
    const { topics } = await call('OffsetFetch', { groupId: 'g', topics: null })
    assert.equal(topics[0]?.partitions[0]?.metadata, '')
  })

  test('of a topic that a commit names twice are all stored', async () => {
    const topics = [commitRequest({}), commitRequest({}, { partitionIndex: 1 })].flatMap((commit) => commit.topics)
    await call('OffsetCommit', commitRequest({ topics }))
    assert.deepEqual([...(offsets.of('g').get('t')?.keys() ?? [])], [0, 1])
  })
})

describe('describing', () => {
  test('shows groups with members, with offsets only, and unknown ones, each once', async () => {
    const memberId = await member()
    await call('OffsetCommit', commitRequest({ groupId: 'idle' }))
    const { groups: described } = await call('DescribeGroups', { groups: ['g', 'idle', 'x', 'g'] })
    const none = { protocolType: '', protocolData: '', members: [] }
    const bytes = { memberMetadata: Buffer.from('topics'), memberAssignment: Buffer.from('all') }
    const shown = { memberId, clientId: 'client', clientHost: '127.0.0.1', ...bytes }
    assert.deepEqual(described, [
      {
        errorCode: 0,
        groupId: 'g',
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [shown],
      },
      { errorCode: 0, groupId: 'idle', groupState: 'Empty', ...none },
      { errorCode: 0, groupId: 'x', groupState: 'Dead', ...none },
    ])
  })

  test('lists groups with members or with offsets', async () => {
    await member()
    await call('OffsetCommit', commitRequest({ groupId: 'idle' }))
    const { groups: listed } = await call('ListGroups', {})
    assert.deepEqual(listed, [
      { groupId: 'idle', protocolType: '' },
      { groupId: 'g', protocolType: 'consumer' },
    ])
  })
})
