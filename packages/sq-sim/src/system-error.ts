/** Errors in the form of those of `node:fs`, for failures that no system call reported. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** Where it failed. Each part is in the message and on the error. */
export interface Failure {
  readonly syscall: string
  readonly path?: string
  readonly dest?: string
}

interface SystemErrorFields extends Failure {
  readonly code: string
  readonly errno?: number
}

/** Texts for codes of file systems that Node has no text for. */
const TEXTS: Readonly<Record<string, string>> = {
  EBADMSG: 'bad message: the file system found damage',
  EDQUOT: 'disk quota exceeded',
  ENOLCK:
    'no locks available: the lock table is full, or this file system has no locks, as NFS without its lock service',
  ESTALE: 'stale file handle: the file is gone from its server',
  EUCLEAN: 'structure needs cleaning: the file system is damaged',
}

/** Error numbers of the system. Node has names for all but the last. */
const numbers = Object.entries({ ...constants.errno, ...(process.platform === 'linux' && { EUCLEAN: 117 }) })

const known = new Map<string, { readonly errno: number; readonly text?: string }>()
for (const [errno, [code, text]] of getSystemErrorMap()) known.set(code, { errno, text })
for (const [code, number] of numbers) if (!known.has(code)) known.set(code, { errno: -number })

/**
 * `EIO: i/o error, fsync '/x'`, with `code`, `errno`, `syscall`, `path` and `dest` as Node sets them. `explanation`
 * replaces the text of the system.
 */
export function systemError(code: string, failure: Failure, explanation?: string): Error {
  const { errno, text = TEXTS[code] } = known.get(code) ?? {}
  const says = explanation ?? text
  const path = failure.path === undefined ? '' : ` '${failure.path}'`
  const dest = failure.dest === undefined ? '' : ` -> '${failure.dest}'`
  const error = new Error(`${code}: ${says === undefined ? '' : `${says}, `}${failure.syscall}${path}${dest}`)
  const fields: SystemErrorFields = { ...failure, code, ...(errno !== undefined && { errno }) }
  return Object.assign(error, fields)
}

/** The error of `FileSystem.lock` while another holds the lock. */
export function lockedError(path: string): Error {
  return Object.assign(new Error(`ELOCKED: another holds the lock '${path}'`), { code: 'ELOCKED', path })
}

const systemNames = new Map<unknown, string>(numbers.map(([name, errno]) => [-errno, name]))

const NO_FSYNC =
  "Node's permission model lets no program make anything durable: a log can be read there, with --allow-fs-read for " +
  'its directory, but not be written'

/**
 * The same error with the name and text of the system, if Node knows none, as for EDQUOT (`Unknown system error -122`).
 * If Node itself refuses the call, the message says what to do.
 */
export function named<E>(error: E): E {
  if (!isError(error)) return error
  if (isDenied(error) && error.message.includes('sync API is disabled')) error.message += ` ${NO_FSYNC}`
  const code = codeOf(error)
  const number = /^Unknown system error (-\d+)$/.exec(code ?? '')?.[1]
  if (code === undefined || number === undefined) return error
  const name = systemNames.get(Number(number)) ?? code
  const text = TEXTS[name]
  // For such an error, Node uses its text as the code.
  const message = error.message.replace(`${code}: ${code}, `, `${code}: ${text === undefined ? '' : `${text}, `}`)
  error.message = message.replaceAll(code, name)
  return Object.assign(error, { code: name })
}

/** Whether this process lacks the permission, according to the system or to the permission model of Node. */
export function isDenied(error: unknown): boolean {
  return ['EACCES', 'ERR_ACCESS_DENIED'].includes(codeOf(error) ?? '')
}

/** The `code` of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The message of a thrown value, which may be anything. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error)
}

/**
 * Whether a value is an error, judged by its fields. `instanceof Error` is false for errors of Node in another realm,
 * as in Jest and in vitest's pools of VMs.
 */
export function isError(error: unknown): error is { message: string } {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
}

/** Throws a `RangeError` for an impossible position or size: Node would take -1 for the current position. */
export function checkPosition(value: number, name: 'position' | 'sizeBytes'): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name} must be a whole number from 0, not ${value}`)
}
