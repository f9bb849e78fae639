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

/** What file systems say that Node has no text for. */
const TEXTS: Readonly<Record<string, string>> = {
  EBADMSG: 'bad message: the file system found damage',
  EDQUOT: 'disk quota exceeded',
  ENOLCK:
    'no locks available: the lock table is full, or this file system has no locks, as NFS without its lock service',
  ESTALE: 'stale file handle: the file is gone from its server',
  EUCLEAN: 'structure needs cleaning: the file system is damaged',
}

/** The system's numbers, of which Node names all but the last. */
const numbers = Object.entries({ ...constants.errno, ...(process.platform === 'linux' && { EUCLEAN: 117 }) })

const known = new Map<string, { readonly errno: number; readonly text?: string }>()
for (const [errno, [code, text]] of getSystemErrorMap()) known.set(code, { errno, text })
for (const [code, number] of numbers) if (!known.has(code)) known.set(code, { errno: -number })

/**
 * `EIO: i/o error, fsync '/x'`, with `code`, `errno`, `syscall`, `path` and `dest` as Node sets them. `explanation`
 * stands in for the system's text.
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

/** What `FileSystem.lock` rejects with while another holds the lock. */
export function lockedError(path: string): Error {
  return Object.assign(new Error(`ELOCKED: another holds the lock '${path}'`), { code: 'ELOCKED', path })
}

const systemNames = new Map<unknown, string>(numbers.map(([name, errno]) => [-errno, name]))

const NO_FSYNC =
  "Node's permission model lets no program make anything durable: a log can be read there, with --allow-fs-read for " +
  'its directory, but not be written'

/**
 * The same error, by the system's name and text for it where Node knows none, as of EDQUOT (`Unknown system error
 * -122`), and with what to do where Node itself refuses the call.
 */
export function named<E>(error: E): E {
  if (!isError(error)) return error
  if (isDenied(error) && error.message.includes('sync API is disabled')) error.message += ` ${NO_FSYNC}`
  const code = codeOf(error)
  const number = /^Unknown system error (-\d+)$/.exec(code ?? '')?.[1]
  if (code === undefined || number === undefined) return error
  const name = systemNames.get(Number(number)) ?? code
  const text = TEXTS[name]
  // Node gives such a code as its own text.
  const message = error.message.replace(`${code}: ${code}, `, `${code}: ${text === undefined ? '' : `${text}, `}`)
  error.message = message.replaceAll(code, name)
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
