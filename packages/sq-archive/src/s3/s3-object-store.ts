/** Objects in a bucket of S3, or of a store that speaks its protocol, through the AWS SDK. */
import type { ListObjectsV2CommandOutput, S3, S3ClientConfig } from '@aws-sdk/client-s3'
import { checkConditionalPut, noConditionalPut, PROBE_KEY, probeSource } from '../conditional-put.ts'
import { checkKey, compareKeys } from '../object-key.ts'
import { ObjectStoreError } from '../object-store.ts'
import type { ListOptions, ObjectInfo, ObjectSource, ObjectStore } from '../object-store.ts'
import { checkAnswer } from './answer.ts'
import { createClient } from './client.ts'
import { readRange } from './download.ts'
import { failureOf, isNamed, isPage, statusOf } from './failure.ts'
import type { Operation } from './failure.ts'
import { PART_BYTES, putInParts, putWhole } from './upload.ts'
import type { Upload } from './upload.ts'

/** How often a body that breaks off is asked for. The SDK repeats requests only until the answer begins. */
const READ_TRIES = 3
/** How often an object is put if the store says that something else happens to its key at the same time. */
const PUT_TRIES = 3

/** Comes after every character that a key can have. */
const LAST_CHARACTER = '\u{10ffff}'

/** Options of `S3ObjectStore.open`. All but `bucket` are optional. */
export interface S3ObjectStoreOptions {
  /** It must exist. */
  readonly bucket: string
  /** The store has the objects whose keys begin with this and `/`, and names them without it. All if empty. */
  readonly prefix?: string
  /**
   * Options of the client of the AWS SDK, for example `endpoint`, `region` and `credentials`. What is missing comes from
   * the environment and the files of the AWS SDK. Where an endpoint is given, here or in `AWS_ENDPOINT_URL_S3`, buckets
   * are addressed by path, unless `forcePathStyle` is false. A request that makes no progress for a minute fails;
   * `requestHandler` changes that.
   */
  readonly client?: S3ClientConfig
  /** Whether `put` and `delete` are refused with `denied`. Opening then needs no right to write. Default false. */
  readonly readOnly?: boolean
}

/**
 * An object store in a bucket. Every object is stored with its CRC-32, which S3 compares with what has arrived. Objects
 * of more than 8 MiB are uploaded in parts, four at a time, which takes 32 MiB of memory for each `put`.
 *
 * The SDK repeats requests that failed, and so `put` may resolve with `exists` for an object that it has created itself,
 * if the first answer was lost. Objects whose keys are not those of an `ObjectStore`, for example the folder markers of
 * consoles, are not listed.
 *
 * In a bucket with versions, a deleted object is hidden, and its bytes stay until the bucket's lifecycle removes versions
 * that are not current. A process that is killed during `put` can leave parts of an upload, which are no object: let the
 * lifecycle abort incomplete uploads.
 *
 * Needs the package `@aws-sdk/client-s3`.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #s3: S3
  readonly #bucket: string
  /** Empty, or ends with `/`. */
  readonly #prefix: string
  readonly #readOnly: boolean

  private constructor(s3: S3, { bucket, prefix = '', readOnly = false }: S3ObjectStoreOptions) {
    this.#s3 = s3
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#readOnly = readOnly
  }

  /**
   * Opens a store after a check that it can be used: with `readOnly`, one listing; else `checkConditionalPut`, also for
   * an upload in parts.
   *
   * Rejects with `denied` for missing or wrong credentials, a missing right and a missing bucket, `no-conditional-put`
   * if the store replaces objects, `failed` if it cannot be reached, `bad-key` for a prefix that no key can begin with,
   * and an error that says what to install if the SDK is missing.
   */
  static async open(options: S3ObjectStoreOptions): Promise<S3ObjectStore> {
    const { bucket, prefix = '', client = {}, readOnly = false } = options
    if (prefix !== '') checkKey(prefix)
    if (bucket === '') throw new RangeError('the name of the bucket is empty')
    const store = new S3ObjectStore(await createClient(client), options)
    try {
      if (readOnly) for await (const _ of store.list('')) break
      else await store.#checkConditions()
      return store
    } catch (error) {
      store.close()
      throw error
    }
  }

  async put(key: string, source: ObjectSource): Promise<'created' | 'exists'> {
    const upload = { ...this.#target(key), source }
    this.#checkWritable('store', key)
    if (source.bytes <= PART_BYTES) return this.#put(key, () => putWhole(this.#s3, upload))
    // To send all parts only to be told that there is an object would be a waste.
    if ((await this.head(key)) !== null) return 'exists'
    return this.#put(key, () => putInParts(this.#s3, upload))
  }

  async get(key: string, buffer: Uint8Array, position: number): Promise<number> {
    const range = { ...this.#target(key), position }
    for (let tries = 1; ; tries++) {
      try {
        if (buffer.length > 0) return await readRange(this.#s3, range, buffer)
        checkAnswer(await this.#s3.headObject(this.#target(key)))
        return 0
      } catch (error) {
        // The position is at the end of the object, or after it.
        if (statusOf(error) === 416 && !isPage(error)) return 0
        if (isNamed(error, 'NoSuchKey') || isNamed(error, 'NotFound')) {
          throw new ObjectStoreError('not-found', `there is no object ${JSON.stringify(key)}`, { key, cause: error })
        }
        // An answer with a status is an error that the SDK has dealt with.
        if (statusOf(error) !== undefined || tries >= READ_TRIES) throw this.#failure('read', key, error)
      }
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const target = this.#target(key)
    return this.#reported('look for', key, async () => {
      try {
        const found = await this.#s3.headObject(target)
        checkAnswer(found)
        return { key, bytes: found.ContentLength ?? 0, ...timeOf(found.LastModified) }
      } catch (error) {
        if (statusOf(error) === 404 && !isPage(error)) return null
        throw error
      }
    })
  }

  async *list(
    prefix: string,
    { after = '', shallow = false }: ListOptions = {},
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    let last = after === '' ? '' : this.#prefix + after
    let isMore = true
    while (isMore) {
      const range = { after: last, shallow }
      const page = await this.#reported('list', prefix, () => this.#page(this.#prefix + prefix, range))
      yield* page.entries
      isMore = page.isMore
      last = page.last
    }
  }

  async delete(key: string): Promise<void> {
    const target = this.#target(key)
    this.#checkWritable('delete', key)
    await this.#reported('delete', key, () => this.#s3.deleteObject(target))
  }

  /** Closes the connections. Operations that are running fail. */
  close(): void {
    this.#s3.destroy()
  }

  async #put(key: string, send: () => Promise<void>): Promise<'created' | 'exists'> {
    for (let tries = 1; ; tries++) {
      try {
        await send()
        return 'created'
      } catch (error) {
        if (isNamed(error, 'PreconditionFailed')) return 'exists'
        if (statusOf(error) === 501 && !isPage(error)) {
          throw noConditionalPut('it does not know the condition (501 NotImplemented)', error)
        }
        // The object was deleted while it was put. Nothing was stored.
        const isConflict = isNamed(error, 'ConditionalRequestConflict')
        if (!isConflict || tries >= PUT_TRIES) throw this.#failure('store', key, error)
      }
    }
  }

  /** Some stores know the condition on PUT, and ignore it when an upload in parts is completed. */
  async #checkConditions(): Promise<void> {
    await checkConditionalPut(this)
    const upload: Upload = { ...this.#target(PROBE_KEY), source: probeSource() }
    const result = await this.#put(PROBE_KEY, () => putInParts(this.#s3, upload))
    if (result === 'created') throw noConditionalPut('it replaced an object with one that was uploaded in parts')
  }

  /** The next entries with a prefix, and the key after which to go on. Prefix, range and that key are the bucket's. */
  async #page(
    prefix: string,
    { after, shallow }: Required<ListOptions>,
  ): Promise<{ entries: ObjectInfo[]; last: string; isMore: boolean }> {
    const page = await this.#s3.listObjectsV2({
      Bucket: this.#bucket,
      Prefix: prefix,
      ...(after !== '' && { StartAfter: after }),
      ...(shallow && { Delimiter: '/' }),
      // Some characters of keys cannot be in XML.
      EncodingType: 'url',
    })
    if (page.IsTruncated === undefined) {
      throw new Error('the endpoint did not answer with a list of objects: check that it is an S3 endpoint')
    }
    const [objects, folders] = [objectsOf(page), foldersOf(page)]
    const ends = folders.map(({ key }) => ({ key: key + LAST_CHARACTER }))
    const last = greatest(lastInOrder(objects, after), lastInOrder(ends, after))
    const later = folders.filter(({ key }) => compareKeys(key, after) > 0)
    const entries = [
      ...objects.map((object) => this.#named(object)).filter(({ key }) => isKey(key)),
      ...later.map((folder) => this.#named(folder)).filter(({ key }) => isKey(key.slice(0, -1))),
    ]
    return {
      entries: entries.toSorted((one, other) => compareKeys(one.key, other.key)),
      last,
      isMore: page.IsTruncated && last !== after,
    }
  }

  #named(entry: ObjectInfo): ObjectInfo {
    return { ...entry, key: entry.key.slice(this.#prefix.length) }
  }

  #target(key: string): { Bucket: string; Key: string } {
    const whole = this.#prefix + key
    checkKey(whole)
    return { Bucket: this.#bucket, Key: whole }
  }

  #checkWritable(doing: Operation, key: string): void {
    if (!this.#readOnly) return
    const message = `could not ${doing} ${JSON.stringify(key)}: the store is opened as read-only`
    throw new ObjectStoreError('denied', message, { key })
  }

  async #reported<T>(doing: Operation, key: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw this.#failure(doing, key, error)
    }
  }

  #failure(doing: Operation, key: string, error: unknown): ObjectStoreError {
    return failureOf({ doing, key, path: this.#prefix + key, bucket: this.#bucket }, error)
  }
}

function objectsOf({ Contents = [], EncodingType }: ListObjectsV2CommandOutput): ObjectInfo[] {
  return Contents.map(({ Key = '', Size = 0, LastModified }) => {
    return { key: decoded(Key, EncodingType), bytes: Size, ...timeOf(LastModified) }
  })
}

function foldersOf({ CommonPrefixes = [], EncodingType }: ListObjectsV2CommandOutput): ObjectInfo[] {
  return CommonPrefixes.map(({ Prefix = '' }) => ({ key: decoded(Prefix, EncodingType), bytes: 0 }))
}

/** The last key of what must be in the order of the keys, and after a key; that key if there is nothing. */
function lastInOrder(entries: readonly { readonly key: string }[], after: string): string {
  let last = after
  for (const { key } of entries) {
    if (compareKeys(key, last) <= 0) {
      const keys = `${JSON.stringify(key)} after ${JSON.stringify(last)}`
      throw new Error(`the store lists keys in another order than that of their bytes: ${keys}`)
    }
    last = key
  }
  return last
}

function greatest(one: string, other: string): string {
  return compareKeys(one, other) > 0 ? one : other
}

function decoded(key: string, encoding: string | undefined): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key
}

/** Of an upload in parts, S3 itself says when it began, and Ceph when it was completed. */
function timeOf(stored: Date | undefined): Pick<ObjectInfo, 'storedMs'> {
  return stored === undefined ? {} : { storedMs: stored.getTime() }
}

function isKey(key: string): boolean {
  try {
    checkKey(key)
    return true
  } catch {
    return false
  }
}
