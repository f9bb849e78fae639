/** The file that a lock is taken on: opened or made, private to its owner, and locked. */
import * as fs from 'node:fs'
import { settleVoid } from './descriptor.ts'
import { noLockError } from './lock-binding.ts'
import type { TryLock } from './lock-binding.ts'
import { makeFile } from './new-file.ts'
import { openRegular } from './regular-file.ts'
import { codeOf, isError, lockedError, named, systemError } from './system-error.ts'

/** Who may open the file may lock it, if only for reading, and so keep its owner out. */
const PRIVATE = 0o600

/** Enough for an interrupted call to get through, and for a file that is made and removed meanwhile. */
const MAX_ATTEMPTS = 16

/** How a file system says that it has no locks. Every other failure is no reason to go on without. */
const NOT_SUPPORTED: ReadonlySet<string | undefined> = new Set(['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'])

/**
 * Opens the lock file, or makes it. Where it is this process's own and open to others, it is closed to them, unless the
 * file has other names: those may be somebody else's.
 */
export async function openLockFile(path: string): Promise<number> {
  for (let attempts = 1; ; attempts++) {
    try {
      const { descriptor, stat } = await openRegular(path, fs.constants.O_RDWR)
      const isOpenToOthers = stat.uid === process.geteuid?.() && (stat.mode & 0o077) !== 0
      if (isOpenToOthers && stat.nlink === 1) await makePrivate(descriptor, path)
      return descriptor
    } catch (error) {
      if (codeOf(error) === 'EACCES') await nameOwner(error, path)
      if (codeOf(error) !== 'ENOENT') throw error
    }
    try {
      return await makeFile(path, fs.constants.O_RDWR, { mode: PRIVATE })
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || attempts === MAX_ATTEMPTS) throw error
    }
  }
}

async function makePrivate(descriptor: number, path: string): Promise<void> {
  try {
    await settleVoid(path, (done) => fs.fchmod(descriptor, PRIVATE, done))
  } catch {
    // A file system without modes, or one that may not be changed: the lock holds as well.
  }
}

/** Adds whose the lock file is to the system's refusal to open it, where it is somebody else's. */
async function nameOwner(refusal: unknown, path: string): Promise<void> {
  const stat = await fs.promises.lstat(path).catch(() => null)
  if (stat === null || stat.uid === process.geteuid?.() || !isError(refusal)) return
  refusal.message += `: the lock file belongs to uid ${stat.uid}, and a log is written by one user, or by root`
}

/** Throws `ELOCKED` where another has the lock, `ENOLOCK` where the file system has no locks, what it says otherwise. */
export function takeLock(tryLock: TryLock, { descriptor, path }: { descriptor: number; path: string }): void {
  for (let attempts = 1; ; attempts++) {
    try {
      if (tryLock(descriptor)) return
      break
    } catch (cause) {
      const code = codeOf(named(cause))
      if (code === undefined || NOT_SUPPORTED.has(code)) throw noLockError(path, cause)
      if (code !== 'EINTR' || attempts === MAX_ATTEMPTS) {
        throw Object.assign(systemError(code, { syscall: 'fcntl', path }), { cause })
      }
    }
  }
  throw lockedError(path)
}
