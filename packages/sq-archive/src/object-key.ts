/** What is a key, and the order of keys. */
import { ObjectStoreError } from './object-store.ts'

const MAX_KEY_BYTES = 1024

/** Names that end with this are of files that are not complete; no key has one. */
export const TEMPORARY = '.tmp'

/** Throws an `ObjectStoreError` unless it is a key. */
export function checkKey(key: string): void {
  const reason = faultOf(key)
  if (reason !== null) throw new ObjectStoreError('bad-key', `${JSON.stringify(key)} is no key: ${reason}`, { key })
}

function faultOf(key: string): string | null {
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_KEY_BYTES) return `it has ${bytes} bytes, and at most ${MAX_KEY_BYTES} are allowed`
  if (!key.isWellFormed()) return 'it is not valid Unicode'
  if (key.includes('\0')) return 'it contains NUL'
  const names = key.split('/')
  if (names.some((name) => name === '')) return 'it has an empty name'
  if (names.some((name) => name === '.' || name === '..')) return 'it has the name . or ..'
  if (names.some((name) => name.endsWith(TEMPORARY))) return `it has a name that ends with ${TEMPORARY}`
  return null
}

/** Compares keys by their UTF-8 bytes: negative if `one` comes first. */
export function compareKeys(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}
