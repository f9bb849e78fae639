/** The check that a store creates objects conditionally, without which two writers could replace each other's objects. */
import { sourceOf } from './object-source.ts'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectSource, ObjectStore } from './object-store.ts'

/** No topic can have this name. */
export const PROBE_KEY = '~probe'

/** The content of the probe object. */
export function probeSource(): ObjectSource {
  return sourceOf(Buffer.from('Shows that this store refuses to replace an object. It may be deleted.\n'))
}

/**
 * Checks that a store creates an object only if there is none with its key: puts the object `~probe` twice. Rejects
 * with `no-conditional-put` if the store replaces it, and with the errors of `put`.
 *
 * The object stays: to delete it could make the check of another process fail at the same time. No reader of a log
 * takes it for a part of one. Any number of processes may check a store at the same time.
 */
export async function checkConditionalPut(store: ObjectStore): Promise<void> {
  if ((await store.put(PROBE_KEY, probeSource())) === 'exists') return
  if ((await store.put(PROBE_KEY, probeSource())) === 'exists') return
  throw noConditionalPut('it replaced an object that it was asked to create only if there is none')
}

/** The error of a store that does not create objects conditionally. */
export function noConditionalPut(found: string, cause?: unknown): ObjectStoreError {
  const message =
    `the store cannot hold an archive, because two writers could replace each other's segments in it: ${found}. ` +
    'Use a store that supports If-None-Match on PUT and on the completion of a multipart upload'
  return new ObjectStoreError('no-conditional-put', message, { key: PROBE_KEY, cause })
}
