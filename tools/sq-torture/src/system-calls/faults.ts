/** The system calls that are made to fail, and their errors. */

/** A call: its name in reports, and its names on different machines in strace's notation. */
interface FailingCall {
  readonly name: string
  readonly calls: string
  readonly errors: readonly string[]
  /** Errors that are tried only with `--scope all`. */
  readonly furtherErrors: readonly string[]
  /** Whether it changes the disk. */
  readonly changes: boolean
  /** Whether a failure need not be reported: only the write of a durability marker may fail silently. */
  readonly mayPass: boolean
}

const REFUSED = ['EIO', 'ENOSPC', 'EINTR']
const FURTHER_REFUSED = ['EDQUOT', 'EROFS', 'EAGAIN']
const CHANGING = { changes: true, mayPass: false }
const LOOKING = { changes: false, mayPass: false }

/** Without `close`: strace skips a failing call, so the descriptor stays open, which no system does. */
const FAILING_CALLS: readonly FailingCall[] = [
  { name: 'pwrite64', calls: 'pwrite64', errors: REFUSED, furtherErrors: FURTHER_REFUSED, ...CHANGING, mayPass: true },
  { name: 'pwritev', calls: 'pwritev', errors: REFUSED, furtherErrors: FURTHER_REFUSED, ...CHANGING, mayPass: true },
  { name: 'fsync', calls: 'fsync', errors: ['EIO'], furtherErrors: ['ENOSPC', 'EDQUOT', 'EROFS'], ...CHANGING },
  { name: 'rename', calls: '/^rename(at2?)?$', errors: ['EIO'], furtherErrors: ['ENOSPC', 'EROFS'], ...CHANGING },
  { name: 'ftruncate', calls: 'ftruncate', errors: ['EIO'], furtherErrors: ['EROFS'], ...CHANGING },
  { name: 'unlink', calls: '/^unlink(at)?$', errors: ['EIO'], furtherErrors: ['EROFS', 'EACCES'], ...CHANGING },
  { name: 'openat', calls: 'openat', errors: ['EMFILE'], furtherErrors: ['EIO', 'ENOSPC', 'ENFILE'], ...LOOKING },
  { name: 'fcntl', calls: 'fcntl', errors: ['ENOLCK'], furtherErrors: ['EIO'], ...LOOKING },
  { name: 'pread64', calls: 'pread64', errors: ['EIO'], furtherErrors: ['EINTR'], ...LOOKING },
  { name: 'statx', calls: 'statx', errors: ['EIO'], furtherErrors: ['EACCES'], ...LOOKING },
  { name: 'getdents64', calls: 'getdents64', errors: ['EIO'], furtherErrors: [], ...LOOKING },
]

/** A failure that is tried at every matching call. */
export interface Fault {
  readonly name: string
  readonly calls: string
  readonly error: string
  readonly mayPass: boolean
  /** Whether all later calls fail as well. */
  readonly forGood: boolean
}

/** Transient errors, after which the call is repeated. */
export const TRANSIENT: readonly string[] = ['EINTR', 'EAGAIN']

/** The names of all calls that are made to fail. */
export const CALL_NAMES: readonly string[] = FAILING_CALLS.map(({ name }) => name)

/**
 * The faults of the named calls: each error once; for calls that change the disk, also at all later calls; with `all`,
 * further errors too, each also at all later calls. A transient error never strikes all later calls, because libuv
 * repeats a call after `EINTR` forever.
 */
export function listFaults({ names, all }: { names: readonly string[]; all: boolean }): Fault[] {
  const named = FAILING_CALLS.filter(({ name }) => names.includes(name))
  return named.flatMap(({ errors, furtherErrors, changes, ...call }) =>
    (all ? [...errors, ...furtherErrors] : errors).flatMap((error) => {
      const lasts = (all || changes) && !TRANSIENT.includes(error)
      return (lasts ? [false, true] : [false]).map((forGood) => ({ ...call, error, forGood }))
    }),
  )
}
