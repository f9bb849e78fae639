/**
 * One consumer group, as the members see it: they join, the leader among them assigns the work, all fetch their
 * assignment with SyncGroup, and everything begins again when the members change. Each round is a generation.
 *
 *     Empty ---------------> PreparingRebalance: waits until all members have sent JoinGroup
 *       ^ first member           |      ^
 *       |                        v      | a member joins, leaves or is not heard of
 *       |                  CompletingRebalance: waits for the assignments, which the leader sends with its SyncGroup
 *       | the last               |      ^
 *       | member is gone         v      | the same
 *       +------------------- Stable ----+
 *
 * A group without members is Empty as long as ids that were handed out may still join, and then Dead: forgotten.
 * Members that do not answer in time are removed, so no request waits for ever.
 */
import { ERROR } from '../protocol/errors.js'
import { copyOf, Member, memberBytes, MEMBER_ID_REQUIRED_VERSION, NO_BYTES } from './member.js'
import { PendingIds } from './pending-ids.js'
import { Protocols } from './protocols.js'
import { Refusal } from '../refusal.js'
import { WaitingCall } from './waiting-call.js'

/** @typedef {import('../protocol/calls.js').Context} Context */
/** @typedef {import('../protocol/calls.js').Request<'SyncGroup'>} SyncRequest */
/** @typedef {import('./member.js').JoinRequest} JoinRequest */
/** @typedef {import('./member.js').JoinResponse} JoinResponse */
/** @typedef {import('./member.js').SyncResponse} SyncResponse */
/** @typedef {import('../protocol/errors.js').ErrorCode} ErrorCode */
/** @typedef {'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'} State */
/** @typedef {{ memberId: string, groupInstanceId: string | null }} Identity */

/**
 * @typedef {object} GroupSettings
 * @property {import('@sq/sim').Clock} clock
 * @property {import('./budget.js').Budget} budget
 * @property {number} initialRebalanceDelayMs how long the first member waits for more to join
 * @property {number} maxGroupMembers including the ids that were handed out
 * @property {number} maxMemberBytes of an assignment
 * @property {(prefix: string) => string} newMemberId an id that was never given before
 */

const MAX_GENERATION = 2 ** 31 - 1

export class Group {
  #settings
  #onDead
  /** @type {State} */
  #state = 'Empty'
  #generation = 0
  /** The kind of the group, such as `consumer`. */
  #protocolType = ''
  /** The protocol of assignment of this generation. */
  #protocol = ''
  #leaderId = ''
  /** @type {Map<string, Member>} */
  #members = new Map()
  /** The ids of the static members by their `group.instance.id`. @type {Map<string, string>} */
  #instances = new Map()
  #pending
  #protocols = new Protocols()
  /** The members that have sent JoinGroup in this rebalance. @type {Set<Member>} */
  #joining = new Set()
  /** The members that have not sent SyncGroup in this generation. @type {Set<Member>} */
  #unsynced = new Set()
  /** Whether this is the rebalance of a group that was empty, which takes a while whatever happens. */
  #isInitial = false
  #hasGrown = false
  /** Cancels the end of the time for joining or for syncing. @type {(() => void) | null} */
  #cancelPhase = null

  /**
   * @param {GroupSettings} settings
   * @param {() => void} onDead called when the group is to be forgotten
   */
  constructor(settings, onDead) {
    this.#settings = settings
    this.#onDead = onDead
    this.#pending = new PendingIds(settings, () => this.#continueWithoutPending())
  }

  get state() {
    return this.#state
  }

  get protocolType() {
    return this.#protocolType
  }

  /**
   * Resolves when the generation begins that the member takes part in. Throws a `Refusal`; a request that must be
   * refused while it waits is answered with the error code.
   *
   * @param {JoinRequest} request
   * @param {Context} context
   */
  join(request, context) {
    try {
      return this.#admit(request, context)
    } finally {
      this.#endIfUnused()
    }
  }

  /**
   * @param {JoinRequest} request
   * @param {Context} context
   * @returns {Promise<JoinResponse> | JoinResponse}
   */
  #admit(request, context) {
    const { memberId, groupInstanceId, protocolType, protocols } = request
    const isFirst = this.#members.size === 0
    if (protocolType === '' || (!isFirst && protocolType !== this.#protocolType)) refuse('INCONSISTENT_GROUP_PROTOCOL')
    if (!protocols.some(({ name }) => isFirst || this.#protocols.isShared(name))) refuse('INCONSISTENT_GROUP_PROTOCOL')
    if (memberId !== '') return this.#admitKnown(request, context)
    const replaced = this.#staticMember(groupInstanceId)
    if (replaced !== null) return this.#replace(replaced, request, context)
    if (this.#members.size + this.#pending.size >= this.#settings.maxGroupMembers) refuse('GROUP_MAX_SIZE_REACHED')
    const id = this.#settings.newMemberId(groupInstanceId ?? context.clientId ?? '')
    const needsId = groupInstanceId === null && context.version >= MEMBER_ID_REQUIRED_VERSION
    if (!needsId) return this.#add(id, request, context)
    if (!this.#pending.add(id, request.sessionTimeoutMs)) refuse('COORDINATOR_NOT_AVAILABLE')
    return { ...joinRefused(ERROR.MEMBER_ID_REQUIRED), memberId: id }
  }

  /**
   * @param {JoinRequest} request
   * @param {Context} context
   */
  #admitKnown(request, context) {
    const { memberId, groupInstanceId } = request
    if (groupInstanceId === null && this.#pending.has(memberId)) return this.#add(memberId, request, context)
    const member = this.#identified(request)
    // A leader that joins again asks for a rebalance. Others that have not changed missed an answer.
    const isSettled = this.#state === 'Stable' && memberId !== this.#leaderId
    if ((isSettled || this.#state === 'CompletingRebalance') && member.hasSameProtocols(request)) {
      this.#restartSession(member)
      return this.#joinResponse(member)
    }
    this.#update(member, request, context)
    return this.#waitToJoin(member, context)
  }

  /**
   * @param {string} id
   * @param {JoinRequest} request
   * @param {Context} context
   */
  #add(id, request, context) {
    const bytes = memberBytes(id, request, context)
    this.#pay(bytes)
    this.#pending.delete(id)
    const member = new Member(id, request, context)
    member.update(request, bytes)
    this.#enter(member)
    this.#protocolType = request.protocolType
    this.#hasGrown = true
    return this.#waitToJoin(member, context)
  }

  /** @param {Member} member */
  #enter(member) {
    this.#members.set(member.id, member)
    if (member.instanceId !== null) this.#instances.set(member.instanceId, member.id)
    this.#protocols.add(member)
  }

  /**
   * @param {Member} member
   * @param {JoinRequest} request
   * @param {Context} context
   */
  #update(member, request, context) {
    const bytes = memberBytes(member.id, request, context)
    this.#pay(bytes)
    this.#settings.budget.release(member.bytes)
    this.#protocols.remove(member)
    member.update(request, bytes)
    this.#protocols.add(member)
  }

  /**
   * A static member that was restarted gets a new id, and the work that it had. Its old id is fenced.
   *
   * @param {Member} old
   * @param {JoinRequest} request
   * @param {Context} context
   */
  #replace(old, request, context) {
    const id = this.#settings.newMemberId(request.groupInstanceId ?? '')
    const bytes = memberBytes(id, request, context)
    this.#pay(bytes)
    const leaderId = this.#leaderId
    this.#remove(old, ERROR.FENCED_INSTANCE_ID)
    const member = new Member(id, request, context)
    member.update(request, bytes)
    this.#assign(member, old.assignment)
    this.#enter(member)
    if (leaderId === old.id) this.#leaderId = id
    if (this.#state !== 'Stable' || this.#protocols.select(this.#members.values()) !== this.#protocol) {
      return this.#waitToJoin(member, context)
    }
    this.#restartSession(member)
    // With the old id of the leader, so that a leader that is back does not assign again.
    return { ...this.#joinResponse(member), leader: leaderId, members: [] }
  }

  /**
   * Begins a rebalance with this member, or goes on with the one that has begun.
   *
   * @param {Member} member
   * @param {Context} context
   */
  #waitToJoin(member, { signal }) {
    member.endSession()
    member.join?.answer(joinRefused(ERROR.REBALANCE_IN_PROGRESS))
    /** @type {WaitingCall<JoinResponse>} */
    const call = new WaitingCall(signal, () => this.#abandonJoin(member))
    member.join = call
    this.#joining.add(member)
    this.#rebalance()
    return call.answered
  }

  /**
   * The connection of a member that waits to join is closed. It may come back in time, if it knows its id.
   *
   * @param {Member} member
   */
  #abandonJoin(member) {
    this.#joining.delete(member)
    this.#answerJoin(member, joinRefused(ERROR.REBALANCE_IN_PROGRESS))
    if (member.canReturn) return
    this.#remove(member)
    this.#continueWithout()
  }

  #rebalance() {
    if (this.#state === 'PreparingRebalance') return this.#continueJoining()
    for (const member of this.#members.values()) {
      this.#answerSync(member, { errorCode: ERROR.REBALANCE_IN_PROGRESS, assignment: NO_BYTES })
    }
    this.#endPhase()
    this.#isInitial = this.#state === 'Empty'
    this.#state = 'PreparingRebalance'
    if (this.#isInitial) this.#waitForMore(this.#settings.clock.monotonic() + this.#rebalanceTimeoutMs())
    else this.#continueJoining()
  }

  /**
   * The first members wait a moment, and again after each that joins, so that a group that starts with many members
   * does not rebalance for each of them.
   *
   * @param {number} endMs
   */
  #waitForMore(endMs) {
    const leftMs = endMs - this.#settings.clock.monotonic()
    this.#hasGrown = false
    this.#beginPhase(Math.max(Math.min(this.#settings.initialRebalanceDelayMs, leftMs), 0), () => {
      if (this.#hasGrown && endMs > this.#settings.clock.monotonic()) this.#waitForMore(endMs)
      else this.#completeJoining()
    })
  }

  #continueJoining() {
    if (this.#isInitial) return
    if (this.#joining.size === this.#members.size && this.#pending.size === 0) return this.#completeJoining()
    if (this.#cancelPhase === null) this.#beginPhase(this.#rebalanceTimeoutMs(), () => this.#completeJoining())
  }

  /** Begins the next generation, with the members that have joined and static ones that are still away. */
  #completeJoining() {
    this.#endPhase()
    this.#isInitial = false
    for (const member of this.#members.values()) {
      if (!this.#joining.has(member) && member.instanceId === null) this.#remove(member)
    }
    if (this.#members.size === 0) return this.#becomeEmpty()
    const [first] = this.#joining
    // Only static members, and all are away: the first that comes back starts the time again.
    if (first === undefined) return
    this.#generation = this.#generation === MAX_GENERATION ? 1 : this.#generation + 1
    this.#protocol = this.#protocols.select(this.#members.values())
    const leader = this.#members.get(this.#leaderId)
    this.#leaderId = leader !== undefined && this.#joining.has(leader) ? leader.id : first.id
    this.#state = 'CompletingRebalance'
    for (const member of this.#members.values()) {
      this.#assign(member, NO_BYTES)
      this.#unsynced.add(member)
    }
    for (const member of this.#joining) this.#answerJoin(member, this.#joinResponse(member))
    this.#joining.clear()
    this.#beginPhase(this.#rebalanceTimeoutMs(), () => this.#removeUnsynced())
  }

  #removeUnsynced() {
    this.#endPhase()
    for (const member of this.#unsynced) this.#remove(member)
    this.#continueWithout()
  }

  /**
   * Resolves with the assignment of the generation, once the leader has sent it. Throws a `Refusal`.
   *
   * @param {SyncRequest} request
   * @param {Context} context
   * @returns {Promise<SyncResponse> | SyncResponse}
   */
  sync(request, { signal }) {
    const member = this.#current(request)
    if (this.#state === 'PreparingRebalance') refuse('REBALANCE_IN_PROGRESS')
    if (this.#state === 'CompletingRebalance' && member.id === this.#leaderId) this.#takeAssignments(request)
    this.#unsynced.delete(member)
    if (this.#state === 'Stable') {
      if (this.#unsynced.size === 0) this.#endPhase()
      this.#restartSession(member)
      return { errorCode: ERROR.NONE, assignment: member.assignment }
    }
    member.endSession()
    const closed = { errorCode: ERROR.REBALANCE_IN_PROGRESS, assignment: NO_BYTES }
    member.sync?.answer(closed)
    /** @type {WaitingCall<SyncResponse>} */
    const call = new WaitingCall(signal, () => this.#answerSync(member, closed))
    member.sync = call
    return call.answered
  }

  /** @param {SyncRequest} request */
  #takeAssignments({ assignments }) {
    /** @type {Map<Member, Uint8Array>} */
    const assigned = new Map()
    for (const { memberId, assignment } of assignments) {
      const member = this.#members.get(memberId)
      if (assignment.length > this.#settings.maxMemberBytes) refuse('INVALID_REQUEST')
      if (member !== undefined) assigned.set(member, assignment)
    }
    let bytes = 0
    for (const assignment of assigned.values()) bytes += assignment.length
    if (bytes > this.#settings.budget.bytesLeft) refuse('COORDINATOR_NOT_AVAILABLE')
    for (const [member, assignment] of assigned) this.#assign(member, assignment)
    this.#state = 'Stable'
    for (const member of this.#members.values()) {
      this.#answerSync(member, { errorCode: ERROR.NONE, assignment: member.assignment })
    }
  }

  /**
   * The caller has made sure that the bytes fit.
   *
   * @param {Member} member
   * @param {Uint8Array} assignment
   */
  #assign(member, assignment) {
    this.#settings.budget.release(member.assignment.length)
    this.#settings.budget.take(assignment.length)
    member.assignment = copyOf(assignment)
  }

  /**
   * Throws a `Refusal` if the member is not one of this generation, or must join again.
   *
   * @param {Identity & { generationId: number }} request
   */
  heartbeat(request) {
    this.#restartSession(this.#current(request))
    if (this.#state === 'PreparingRebalance') refuse('REBALANCE_IN_PROGRESS')
  }

  /**
   * Throws a `Refusal` unless this member may commit offsets now. Generation -1 without a member id is a commit by
   * hand, which only a group without members takes.
   *
   * @param {Identity & { generationId: number }} request
   */
  checkCommit(request) {
    const { generationId, memberId, groupInstanceId } = request
    if (generationId < 0 && this.#members.size === 0) return
    if (generationId < 0 && memberId === '' && groupInstanceId === null) refuse('UNKNOWN_MEMBER_ID')
    const member = this.#current(request)
    if (this.#state === 'CompletingRebalance') refuse('REBALANCE_IN_PROGRESS')
    this.#restartSession(member)
  }

  /**
   * Removes members, and answers with an error code for each. An operator names a static member by its instance alone.
   *
   * @param {readonly Identity[]} identities
   */
  leave(identities) {
    const membersBefore = this.#members.size
    const errorCodes = identities.map((identity) => {
      if (this.#pending.delete(identity.memberId)) return ERROR.NONE
      try {
        const byInstance = identity.memberId === '' ? this.#staticMember(identity.groupInstanceId) : null
        this.#remove(byInstance ?? this.#identified(identity))
        return ERROR.NONE
      } catch (error) {
        if (error instanceof Refusal) return error.errorCode
        throw error
      }
    })
    if (this.#members.size < membersBefore) this.#continueWithout()
    else this.#continueWithoutPending()
    return errorCodes
  }

  /** The state, the protocol and the members, as DescribeGroups shows them: what they have only while it is stable. */
  describe() {
    const isStable = this.#state === 'Stable'
    const members = [...this.#members.values()].map(({ id, clientId, clientHost, protocols, assignment }) => {
      const metadata = protocols.get(this.#protocol) ?? NO_BYTES
      const shown = {
        memberMetadata: isStable ? metadata : NO_BYTES,
        memberAssignment: isStable ? assignment : NO_BYTES,
      }
      return { memberId: id, clientId, clientHost, ...shown }
    })
    const protocolData = isStable ? this.#protocol : ''
    return { groupState: this.#state, protocolType: this.#protocolType, protocolData, members }
  }

  /** Answers all requests that wait with an error, and ends the group. */
  close() {
    this.#pending.clear()
    for (const member of this.#members.values()) this.#remove(member, ERROR.COORDINATOR_NOT_AVAILABLE)
    this.#becomeEmpty()
  }

  /**
   * Removes a member. Whether that changes the work of the others is up to the caller.
   *
   * @param {Member} member
   * @param {ErrorCode} errorCode for a request of it that waits
   */
  #remove(member, errorCode = ERROR.UNKNOWN_MEMBER_ID) {
    this.#members.delete(member.id)
    if (member.instanceId !== null) this.#instances.delete(member.instanceId)
    this.#protocols.remove(member)
    this.#joining.delete(member)
    this.#unsynced.delete(member)
    this.#answerJoin(member, joinRefused(errorCode))
    this.#answerSync(member, { errorCode, assignment: NO_BYTES })
    member.endSession()
    this.#settings.budget.release(member.bytes + member.assignment.length)
  }

  /** After members are gone: those that are left share the work again. */
  #continueWithout() {
    if (this.#members.size === 0) this.#becomeEmpty()
    else this.#rebalance()
  }

  /** After ids are gone that had been handed out: a rebalance may have waited for them. */
  #continueWithoutPending() {
    if (this.#members.size === 0) this.#endIfUnused()
    else if (this.#state === 'PreparingRebalance') this.#continueJoining()
  }

  #becomeEmpty() {
    this.#endPhase()
    this.#state = 'Empty'
    this.#isInitial = false
    this.#protocolType = ''
    this.#protocol = ''
    this.#endIfUnused()
  }

  #endIfUnused() {
    if (this.#members.size > 0 || this.#pending.size > 0 || this.#state === 'Dead') return
    this.#state = 'Dead'
    this.#onDead()
  }

  /**
   * The member of a request. Throws a `Refusal` if there is none, or if a newer one has taken its instance id.
   *
   * @param {Identity} identity
   */
  #identified({ memberId, groupInstanceId }) {
    const id = groupInstanceId === null ? memberId : this.#instances.get(groupInstanceId)
    const member = this.#members.get(id ?? '')
    if (member === undefined) return refuse('UNKNOWN_MEMBER_ID')
    return member.id === memberId ? member : refuse('FENCED_INSTANCE_ID')
  }

  /**
   * The same, for a request that is valid in one generation only.
   *
   * @param {Identity & { generationId: number }} request
   */
  #current(request) {
    const member = this.#identified(request)
    return request.generationId === this.#generation ? member : refuse('ILLEGAL_GENERATION')
  }

  /** @param {string | null} instanceId */
  #staticMember(instanceId) {
    const id = instanceId === null ? undefined : this.#instances.get(instanceId)
    return this.#members.get(id ?? '') ?? null
  }

  /**
   * @param {Member} member
   * @returns {JoinResponse}
   */
  #joinResponse(member) {
    const leader = this.#leaderId
    const members = [...(member.id === leader ? this.#members.values() : [])].map(({ id, instanceId, protocols }) => {
      return { memberId: id, groupInstanceId: instanceId, metadata: protocols.get(this.#protocol) ?? NO_BYTES }
    })
    const { id: memberId } = member
    const generation = { generationId: this.#generation, protocolName: this.#protocol, leader }
    return { errorCode: ERROR.NONE, ...generation, memberId, members }
  }

  /**
   * @param {Member} member
   * @param {JoinResponse} response
   */
  #answerJoin(member, response) {
    if (member.join === null) return
    member.join.answer(response)
    member.join = null
    this.#restartSession(member)
  }

  /**
   * @param {Member} member
   * @param {SyncResponse} response
   */
  #answerSync(member, response) {
    if (member.sync === null) return
    member.sync.answer(response)
    member.sync = null
    this.#restartSession(member)
  }

  /**
   * A member must be heard of again within its session timeout, unless the group owes it an answer.
   *
   * @param {Member} member
   */
  #restartSession(member) {
    member.endSession()
    if (member.isWaiting) return
    member.endSession = this.#settings.clock.setTimer(member.sessionTimeoutMs, () => {
      this.#remove(member)
      this.#continueWithout()
    })
  }

  /** The longest of all members. */
  #rebalanceTimeoutMs() {
    let longestMs = 0
    for (const { rebalanceTimeoutMs } of this.#members.values()) longestMs = Math.max(longestMs, rebalanceTimeoutMs)
    return longestMs
  }

  /**
   * @param {number} timeoutMs
   * @param {() => void} onEnd
   */
  #beginPhase(timeoutMs, onEnd) {
    this.#endPhase()
    this.#cancelPhase = this.#settings.clock.setTimer(timeoutMs, onEnd)
  }

  #endPhase() {
    this.#cancelPhase?.()
    this.#cancelPhase = null
  }

  /** @param {number} bytes */
  #pay(bytes) {
    if (!this.#settings.budget.take(bytes)) refuse('COORDINATOR_NOT_AVAILABLE')
  }
}

/**
 * @param {ErrorCode} errorCode
 * @returns {JoinResponse}
 */
export function joinRefused(errorCode) {
  return { errorCode, generationId: -1, protocolName: '', leader: '', memberId: '', members: [] }
}

/**
 * @param {keyof typeof ERROR} name
 * @returns {never}
 */
function refuse(name) {
  throw new Refusal(ERROR[name], `the group answers ${name}`)
}
