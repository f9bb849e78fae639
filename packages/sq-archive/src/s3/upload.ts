/** Creates objects, if there is none with the key: in one request, or in parts. */
import { crc32 } from 'node:zlib'
import type { CompletedPart, S3 } from '@aws-sdk/client-s3'
import { checkSum } from '../object-source.ts'
import type { ObjectSource } from '../object-store.ts'
import { checkAnswer } from './answer.ts'

const MIB = 1024 * 1024
/** Larger objects are uploaded in parts of this size, so that a failure does not cost all that was sent. */
export const PART_BYTES: number = 8 * MIB
/** The protocol has no more. */
const MAX_PARTS = 10_000
/** So many parts of an object are in memory, and on their way, at the same time. */
const PARTS_AT_ONCE = 4

/** An object that is to be created. */
export interface Upload {
  readonly Bucket: string
  readonly Key: string
  readonly source: ObjectSource
}

/** Creates an object in one request. Rejects with the errors of the SDK and the source, and `bad-source`. */
export async function putWhole(s3: S3, { Bucket, Key, source }: Upload): Promise<void> {
  const Body = Buffer.allocUnsafeSlow(source.bytes)
  await source.read(Body, 0)
  checkSum(Key, source, crc32(Body))
  const checksum = { ChecksumCRC32: encodeSum(source.crc32) }
  checkAnswer(await s3.putObject({ Bucket, Key, Body, ContentLength: source.bytes, IfNoneMatch: '*', ...checksum }))
}

/**
 * Creates an object in parts. The store combines the checksums of the parts, and compares the result with that of the
 * source. After a failure it aborts the upload; what a killed process leaves is no object, and the bucket's lifecycle
 * should remove it. Rejects as `putWhole` does.
 */
export async function putInParts(s3: S3, { Bucket, Key, source }: Upload): Promise<void> {
  const kind = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key, ...kind })
  const upload = { Bucket, Key, UploadId }
  try {
    const Parts = await sendParts(s3, upload, source)
    const checksum = { ChecksumCRC32: encodeSum(source.crc32), ChecksumType: kind.ChecksumType }
    const completion = { MultipartUpload: { Parts }, IfNoneMatch: '*', ...checksum }
    checkAnswer(await s3.completeMultipartUpload({ ...upload, ...completion }))
  } catch (error) {
    // The error that led here says more than one of the abortion would.
    await s3.abortMultipartUpload(upload).catch(() => {})
    throw error
  }
}

async function sendParts(
  s3: S3,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
  source: ObjectSource,
): Promise<CompletedPart[]> {
  const partBytes = Math.max(PART_BYTES, Math.ceil(source.bytes / MAX_PARTS))
  const count = Math.max(Math.ceil(source.bytes / partBytes), 1)
  const buffers = Array.from({ length: Math.min(count, PARTS_AT_ONCE) }, () =>
    Buffer.allocUnsafeSlow(Math.min(partBytes, source.bytes)),
  )
  const parts: Promise<CompletedPart>[] = []
  try {
    let sum = 0
    for (let index = 0; index < count; index++) {
      // The buffer of this part is free once the part that had it before was sent.
      await parts[index - buffers.length]
      const buffer = buffers[index % buffers.length] ?? Buffer.alloc(0)
      const Body = buffer.subarray(0, source.bytes - index * partBytes)
      await source.read(Body, index * partBytes)
      sum = crc32(Body, sum)
      const sent = sendPart(s3, { ...upload, PartNumber: index + 1, Body })
      // If it fails, it is noticed when it is waited for.
      sent.catch(() => {})
      parts.push(sent)
    }
    checkSum(upload.Key, source, sum)
    return await Promise.all(parts)
  } finally {
    // A part that arrives after the abortion would stay in the store.
    await Promise.allSettled(parts)
  }
}

async function sendPart(
  s3: S3,
  part: { Bucket: string; Key: string; UploadId: string | undefined; PartNumber: number; Body: Buffer },
): Promise<CompletedPart> {
  const ChecksumCRC32 = encodeSum(crc32(part.Body))
  const { ETag } = await s3.uploadPart({ ...part, ContentLength: part.Body.length, ChecksumCRC32 })
  return { PartNumber: part.PartNumber, ETag, ChecksumCRC32 }
}

/** A checksum as the protocol writes it. */
function encodeSum(sum: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(sum)
  return bytes.toString('base64')
}
