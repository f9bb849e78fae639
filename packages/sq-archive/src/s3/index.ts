/** An object store in a bucket of S3, or of any store that speaks its protocol. */
export { S3ObjectStore } from './s3-object-store.ts'
export type { S3ObjectStoreOptions } from './s3-object-store.ts'
export { parseS3Url } from './s3-url.ts'
export type { S3Location } from './s3-url.ts'
