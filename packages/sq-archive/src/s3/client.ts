/** The client of the AWS SDK, which is loaded when the first store is opened. */
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3'

const CONNECT_TIMEOUT_MS = 10_000
/** How long a request may make no progress at all. */
const IDLE_TIMEOUT_MS = 60_000

/** Rejects with an error that says what to install if the SDK is missing, and with the errors of the client. */
export async function createClient(config: S3ClientConfig): Promise<S3> {
  const sdk = await loadSdk()
  return new sdk.S3({
    // Few stores other than AWS have a host name for each bucket, and all have paths.
    forcePathStyle: hasOwnEndpoint(config),
    // Only ranges are read, and a store has checksums of whole objects.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Without limits, a server that accepts a request and never answers would stop an archiver for ever.
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
    ...config,
  })
}

async function loadSdk(): Promise<typeof import('@aws-sdk/client-s3')> {
  try {
    return await import('@aws-sdk/client-s3')
  } catch (error) {
    // A bundle to CommonJS has the second code.
    const isMissing = /^(ERR_)?MODULE_NOT_FOUND$/.test(codeOf(error))
    if (!isMissing) throw error
    const message =
      '@sq/archive/s3 needs @aws-sdk/client-s3, which is not installed: run npm install @aws-sdk/client-s3'
    throw new Error(message, { cause: error })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function hasOwnEndpoint({ endpoint }: S3ClientConfig): boolean {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env
  return [endpoint, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL].some((value) => value !== undefined && value !== '')
}
