/** A member of a group, and what it takes in memory. */

/** @typedef {import('../protocol/calls.js').Context} Context */
/** @typedef {import('../protocol/calls.js').Request<'JoinGroup'>} JoinRequest */
/** @typedef {import('../protocol/calls.js').Response<'JoinGroup'>} JoinResponse */
/** @typedef {import('../protocol/calls.js').Response<'SyncGroup'>} SyncResponse */

export const NO_BYTES = Buffer.alloc(0)

/** Estimates of what the objects themselves take. */
export const MEMBER_BYTES = 1024
const PROTOCOL_BYTES = 256
const BYTES_PER_CHARACTER = 2

export class Member {
  /** The JoinGroup or SyncGroup of this member that waits for the others. */
  /** @type {import('./waiting-call.js').WaitingCall<JoinResponse> | null} */
  join = null
  /** @type {import('./waiting-call.js').WaitingCall<SyncResponse> | null} */
  sync = null
  /** What the leader assigned to it in this generation. */
  assignment = NO_BYTES
  /** Ends the time in which it must be heard of. */
  endSession = () => {}
  /** The metadata for each protocol, in the order of its preference. @type {Map<string, Buffer>} */
  protocols = new Map()
  sessionTimeoutMs = 0
  rebalanceTimeoutMs = 0
  bytes = 0

  /**
   * @param {string} id
   * @param {JoinRequest} request
   * @param {Context} context
   */
  constructor(id, request, { clientId, clientHost, version }) {
    this.id = id
    this.instanceId = request.groupInstanceId
    this.clientId = clientId ?? ''
    this.clientHost = clientHost
    /** Whether it can come back if its connection breaks before its first answer. */
    this.canReturn = version >= MEMBER_ID_REQUIRED_VERSION || request.groupInstanceId !== null
  }

  /** While it waits, it needs no heartbeats. */
  get isWaiting() {
    return this.join !== null || this.sync !== null
  }

  /**
   * Takes over what a JoinGroup says. The bytes are copied, because those of the request are part of a larger buffer.
   *
   * @param {JoinRequest} request
   * @param {number} bytes
   */
  update({ memberId, protocols, sessionTimeoutMs, rebalanceTimeoutMs }, bytes) {
    this.canReturn ||= memberId !== ''
    this.bytes = bytes
    this.sessionTimeoutMs = sessionTimeoutMs
    // Version 0 has only one of both.
    this.rebalanceTimeoutMs = rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs
    this.protocols = new Map(protocols.map(({ name, metadata }) => [name, copyOf(metadata)]))
  }

  /** @param {JoinRequest} request */
  hasSameProtocols({ protocols }) {
    const known = [...this.protocols]
    if (known.length !== protocols.length) return false
    return protocols.every(({ name, metadata }, at) => known[at]?.[0] === name && known[at][1].equals(metadata))
  }
}

/** From this version on, a member gets its id before it joins. */
export const MEMBER_ID_REQUIRED_VERSION = 4

/**
 * What a member takes in memory, without its assignment.
 *
 * @param {string} id
 * @param {JoinRequest} request
 * @param {Context} context
 */
export function memberBytes(id, { groupInstanceId, protocols }, { clientId, clientHost }) {
  let bytes = idBytes(id) + idBytes(groupInstanceId ?? '') + idBytes(clientId ?? '') + idBytes(clientHost)
  for (const { name, metadata } of protocols) bytes += PROTOCOL_BYTES + idBytes(name) + metadata.length
  return MEMBER_BYTES + bytes
}

/** @param {string} id */
export function idBytes(id) {
  return id.length * BYTES_PER_CHARACTER
}

/**
 * A copy in memory of its own.
 *
 * @param {Uint8Array} bytes
 */
export function copyOf(bytes) {
  const copy = Buffer.alloc(bytes.length)
  copy.set(bytes)
  return copy
}
