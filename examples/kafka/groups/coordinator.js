/**
 * All consumer groups. They are in memory only: after a restart their members find out that nobody knows them, and join
 * again. What they take is bounded, whatever the requests are.
 */
import { ERROR } from '../protocol/errors.js'
import { Budget } from './budget.js'
import { Group } from './group.js'
import { memberBytes } from './member.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../protocol/calls.js').Context} Context */
/** @typedef {import('../protocol/calls.js').Request<'SyncGroup'>} SyncRequest */
/** @typedef {import('./group.js').Identity} Identity */
/** @typedef {import('./member.js').JoinRequest} JoinRequest */

/**
 * @typedef {object} GroupLimits
 * @property {number} minSessionTimeoutMs
 * @property {number} maxSessionTimeoutMs
 * @property {number} initialRebalanceDelayMs how long the first member of a group waits for more to join
 * @property {number} maxGroupMembers of one group, including ids that were handed out
 * @property {number} maxMemberBytes of the metadata of one member, and of its assignment
 * @property {number} maxGroupBytes of all groups: about what they take in memory
 */

/** @type {GroupLimits} */
const DEFAULTS = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 3000,
  maxGroupMembers: 1000,
  maxMemberBytes: 256 * 1024,
  maxGroupBytes: 64 * 1024 * 1024,
}

const MAX_GROUP_ID_CHARACTERS = 255
/** What a group takes without its members. */
const GROUP_BYTES = 2048

export class GroupCoordinator {
  #limits
  #settings
  #isClosed = false
  /** @type {Map<string, Group>} */
  #groups = new Map()

  /**
   * @param {{ clock: import('@sq/sim').Clock, newMemberId: (prefix: string) => string } & Partial<GroupLimits>} options
   */
  constructor(options) {
    this.#limits = { ...DEFAULTS, ...options }
    this.#settings = { ...this.#limits, budget: new Budget(this.#limits.maxGroupBytes) }
  }

  /** The groups that have members, or will have them soon. */
  get groups() {
    return this.#groups.entries()
  }

  /** About what more the groups may take in memory. */
  get bytesLeft() {
    return this.#settings.budget.bytesLeft
  }

  /**
   * Resolves once the group has begun a generation with the member. Throws a `Refusal`.
   *
   * @param {JoinRequest} request
   * @param {Context} context
   */
  join(request, context) {
    const { groupId, memberId, sessionTimeoutMs } = request
    this.#check(groupId)
    const { minSessionTimeoutMs, maxSessionTimeoutMs, maxMemberBytes } = this.#limits
    const isTimeout = sessionTimeoutMs >= minSessionTimeoutMs && sessionTimeoutMs <= maxSessionTimeoutMs
    if (!isTimeout)
      throw new Refusal(ERROR.INVALID_SESSION_TIMEOUT, `a session timeout of ${sessionTimeoutMs} ms is not allowed`)
    if (memberBytes(memberId, request, context) > maxMemberBytes)
      throw new Refusal(ERROR.INVALID_REQUEST, 'the metadata of the member is too large')
    if (context.signal.aborted) throw new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, 'the connection is closed')
    const group = memberId === '' ? this.#groupForNewMember(groupId) : this.#existing(groupId)
    return group.join(request, context)
  }

  /**
   * @param {SyncRequest} request
   * @param {Context} context
   */
  sync(request, context) {
    this.#check(request.groupId)
    if (context.signal.aborted) throw new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, 'the connection is closed')
    return this.#existing(request.groupId).sync(request, context)
  }

  /** @param {Identity & { groupId: string, generationId: number }} request */
  heartbeat(request) {
    this.#check(request.groupId)
    this.#existing(request.groupId).heartbeat(request)
  }

  /**
   * Answers with an error code for each member.
   *
   * @param {string} groupId
   * @param {readonly Identity[]} members
   */
  leave(groupId, members) {
    this.#check(groupId)
    return this.#existing(groupId).leave(members)
  }

  /**
   * Throws a `Refusal` unless the group takes this commit of offsets now.
   *
   * @param {Identity & { groupId: string, generationId: number }} request
   */
  checkCommit(request) {
    this.#check(request.groupId)
    const group = this.#groups.get(request.groupId)
    if (group !== undefined) group.checkCommit(request)
    else if (request.generationId >= 0) throw new Refusal(ERROR.ILLEGAL_GENERATION, 'the group has no members')
  }

  /**
   * The group; undefined if it has no members.
   *
   * @param {string} groupId
   */
  describe(groupId) {
    return this.#groups.get(groupId)?.describe()
  }

  /** Answers all requests that wait, and refuses all that follow. */
  close() {
    this.#isClosed = true
    for (const group of this.#groups.values()) group.close()
  }

  /** @param {string} groupId */
  #check(groupId) {
    if (this.#isClosed) throw new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, 'the broker stops')
    const isValid = groupId !== '' && groupId.length <= MAX_GROUP_ID_CHARACTERS
    if (!isValid)
      throw new Refusal(
        ERROR.INVALID_GROUP_ID,
        `a group id has 1 to ${MAX_GROUP_ID_CHARACTERS} characters, not ${groupId.length}`,
      )
  }

  /** @param {string} groupId */
  #existing(groupId) {
    const group = this.#groups.get(groupId)
    if (group === undefined) throw new Refusal(ERROR.UNKNOWN_MEMBER_ID, 'the group has no members')
    return group
  }

  /** @param {string} groupId */
  #groupForNewMember(groupId) {
    const existing = this.#groups.get(groupId)
    if (existing !== undefined) return existing
    const { budget } = this.#settings
    if (!budget.take(GROUP_BYTES))
      throw new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, 'there is no memory for another group')
    const group = new Group(this.#settings, () => {
      this.#groups.delete(groupId)
      budget.release(GROUP_BYTES)
    })
    this.#groups.set(groupId, group)
    return group
  }
}
