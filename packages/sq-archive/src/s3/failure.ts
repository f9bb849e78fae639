/** What the errors of the AWS SDK mean: a code, and a sentence that says what to do. */
import { ObjectStoreError } from '../object-store.ts'
import type { ObjectStoreErrorCode } from '../object-store.ts'

/** An operation as an error message names it. */
export type Operation = 'store' | 'read' | 'look for' | 'list' | 'delete'

/** Where an operation failed. */
export interface Attempted {
  readonly doing: Operation
  /** The key, or the prefix of a listing, as the caller knows it. */
  readonly key: string
  /** The same in the bucket. */
  readonly path: string
  readonly bucket: string
}

/** What the SDK adds to an error. All of it may be missing. */
interface SdkError {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

const RIGHTS: Readonly<Record<Operation, string>> = {
  store: 's3:PutObject',
  read: 's3:GetObject, and s3:ListBucket to be told that an object does not exist',
  'look for': 's3:GetObject, and s3:ListBucket to be told that an object does not exist',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
}

const CHECK_CREDENTIALS = 'check the credentials, and that they belong to this endpoint'
const SET_REGION = 'the bucket is in another region: set the region of the client'

/** By the name of the error, what it means and what to do. */
const ADVICE: Readonly<Record<string, string>> = {
  CredentialsProviderError:
    'no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or any other source that the AWS SDK ' +
    'knows, or pass `credentials` to the client',
  InvalidAccessKeyId: `the store does not know the access key: ${CHECK_CREDENTIALS}`,
  SignatureDoesNotMatch: `the secret key is not that of the access key: ${CHECK_CREDENTIALS}`,
  ExpiredToken: 'the session token has expired: get new credentials',
  InvalidToken: 'the session token is not valid: get new credentials',
  RequestTimeTooSkewed: 'the clocks of this machine and of the store differ too much: set the clock of this machine',
  PermanentRedirect: SET_REGION,
  AuthorizationHeaderMalformed: SET_REGION,
  IllegalLocationConstraintException: SET_REGION,
  InvalidObjectState: 'its storage class does not allow to read it immediately: restore the object first',
  TimeoutError: 'the store did not answer in time: check the endpoint and the network',
  SlowDown: 'the store asks for fewer requests: try again later',
}

const BROKEN = /^(ECONNRESET|EPIPE)$/
const UNREACHABLE = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

/** These have a status of 4xx, though the same request may succeed later, or has already. */
const UNCERTAIN_NAMES: ReadonlySet<string> = new Set([
  'BadDigest',
  'IncompleteBody',
  'InvalidPart',
  'NoSuchUpload',
  'RequestTimeout',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
])
const UNCERTAIN_STATUS: ReadonlySet<number> = new Set([408, 409, 412, 425, 429])

/** The error of the store for one of the SDK. An `ObjectStoreError` is returned as it is. */
export function failureOf(attempted: Attempted, error: unknown): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error
  const { doing, key, bucket, path } = attempted
  const message = `could not ${doing} ${JSON.stringify(`s3://${bucket}/${path}`)}: ${explain(attempted, error)}`
  return new ObjectStoreError(codeOf(doing, error), message, { key, cause: error })
}

/** Whether an error has this name: the code in the answer of the store. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}

/** The status of the answer; undefined if there was none. */
export function statusOf(error: unknown): number | undefined {
  return sdkError(error).$metadata?.httpStatusCode
}

/** Whether the answer is a page for people: of a proxy, or of a server that is no object store. */
export function isPage(error: unknown): boolean {
  const headers = Object.entries(sdkError(error).$response?.headers ?? {})
  return headers.some(([name, value]) => name.toLowerCase() === 'content-type' && value.startsWith('text/html'))
}

function codeOf(doing: Operation, error: unknown): ObjectStoreErrorCode {
  const { name = '', $metadata = {} } = sdkError(error)
  const { httpStatusCode: status = 0, attempts = 1 } = $metadata
  const isUnsent = name === 'CredentialsProviderError'
  const isRefusal = status >= 300 && status < 500 && !UNCERTAIN_STATUS.has(status) && !UNCERTAIN_NAMES.has(name)
  // Only the last attempt was refused: one before it may have taken effect.
  const isFinal = attempts === 1 || (doing !== 'store' && doing !== 'delete')
  return (isUnsent || isRefusal) && isFinal && !isPage(error) ? 'denied' : 'failed'
}

function explain({ doing, bucket }: Attempted, error: unknown): string {
  const { name = '', message = '', code = '', $metadata } = sdkError(error)
  const status = $metadata?.httpStatusCode
  const answer = status === undefined ? '' : ` (${[status, name].join(' ')})`
  if (isPage(error)) {
    return `the endpoint answered with a web page${answer}: check that it is an S3 endpoint, and what proxies do`
  }
  if (name === 'NoSuchBucket') {
    return `there is no bucket ${JSON.stringify(bucket)}: create it, or correct its name or the endpoint`
  }
  // The SDK calls these a TimeoutError, too.
  if (BROKEN.test(code)) return `the connection was lost (${code}): check the endpoint and the network`
  if (UNREACHABLE.test(code)) return `the endpoint cannot be reached (${code}): check the endpoint and the network`
  const advice = ADVICE[name]
  if (advice !== undefined) return `${advice}${answer}`
  if (message.startsWith('Region is missing')) {
    return 'no region is set: set AWS_REGION, or `region` of the client; many stores other than AWS accept us-east-1'
  }
  if (status === 403) {
    return `the store refused${answer}: check the credentials, and that they have the right ${RIGHTS[doing]}`
  }
  return `${message === '' ? code || name : message}${answer}`
}

function sdkError(error: unknown): SdkError {
  return error instanceof Error ? error : { message: String(error) }
}
