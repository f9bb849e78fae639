/** Errors that look like those of `node:fs`, for failures that no system call reported. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** Where it failed; each part stands in the message and on the error. */
export interface Failure {
  readonly syscall: string
  readonly path?: string
  readonly dest?: string
}

interface SystemErrorFields extends Failure {
  readonly code: string
  readonly errno?: number
}

const known = new Map<string, { readonly errno: number; readonly text: string }>()
for (const [errno, [code, text]] of getSystemErrorMap()) known.set(code, { errno, text })

/**
 * `EIO: i/o error, fsync '/x'`, with `code`, `errno`, `syscall`, `path` and `dest` as Node sets them. `explanation`
 * stands in for the system's text.
 */
export function systemError(code: string, failure: Failure, explanation?: string): Error {
  const { errno, text = code } = known.get(code) ?? {}
  const path = failure.path === undefined ? '' : ` '${failure.path}'`
  const dest = failure.dest === undefined ? '' : ` -> '${failure.dest}'`
  const error = new Error(`${code}: ${explanation ?? text}, ${failure.syscall}${path}${dest}`)
  const fields: SystemErrorFields = { ...failure, code, ...(errno !== undefined && { errno }) }
  return Object.assign(error, fields)
}

/** What `FileSystem.lock` rejects with while another holds the lock. */
export function lockedError(path: string): Error {
  return Object.assign(new Error(`ELOCKED: another holds the lock '${path}'`), { code: 'ELOCKED', path })
}

const systemNames = new Map<unknown, string>(Object.entries(constants.errno).map(([name, errno]) => [-errno, name]))

const NO_FSYNC =
  "Node's permission model lets no program make anything durable: a log can be read there, with --allow-fs-read for " +
  'its directory, but not be written'

/**
 * The same error, by the system's name for it where Node knows none, as of EDQUOT (`Unknown system error -122`), and
 * with what to do where Node itself refuses the call.
 */
export function named<E>(error: E): E {
  if (!isError(error)) return error
  if (isDenied(error) && error.message.includes('sync API is disabled')) error.message += ` ${NO_FSYNC}`
  const code = codeOf(error)
  const number = /^Unknown system error (-\d+)$/.exec(code ?? '')?.[1]
  const name = systemNames.get(Number(number))
  if (code === undefined || name === undefined) return error
  error.message = error.message.replaceAll(code, name)
  return Object.assign(error, { code: name })
}

/** Whether this process may not do it: the system says so, or Node's permission model does. */
export function isDenied(error: unknown): boolean {
  return ['EACCES', 'ERR_ACCESS_DENIED'].includes(codeOf(error) ?? '')
}

/** The `code` of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What an error says; anything can be thrown, and not everything that is has a message. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error)
}

/**
 * Whether something is an error, by what it has. Node's own errors are no `instanceof Error` where this code runs in
 * another realm than Node's, as tests do in Jest and in vitest's pools of VMs.
 */
export function isError(error: unknown): error is { message: string } {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
}

/** Throws a `RangeError` unless a file can have it: Node would take -1 for "wherever the last call ended". */
export function checkPosition(value: number, name: 'position' | 'sizeBytes'): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} is a whole number from 0, not ${value}`)
}
