/** The lock file: opened or created, private to its owner, and locked. */
import * as fs from 'node:fs'
import { settleVoid } from './descriptor.ts'
import { noLockError } from './lock-binding.ts'
import type { TryLock } from './lock-binding.ts'
import { makeFile } from './new-file.ts'
import { openRegular } from './regular-file.ts'
import { codeOf, isError, lockedError, named, systemError } from './system-error.ts'

/** A process that may open the file, even only for reading, may lock it and keep its owner out. */
const PRIVATE = 0o600

/** Enough for interrupted calls, and for a file that is created and removed in the meantime. */
const MAX_ATTEMPTS = 16

/** The codes of a file system without locks. After any other failure, running without a lock would be wrong. */
const NOT_SUPPORTED: ReadonlySet<string | undefined> = new Set(['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'])

/**
 * Opens or creates the lock file. If this process owns it and others may open it, access is restricted to the owner,
 * unless the file has other names, which may belong to another program.
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
    // The file system has no modes, or does not allow to change them. The lock is valid anyway.
  }
}

/** Adds the owner of the lock file to the error of opening it, if that is another user. */
async function nameOwner(refusal: unknown, path: string): Promise<void> {
  const stat = await fs.promises.lstat(path).catch(() => null)
  if (stat === null || stat.uid === process.geteuid?.() || !isError(refusal)) return
  refusal.message += `: the lock file belongs to uid ${stat.uid}; a log is written by one user, or by root`
}

/**
 * Throws `ELOCKED` if another holds the lock, `ENOLOCK` if the file system has no locks, and the error of the system
 * otherwise.
 */
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
