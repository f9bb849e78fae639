/** `s3://bucket/prefix`, as the AWS CLI writes it. */

/** A bucket, and a prefix in it. */
export interface S3Location {
  readonly bucket: string
  /** Empty if the URL names the bucket only. */
  readonly prefix: string
}

/**
 * Parses `s3://bucket` or `s3://bucket/prefix`. A slash at the end is ignored. Nothing is percent-decoded. Throws a
 * `RangeError` if it is no such URL.
 *
 * @example
 * ```ts
 * parseS3Url('s3://backups/orders/') // { bucket: 'backups', prefix: 'orders' }
 * ```
 */
export function parseS3Url(url: string): S3Location {
  const match = /^s3:\/\/([^/]+)(?:\/(.*?)\/?)?$/su.exec(url)
  if (match === null) {
    throw new RangeError(`${JSON.stringify(url)} does not name a bucket: s3://BUCKET or s3://BUCKET/PREFIX is expected`)
  }
  const [, bucket = '', prefix = ''] = match
  return { bucket, prefix }
}
