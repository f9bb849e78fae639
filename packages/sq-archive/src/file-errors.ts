/** Errors of an object store, and of a file system that is one, as a file system reports them. */
import { ObjectStoreError } from './object-store.ts'
import type { ObjectStoreErrorCode } from './object-store.ts'

export function readOnly(syscall: string, path: string): Error {
  return failure('EROFS', syscall, path, 'an object store can only be read as a file system')
}

export function failure(code: string, syscall: string, path: string, says: string, cause?: unknown): Error {
  const error = new Error(`${code}: ${says}, ${syscall} '${path}'`, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code, syscall, path })
}

/** The codes of a file system for those of a store. All others are `EIO`. */
const CODES: Partial<Record<ObjectStoreErrorCode, string>> = {
  'not-found': 'ENOENT',
  'bad-key': 'ENOENT',
  denied: 'EACCES',
}

/** Turns an error of the store into one of a file system. */
export async function reported<T>(syscall: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error
    const code = CODES[error.code] ?? 'EIO'
    throw failure(code, syscall, path, error.message, error)
  }
}
