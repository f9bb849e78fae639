/** The calls of consumer groups, as handlers of a server. */
import { randomUUID } from 'node:crypto'
import { SystemClock } from '@sq/sim'
import { ERROR } from '../protocol/errors.js'
import { GroupCoordinator } from './coordinator.js'
import { joinRefused } from './group.js'
import { NO_BYTES } from './member.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../protocol/calls.js').CallName} CallName */
/** @typedef {import('../protocol/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('./offset-table.js').Committed} Committed */
/** @template {CallName} N @typedef {import('../protocol/calls.js').Handler<N>} Handler */
/** @template {CallName} N @typedef {import('../protocol/calls.js').Request<N>} Request */

/**
 * @typedef {object} GroupOptions
 * @property {import('./offset-store.js').OffsetStore} offsets
 * @property {() => { host: string, port: number }} address how clients reach this broker
 * @property {number} nodeId the id of this broker, as Metadata tells it
 * @property {(topic: string, partition: number) => boolean} hasPartition offsets of others cannot be committed
 * @property {import('@sq/sim').Clock} [clock]
 */

const GROUP_KEY = 0
/** From this version on, LeaveGroup names several members. */
const SEVERAL_MEMBERS_VERSION = 3
const MAX_METADATA_BYTES = 4096
/** Of the name of a client that begins its member id. */
const MAX_PREFIX_CHARACTERS = 255

/**
 * The handlers; `close`, which answers every request that waits and leaves the store of the offsets open; and
 * `deleteIdleOffsets`, which deletes the offsets of groups that had no members for some time.
 *
 * @param {GroupOptions & Partial<import('./coordinator.js').GroupLimits>} options
 */
export function groupHandlers(options) {
  const { offsets, clock = new SystemClock(), address, nodeId, hasPartition, ...limits } = options
  const coordinator = new GroupCoordinator({ ...limits, clock, newMemberId })
  const handlers = {
    FindCoordinator: findCoordinator({ address, nodeId }),
    ...memberHandlers(coordinator),
    OffsetCommit: offsetCommit(coordinator, { offsets, hasPartition }),
    OffsetFetch: offsetFetch(offsets),
    DescribeGroups: describeGroups(coordinator, offsets),
    ListGroups: listGroups(coordinator, offsets),
  }
  /** @param {number} idleMs */
  const deleteIdleOffsets = (idleMs) =>
    offsets.deleteIdle({ idleMs, isUsed: (group) => coordinator.describe(group) !== undefined })
  return { handlers, deleteIdleOffsets, close: () => coordinator.close() }
}

/** @param {string} prefix */
function newMemberId(prefix) {
  // A slice of a string may keep the whole string in memory.
  const short = Buffer.from(prefix.slice(0, MAX_PREFIX_CHARACTERS)).toString()
  return `${short}-${randomUUID()}`
}

/**
 * @param {Pick<GroupOptions, 'address' | 'nodeId'>} broker
 * @returns {Handler<'FindCoordinator'>}
 */
function findCoordinator({ address, nodeId }) {
  return async ({ keyType }) => {
    if (keyType === GROUP_KEY) return { errorCode: ERROR.NONE, nodeId, ...address() }
    const errorMessage = 'this broker has no transactions'
    return { errorCode: ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, errorMessage, nodeId: -1, host: '', port: -1 }
  }
}

/** @param {GroupCoordinator} coordinator */
function memberHandlers(coordinator) {
  return {
    /** @type {Handler<'JoinGroup'>} */
    JoinGroup: (request, context) =>
      answer(
        () => coordinator.join(request, context),
        (errorCode) => ({ ...joinRefused(errorCode), memberId: request.memberId }),
      ),
    /** @type {Handler<'SyncGroup'>} */
    SyncGroup: (request, context) =>
      answer(
        () => coordinator.sync(request, context),
        (errorCode) => ({ errorCode, assignment: NO_BYTES }),
      ),
    /** @type {Handler<'Heartbeat'>} */
    Heartbeat: (request) =>
      answer(
        () => {
          coordinator.heartbeat(request)
          return { errorCode: ERROR.NONE }
        },
        (errorCode) => ({ errorCode }),
      ),
    /** @type {Handler<'LeaveGroup'>} */
    LeaveGroup: ({ groupId, memberId, members }, { version }) =>
      answer(
        () => {
          const several = version >= SEVERAL_MEMBERS_VERSION
          const leaving = several ? members : [{ memberId, groupInstanceId: null }]
          const errorCodes = coordinator.leave(groupId, leaving)
          if (!several) return { errorCode: errorCodes[0] ?? ERROR.NONE }
          const answers = leaving.map((member, at) => ({ ...member, errorCode: errorCodes[at] ?? ERROR.NONE }))
          return { errorCode: ERROR.NONE, members: answers }
        },
        (errorCode) => ({ errorCode }),
      ),
  }
}

/**
 * @param {GroupCoordinator} coordinator
 * @param {Pick<GroupOptions, 'offsets' | 'hasPartition'>} options
 * @returns {Handler<'OffsetCommit'>}
 */
function offsetCommit(coordinator, { offsets, hasPartition }) {
  /** @param {Request<'OffsetCommit'>} request */
  const commit = async (request) => {
    const { groupId, generationIdOrMemberEpoch: generationId, memberId, groupInstanceId } = request
    coordinator.checkCommit({ groupId, generationId, memberId, groupInstanceId })
    /** @type {Map<string, Map<number, Committed>>} */
    const accepted = new Map()
    const topics = request.topics.map(({ name, partitions }) => {
      const committed = accepted.get(name) ?? new Map()
      const answers = partitions.map((partition) => {
        const { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch } = partition
        const metadata = partition.committedMetadata ?? ''
        const errorCode = commitError(hasPartition(name, partitionIndex), metadata)
        if (errorCode === ERROR.NONE) committed.set(partitionIndex, { offset, leaderEpoch, metadata })
        return { partitionIndex, errorCode }
      })
      if (committed.size > 0) accepted.set(name, committed)
      return { name, partitions: answers }
    })
    if (accepted.size > 0) await offsets.commit({ group: groupId, topics: accepted })
    return { topics }
  }
  return (request) =>
    answer(
      () => commit(request),
      (errorCode) => ({
        topics: request.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
        })),
      }),
    )
}

/**
 * @param {boolean} exists
 * @param {string} metadata
 */
function commitError(exists, metadata) {
  if (!exists) return ERROR.UNKNOWN_TOPIC_OR_PARTITION
  return Buffer.byteLength(metadata) > MAX_METADATA_BYTES ? ERROR.OFFSET_METADATA_TOO_LARGE : ERROR.NONE
}

/**
 * Each partition is answered once, however often it is asked for: a small request must not make a large answer.
 *
 * @param {GroupOptions['offsets']} offsets
 * @returns {Handler<'OffsetFetch'>}
 */
function offsetFetch(offsets) {
  return async ({ groupId, topics }) => {
    const committed = offsets.of(groupId)
    /** @type {Map<string, Set<number>>} */
    const asked = new Map()
    if (topics === null) for (const [name, partitions] of committed) asked.set(name, new Set(partitions.keys()))
    for (const { name, partitionIndexes } of topics ?? []) {
      const indexes = asked.get(name) ?? new Set()
      for (const index of partitionIndexes) indexes.add(index)
      asked.set(name, indexes)
    }
    const answers = Array.from(asked, ([name, indexes]) => {
      const known = committed.get(name)
      return { name, partitions: Array.from(indexes, (index) => fetchedOffset(index, known?.get(index))) }
    })
    return { topics: answers, errorCode: ERROR.NONE }
  }
}

/**
 * @param {number} partitionIndex
 * @param {Committed | undefined} committed
 */
function fetchedOffset(partitionIndex, committed) {
  const { offset = -1n, leaderEpoch = -1, metadata = '' } = committed ?? {}
  const fields = { committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata }
  return { partitionIndex, ...fields, errorCode: ERROR.NONE }
}

/**
 * @param {GroupCoordinator} coordinator
 * @param {GroupOptions['offsets']} offsets
 * @returns {Handler<'DescribeGroups'>}
 */
function describeGroups(coordinator, offsets) {
  return async ({ groups }) => {
    const described = Array.from(new Set(groups), (groupId) => {
      const withoutMembers = { protocolType: '', protocolData: '', members: [] }
      const groupState = offsets.of(groupId).size > 0 ? 'Empty' : 'Dead'
      const group = coordinator.describe(groupId) ?? { groupState, ...withoutMembers }
      return { errorCode: ERROR.NONE, groupId, ...group }
    })
    return { groups: described }
  }
}

/**
 * @param {GroupCoordinator} coordinator
 * @param {GroupOptions['offsets']} offsets
 * @returns {Handler<'ListGroups'>}
 */
function listGroups(coordinator, offsets) {
  return async () => {
    const types = new Map(Array.from(offsets.groups, (groupId) => [groupId, '']))
    for (const [groupId, { protocolType }] of coordinator.groups) types.set(groupId, protocolType)
    return {
      errorCode: ERROR.NONE,
      groups: Array.from(types, ([groupId, protocolType]) => ({ groupId, protocolType })),
    }
  }
}

/**
 * @template Response
 * @param {() => Promise<Response> | Response} act
 * @param {(errorCode: ErrorCode) => Response} refused
 * @returns {Promise<Response>}
 */
async function answer(act, refused) {
  try {
    return await act()
  } catch (error) {
    if (error instanceof Refusal) return refused(error.errorCode)
    throw error
  }
}
