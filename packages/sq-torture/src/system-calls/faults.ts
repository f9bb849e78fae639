/** Which system calls are made to fail, and how. */

/** A call by the name that reports show, and the names it goes by on one machine or another, as strace wants them. */
interface FailingCall {
  readonly name: string
  readonly calls: string
  readonly errors: readonly string[]
  /** Errors that are tried only when all is tried. */
  readonly furtherErrors: readonly string[]
}

const FAILING_CALLS: readonly FailingCall[] = [
  { name: 'pwrite64', calls: 'pwrite64', errors: ['EIO', 'ENOSPC', 'EINTR'], furtherErrors: ['EDQUOT', 'EROFS', 'EAGAIN'] },
  { name: 'pwritev', calls: 'pwritev', errors: ['EIO', 'ENOSPC', 'EINTR'], furtherErrors: ['EDQUOT', 'EROFS', 'EAGAIN'] },
  { name: 'fsync', calls: 'fsync', errors: ['EIO'], furtherErrors: ['ENOSPC', 'EDQUOT', 'EROFS'] },
  { name: 'rename', calls: '/^rename(at2?)?$', errors: ['EIO'], furtherErrors: ['ENOSPC', 'EROFS'] },
  { name: 'openat', calls: 'openat', errors: ['EMFILE'], furtherErrors: ['EIO', 'ENOSPC', 'EACCES'] },
  { name: 'ftruncate', calls: 'ftruncate', errors: ['EIO'], furtherErrors: ['EROFS'] },
  { name: 'unlink', calls: '/^unlink(at)?$', errors: ['EIO'], furtherErrors: ['EROFS', 'EACCES'] },
  { name: 'fcntl', calls: 'fcntl', errors: ['ENOLCK'], furtherErrors: ['EIO'] },
  { name: 'pread64', calls: 'pread64', errors: [], furtherErrors: ['EIO', 'EINTR'] },
]

/** A failure that is tried at every call it can strike. */
export interface Fault {
  readonly name: string
  readonly calls: string
  readonly error: string
  /** Whether all later calls fail as well. */
  readonly forGood: boolean
}

/** What passes by itself, and is tried again where it strikes. */
export const PASSING: readonly string[] = ['EINTR', 'EAGAIN']

/** The names of the calls that are made to fail. */
export const CALL_NAMES: readonly string[] = FAILING_CALLS.map(({ name }) => name)

/** The faults of the named calls: each error once; with `all`, further errors too, and each of them also for good. */
export function listFaults({ names, all }: { names: readonly string[]; all: boolean }): Fault[] {
  return FAILING_CALLS.filter(({ name }) => names.includes(name)).flatMap(({ name, calls, errors, furtherErrors }) =>
    (all ? [...errors, ...furtherErrors] : errors).flatMap((error) =>
      (all ? [false, true] : [false]).map((forGood) => ({ name, calls, error, forGood })),
    ),
  )
}
