/** The stores that are measured, and what takes their place in a comparison: the same transfers without this project. */
import { once } from 'node:events'
import { constants } from 'node:fs'
import { copyFile, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { S3 } from '@aws-sdk/client-s3'
import type { CompletedPart, S3ClientConfig } from '@aws-sdk/client-s3'
import { DirectoryObjectStore } from '@sq/archive'
import type { ObjectStore } from '@sq/archive'
import { S3ObjectStore } from '@sq/archive/s3'
import { fs } from '../filled-log.ts'

/** Where a store is. It can be passed to another process. */
export type Location =
  | { readonly kind: 'directory'; readonly root: string }
  | { readonly kind: 'S3'; readonly bucket: string; readonly client: S3ClientConfig }

/** Transfers without checksums and conditions. */
interface Raw {
  /** Stores the first bytes of a file, durably. */
  put(key: string, path: string, bytes: number): Promise<void>
  /** Fills a buffer from a position on. */
  get(key: string, buffer: Uint8Array, position: number): Promise<void>
  close(): void
}

export interface Contender {
  readonly location: Location
  /** How the store is called in tables, and the transfers without it. */
  readonly names: { readonly store: string; readonly raw: string }
  readonly store: ObjectStore
  readonly raw: Raw
  close(): void
}

const PART_BYTES = 8 * 1024 * 1024
const PARTS_AT_ONCE = 4

export async function openContender(location: Location): Promise<Contender> {
  if (location.kind === 'directory') {
    const names = { store: 'DirectoryObjectStore', raw: 'bare files' }
    const [store, raw] = [new DirectoryObjectStore(fs, location.root), new RawDirectory(location.root)]
    return { location, names, store, raw, close: () => {} }
  }
  const { bucket, client } = location
  const store = await S3ObjectStore.open({ bucket, client })
  const raw = new RawS3(bucket, client)
  const close = (): void => {
    store.close()
    raw.close()
  }
  return { location, names: { store: 'S3ObjectStore', raw: 'bare client' }, store, raw, close }
}

/** Copies by the system, and one sync. */
class RawDirectory implements Raw {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async put(key: string, path: string, bytes: number): Promise<void> {
    const to = join(this.#root, key)
    await mkdir(dirname(to), { recursive: true })
    await copyAndSync(path, to, bytes)
  }

  async get(key: string, buffer: Uint8Array, position: number): Promise<void> {
    const file = await open(join(this.#root, key))
    await file.read(buffer, 0, buffer.length, position)
    await file.close()
  }

  close(): void {}
}

/** The client of the AWS SDK: four parts of 8 MiB at the same time, and ranges. */
class RawS3 implements Raw {
  readonly #bucket: string
  readonly #s3: S3

  constructor(bucket: string, client: S3ClientConfig) {
    this.#bucket = bucket
    this.#s3 = new S3({
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...client,
    })
  }

  async put(Key: string, path: string, bytes: number): Promise<void> {
    const target = { Bucket: this.#bucket, Key }
    const file = await open(path)
    if (bytes <= PART_BYTES) {
      const Body = Buffer.allocUnsafe(bytes)
      await file.read(Body, 0, bytes, 0)
      await this.#s3.putObject({ ...target, Body })
    } else {
      const { UploadId } = await this.#s3.createMultipartUpload(target)
      const parts: CompletedPart[] = []
      let next = 0
      const send = async (): Promise<void> => {
        const buffer = Buffer.allocUnsafe(PART_BYTES)
        for (let index = next++; index * PART_BYTES < bytes; index = next++) {
          const position = index * PART_BYTES
          const Body = buffer.subarray(0, Math.min(PART_BYTES, bytes - position))
          await file.read(Body, 0, Body.length, position)
          const { ETag } = await this.#s3.uploadPart({ ...target, UploadId, PartNumber: index + 1, Body })
          parts[index] = { PartNumber: index + 1, ETag }
        }
      }
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, send))
      await this.#s3.completeMultipartUpload({ ...target, UploadId, MultipartUpload: { Parts: parts } })
    }
    await file.close()
  }

  async get(Key: string, buffer: Uint8Array, position: number): Promise<void> {
    const Range = `bytes=${position}-${position + buffer.length - 1}`
    const { Body: body } = await this.#s3.getObject({ Bucket: this.#bucket, Key, Range })
    if (!(body instanceof Readable)) throw new TypeError('expected a stream')
    let at = 0
    body.on('data', (chunk: Buffer) => {
      at += chunk.copy(buffer, at)
    })
    await once(body, 'end')
    if (at !== buffer.length) throw new Error(`${at} bytes of ${Key}, expected ${buffer.length}`)
  }

  close(): void {
    this.#s3.destroy()
  }
}

/** Copies the first bytes of a file to a new one. */
async function copyAndSync(from: string, to: string, bytes: number): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL)
  const file = await open(to, 'r+')
  await file.truncate(bytes)
  await file.sync()
  await file.close()
}
