/** Consumer groups on a clock that only the test moves, and requests as clients send them. */
import { ManualClock } from '@sq/sim'
import { AnswerMemory } from '../answer-memory.js'
import { ERROR } from '../protocol/errors.js'
import { GroupCoordinator } from './coordinator.js'
import { joinRefused } from './group.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('./coordinator.js').Context} Context */
/** @typedef {import('./coordinator.js').GroupLimits} GroupLimits */
/** @typedef {import('./member.js').JoinRequest} JoinRequest */
/** @typedef {import('./member.js').JoinResponse} JoinResponse */
/** @typedef {import('./member.js').SyncResponse} SyncResponse */

export const DELAY_MS = 3000
export const SESSION_MS = 10_000
export const REBALANCE_MS = 60_000

/**
 * A request, its response once there is one, and what closes its connection.
 *
 * @template Response
 * @typedef {{ response: Response | null, disconnect: () => void }} Call
 */

export class GroupFixture {
  clock = new ManualClock()
  #ids = 0

  /** @param {Partial<GroupLimits>} [limits] */
  constructor(limits = {}) {
    this.coordinator = new GroupCoordinator({
      clock: this.clock,
      newMemberId: (prefix) => `${prefix}-${++this.#ids}`,
      initialRebalanceDelayMs: DELAY_MS,
      ...limits,
    })
  }

  /**
   * Sends a JoinGroup, of version 3 unless it is given: the member needs no second request.
   *
   * @param {Partial<JoinRequest> & { version?: number, clientId?: string }} [fields]
   * @returns {Call<JoinResponse>}
   */
  join({ version = 3, clientId = 'c', ...fields } = {}) {
    const request = {
      groupId: 'g',
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
      ...fields,
    }
    return send({ version, clientId }, (context) => this.coordinator.join(request, context), joinRefused)
  }

  /**
   * @param {{ memberId: string, generationId?: number, groupInstanceId?: string | null, groupId?: string }} member
   * @param {Record<string, string>} [assignments] of the leader
   * @returns {Call<SyncResponse>}
   */
  sync({ memberId, generationId = 1, groupInstanceId = null, groupId = 'g' }, assignments = {}) {
    const assigned = Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) }))
    const request = { groupId, memberId, generationId, groupInstanceId, assignments: assigned }
    return send({ version: 3, clientId: 'c' }, (context) => this.coordinator.sync(request, context), syncRefused)
  }

  /**
   * The name of the error that a heartbeat is answered with.
   *
   * @param {{ memberId: string, generationId?: number, groupInstanceId?: string | null }} member
   */
  heartbeat({ memberId, generationId = 1, groupInstanceId = null }) {
    const request = { groupId: 'g', memberId, generationId, groupInstanceId }
    return errorOf(() => this.coordinator.heartbeat(request))
  }

  /**
   * The name of the error that a commit is answered with.
   *
   * @param {{ memberId?: string, generationId?: number, groupInstanceId?: string | null }} member
   */
  commit({ memberId = '', generationId = -1, groupInstanceId = null }) {
    const request = { groupId: 'g', memberId, generationId, groupInstanceId }
    return errorOf(() => this.coordinator.checkCommit(request))
  }

  /**
   * The name of the error for each member that leaves.
   *
   * @param {{ memberId?: string, groupInstanceId?: string | null }[]} members
   */
  leave(...members) {
    const identities = members.map(({ memberId = '', groupInstanceId = null }) => ({ memberId, groupInstanceId }))
    return this.coordinator.leave('g', identities).map(nameOf)
  }

  /** The state of the group. */
  get state() {
    return this.coordinator.describe('g')?.groupState ?? 'Dead'
  }

  /**
   * A group in its first generation, with members of these clients; their assignments are the ids themselves.
   *
   * @param {{ clients?: number, fields?: (at: number) => Parameters<GroupFixture['join']>[0] }} options
   */
  async stable({ clients = 2, fields = () => ({}) } = {}) {
    const joins = Array.from({ length: clients }, (_, at) => this.join(fields(at)))
    await this.pass(2 * DELAY_MS)
    const responses = joins.map(responseOf)
    const ids = responses.map(({ memberId }) => memberId)
    const leaderId = responses[0]?.leader ?? ''
    const assignments = Object.fromEntries(ids.map((id) => [id, id]))
    for (const memberId of ids) this.sync({ memberId }, memberId === leaderId ? assignments : {})
    await this.pass(0)
    return { ids, leaderId, followerId: ids.find((id) => id !== leaderId) ?? '' }
  }

  /**
   * Lets time pass, and everything happen that follows.
   *
   * @param {number} ms
   */
  async pass(ms) {
    this.clock.advance(ms)
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
  }

  /**
   * Lets time pass in which members send heartbeats.
   *
   * @param {number} ms
   * @param {{ memberId: string, generationId?: number, groupInstanceId?: string | null }[]} members
   */
  async passAlive(ms, members) {
    for (let leftMs = ms; leftMs > 0; leftMs -= SESSION_MS / 2) {
      for (const member of members) this.heartbeat(member)
      await this.pass(Math.min(leftMs, SESSION_MS / 2))
    }
  }
}

/**
 * The response of a call, which must be there.
 *
 * @template Response
 * @param {Call<Response> | undefined} call
 */
export function responseOf(call) {
  if (call === undefined || call.response === null) throw new Error('the call waits for its answer')
  return call.response
}

/**
 * The name of the error of a response, `NONE` for one without error, and `waits` if there is none yet.
 *
 * @param {Call<{ errorCode: number }>} call
 */
export function errorIn({ response }) {
  return response === null ? 'waits' : nameOf(response.errorCode)
}

/** @param {number} errorCode */
function nameOf(errorCode) {
  return Object.entries(ERROR).find(([, code]) => code === errorCode)?.[0] ?? String(errorCode)
}

/** @param {() => void} act */
function errorOf(act) {
  try {
    act()
    return 'NONE'
  } catch (error) {
    if (error instanceof Refusal) return nameOf(error.errorCode)
    throw error
  }
}

/** @param {Refusal['errorCode']} errorCode */
function syncRefused(errorCode) {
  return { errorCode, assignment: Buffer.alloc(0) }
}

/**
 * @template Response
 * @param {{ version: number, clientId: string }} client
 * @param {(context: Context) => Promise<Response> | Response} act
 * @param {(errorCode: Refusal['errorCode']) => Response} refused
 */
function send(client, act, refused) {
  const connection = new AbortController()
  /** @type {Call<Response>} */
  const call = { response: null, disconnect: () => connection.abort() }
  const reservation = new AnswerMemory(Infinity).reservation()
  const answer = async () => act({ ...client, clientHost: '127.0.0.1', signal: connection.signal, reservation })
  answer().then(
    (response) => (call.response = response),
    (error) => {
      if (!(error instanceof Refusal)) throw error
      call.response = refused(error.errorCode)
    },
  )
  return call
}
