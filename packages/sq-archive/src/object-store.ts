/**
 * The interface of an object store: few operations, and for each a promise. Objects are created once and never change.
 * `DirectoryObjectStore` and `InMemoryObjectStore` keep these promises; `@sq/archive/testing` checks them.
 */

/** What a listing says of an object. */
export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
  /** When it was stored, in milliseconds since 1970 by the clock of the store, if the store says so. */
  readonly storedMs?: number
}

/** The content of an object that is to be stored. A store may read it several times, in parts, in any order. */
export interface ObjectSource {
  readonly bytes: number
  /** CRC-32 of all bytes. */
  readonly crc32: number
  /** Fills the buffer from a position on. Rejects if it cannot, also if fewer bytes are left. */
  read(buffer: Uint8Array, position: number): Promise<void>
}

/** What to list. */
export interface ListOptions {
  /** Only entries whose keys come after this one. */
  readonly after?: string
  /**
   * Whether to list only what is directly below the prefix: in the place of all objects whose keys go on with a name and
   * `/`, one entry for this folder. Its key ends with that `/`, and it has 0 bytes. A folder may turn out to be empty.
   * Default false.
   */
  readonly shallow?: boolean
}

/**
 * A store of objects. A key is 1 to 1,024 bytes of UTF-8: names that are separated by `/`, where no name is empty, `.`
 * or `..`, or ends with `.tmp`. No key may be that of another object followed by `/` and more names. Keys are in the
 * order of their UTF-8 bytes. Calls may overlap.
 *
 * An operation that rejects with anything but an `ObjectStoreError` of a code other than `failed` may have taken effect,
 * or may still take effect later: a caller that must know has to look.
 */
export interface ObjectStore {
  /**
   * Stores an object if there is none with its key, in one step: of several callers, in any process, one gets
   * `created`. No reader ever sees a part of an object. When it resolves, with `created` or `exists`, the object is
   * durable. `exists` says nothing about the content of that object.
   *
   * Rejects with `bad-source`, and stores nothing, if the content does not have its stated checksum.
   */
  put(key: string, source: ObjectSource): Promise<'created' | 'exists'>

  /**
   * Fills the buffer with bytes of an object from a position on, and resolves with their number: fewer than the length
   * of the buffer only at the end of the object. Rejects with `not-found`.
   */
  get(key: string, buffer: Uint8Array, position: number): Promise<number>

  /** What a listing would say of this key; null if there is no object. */
  head(key: string): Promise<ObjectInfo | null>

  /**
   * The objects whose keys begin with a prefix, in the order of their keys. An object that is there all the time is
   * listed once; one that is created or deleted meanwhile may be listed or not. With `shallow`, the cost does not grow
   * with the number of objects in folders.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>

  /** Deletes an object, durably. Does nothing if there is none. */
  delete(key: string): Promise<void>
}

/**
 * - `not-found`: there is no object with this key.
 * - `bad-key`: the key is not one.
 * - `bad-source`: the content does not have the checksum that is stated.
 * - `denied`: the store refused: the caller may not do this, or what it names, such as a bucket, does not exist. Nothing
 *   was done. To try again helps only after someone has changed something.
 * - `no-conditional-put`: the store replaces objects, and cannot hold an archive.
 * - `failed`: the operation failed, and may have taken effect. `cause` says more.
 */
export type ObjectStoreErrorCode = 'not-found' | 'bad-key' | 'bad-source' | 'denied' | 'no-conditional-put' | 'failed'

/** An operation of an object store failed. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError'
  readonly code: ObjectStoreErrorCode
  readonly key: string

  constructor(code: ObjectStoreErrorCode, message: string, { key, cause }: { key: string; cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.key = key
  }
}

/** Whether an error says for certain that the operation had no effect and never will. */
export function hadNoEffect(error: unknown): boolean {
  return error instanceof ObjectStoreError && error.code !== 'failed'
}
