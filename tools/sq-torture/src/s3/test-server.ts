/** Buckets on the server under test. They are removed at the end, with everything in them. */
import { randomUUID } from 'node:crypto'
import { S3 } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { S3ObjectStore } from '@sq/archive/s3'
import type { S3ObjectStoreOptions } from '@sq/archive/s3'

const DELETIONS_AT_ONCE = 16

/** Kinds of buckets that behave differently. */
export interface BucketKind {
  readonly versions?: boolean
  readonly objectLock?: boolean
}

export class TestServer {
  readonly client: S3ClientConfig
  /** The SDK, to set up what a store cannot. */
  readonly s3: S3
  readonly #buckets: string[] = []

  constructor(client: S3ClientConfig) {
    this.client = client
    this.s3 = new S3({ ...client, forcePathStyle: true })
  }

  /** Makes a bucket, and resolves with its name. */
  async bucket({ versions = false, objectLock = false }: BucketKind = {}): Promise<string> {
    const Bucket = `sq-test-${randomUUID()}`
    await this.s3.createBucket({ Bucket, ...(objectLock && { ObjectLockEnabledForBucket: true }) })
    this.#buckets.push(Bucket)
    if (versions) await this.s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })
    if (objectLock) {
      const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const
      await this.s3.putObjectLockConfiguration({
        Bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
      })
    }
    return Bucket
  }

  /** Opens a store, runs an action with it, and closes it. */
  async using<T>(options: S3ObjectStoreOptions, action: (store: S3ObjectStore) => Promise<T>): Promise<T> {
    const store = await S3ObjectStore.open({ client: this.client, ...options })
    try {
      return await action(store)
    } finally {
      store.close()
    }
  }

  /** Removes the buckets. */
  async clean(): Promise<void> {
    for (const bucket of this.#buckets.splice(0)) await this.#remove(bucket)
    this.s3.destroy()
  }

  async #remove(Bucket: string): Promise<void> {
    const { Uploads = [] } = await this.s3.listMultipartUploads({ Bucket })
    for (const { Key, UploadId } of Uploads) await this.s3.abortMultipartUpload({ Bucket, Key, UploadId })
    for (;;) {
      const { Versions = [], DeleteMarkers = [] } = await this.s3.listObjectVersions({ Bucket })
      const found = [...Versions, ...DeleteMarkers]
      if (found.length === 0) break
      // One by one, because some keys cannot be in the XML of a request that deletes many.
      const work = async (): Promise<void> => {
        for (let next = found.pop(); next !== undefined; next = found.pop()) {
          const { Key, VersionId } = next
          await this.s3.deleteObject({ Bucket, Key, VersionId, BypassGovernanceRetention: true })
        }
      }
      await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, work))
    }
    await this.s3.deleteBucket({ Bucket })
  }
}
