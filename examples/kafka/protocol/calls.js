/**
 * All calls of the protocol that this broker knows: the table of each, and messages made and read by it. `server.js`
 * uses one direction, and clients, which only the tests have, the other.
 */
import { ADMIN_CALLS } from './admin-calls.js'
import { Sink, Source } from './bytes.js'
import { ERROR } from './errors.js'
import { GROUP_CALLS } from './group-calls.js'
import { LOG_CALLS } from './log-calls.js'
import { int16, int32, nullableString, taggedFields } from './types.js'

export const CALLS = { ...LOG_CALLS, ...GROUP_CALLS, ...ADMIN_CALLS }

/** @typedef {keyof typeof CALLS} CallName */
/** @template {CallName} N @typedef {import('./types.js').ReadOf<typeof CALLS[N]['request']>} Request */
/** @template {CallName} N @typedef {import('./types.js').WrittenOf<typeof CALLS[N]['response']>} Response */

/**
 * The client of a request, and its version. `signal` is aborted when the connection closes, or when the broker stops.
 * `reservation` is the memory of the answer.
 *
 * @typedef {object} Context
 * @property {number} version
 * @property {string | null} clientId
 * @property {string} clientHost
 * @property {AbortSignal} signal
 * @property {import('../answer-memory.js').Reservation} reservation
 */
/**
 * Answers a call. Only that of a Produce may answer with null: nothing is sent then.
 *
 * @template {CallName} N
 * @typedef {(request: Request<N>, context: Context) => Promise<Response<N> | (N extends 'Produce' ? null : never)>} Handler
 */
/** @typedef {{ [N in CallName]: Handler<N> }} Handlers */

/** @typedef {{ key: number, version: number, correlationId: number, source: Source }} Head */

/**
 * The types of the messages of each call.
 *
 * @type {{ [N in CallName]: {
 *   request: import('./types.js').Type<Request<N>, never>
 *   response: import('./types.js').Type<unknown, Response<N>>
 * } }}
 */
const MESSAGES = CALLS
/** The name of each call by its key. @type {Map<number, CallName>} */
const NAMES = new Map(namesOfCalls().map((name) => [CALLS[name].key, name]))

/** From this version on, requests of ApiVersions have tagged fields, also in their head. */
const TAGGED_API_VERSIONS = 3

/** The names of all calls. */
export function namesOfCalls() {
  return Object.keys(CALLS).filter(isCall)
}

/**
 * The first fields of a request, which are the same in all versions of all calls. Throws a `ProtocolError`.
 *
 * @param {Buffer} bytes
 * @returns {Head}
 */
export function decodeHead(bytes) {
  const source = new Source(bytes)
  return { key: source.int16(), version: source.int16(), correlationId: source.int32(), source }
}

/**
 * The call that a request makes; null if there is no such call, or not in this version.
 *
 * @param {Head} head
 */
export function callOf({ key, version }) {
  const name = NAMES.get(key)
  if (name === undefined) return null
  const { from, to } = CALLS[name].versions
  return version < from || version > to ? null : name
}

/**
 * What follows the head of a request: the name of the client, and the request itself. Throws a `ProtocolError` if the
 * bytes are not what the version of the call has.
 *
 * @template {CallName} N
 * @param {N} name
 * @param {Head} head
 * @returns {{ clientId: string | null, request: Request<N> }}
 */
export function decodeRequest(name, { source, version }) {
  const clientId = nullableString.read(source, version)
  if (isTagged(name, version)) taggedFields.read(source, version)
  const decoded = { clientId, request: MESSAGES[name].request.read(source, version) }
  source.end()
  return decoded
}

/**
 * An answer as it is sent, in parts, without its length.
 *
 * @template {CallName} N
 * @param {N} name
 * @param {{ version: number, correlationId: number }} head of the request
 * @param {Response<N>} response
 */
export function encodeResponse(name, { version, correlationId }, response) {
  const sink = new Sink()
  int32.write(sink, correlationId, version)
  MESSAGES[name].response.write(sink, response, version)
  return sink
}

/**
 * The answer to a call that is not offered. A newer ApiVersions gets the answer of version 0, from which the client
 * learns the versions to use.
 *
 * @param {Head} head
 */
export function encodeUnsupported({ key, correlationId }) {
  if (key === CALLS.ApiVersions.key) {
    const response = { errorCode: ERROR.UNSUPPORTED_VERSION, apiKeys: offeredCalls() }
    return encodeResponse('ApiVersions', { version: 0, correlationId }, response)
  }
  const sink = new Sink()
  int32.write(sink, correlationId, 0)
  int16.write(sink, ERROR.UNSUPPORTED_VERSION, 0)
  return sink
}

/** The versions of each call that are offered, as ApiVersions answers them. */
export function offeredCalls() {
  return namesOfCalls().map((name) => {
    const { key, versions } = CALLS[name]
    return { apiKey: key, minVersion: versions.from, maxVersion: versions.to }
  })
}

/**
 * @param {string} name
 * @returns {name is CallName}
 */
function isCall(name) {
  return Object.hasOwn(CALLS, name)
}

/**
 * @param {CallName} name
 * @param {number} version
 */
function isTagged(name, version) {
  return name === 'ApiVersions' && version >= TAGGED_API_VERSIONS
}
