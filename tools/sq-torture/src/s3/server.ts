/**
 * A real S3 server: the one at `SQ_S3_ENDPOINT`, with the credentials and the region that the AWS SDK finds; without
 * this variable, a gateway of Ceph on loopback.
 */
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { Gateway } from './gateway.ts'
import { gatewayPackages } from './gateway-packages.ts'

export interface S3Server {
  readonly name: string
  readonly client: S3ClientConfig
  /** Ends the server, if it was started here. */
  readonly close: () => Promise<void>
}

/**
 * The directory must be there and empty; files of a server that is started are in it, until the caller removes it. Where
 * no server can be had, rejects with `NoGatewayError`.
 */
export async function openServer(directory: string, signal: AbortSignal): Promise<S3Server> {
  const { SQ_S3_ENDPOINT, AWS_REGION: region = 'us-east-1' } = process.env
  if (SQ_S3_ENDPOINT !== undefined && SQ_S3_ENDPOINT !== '') {
    return { name: SQ_S3_ENDPOINT, client: { endpoint: SQ_S3_ENDPOINT, region }, close: async () => {} }
  }
  const root = await gatewayPackages(signal)
  const [gateway, { endpoint, ...credentials }] = await Gateway.start(root, directory, signal)
  const client = { endpoint, region: 'us-east-1', credentials }
  return { name: `Ceph ${await gateway.version()}`, client, close: () => gateway.stop() }
}
