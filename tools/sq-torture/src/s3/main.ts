/**
 * `pnpm test:s3 [--require]`: tests the store for S3 on a real server. That is the one at `SQ_S3_ENDPOINT`, with the
 * credentials and the region that the AWS SDK finds, in buckets that are removed at the end; without this variable, a
 * gateway of Ceph on loopback. Where neither can be had, it says so and succeeds, unless `--require` is given.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { main, UsageError } from '../options.ts'
import { formatSeconds } from '../progress.ts'
import { Gateway } from './gateway.ts'
import { gatewayPackages, NoGatewayError } from './gateway-packages.ts'
import { LOG_CHECKS } from './log-checks.ts'
import { STORE_CHECKS } from './store-checks.ts'
import { TestServer } from './test-server.ts'

const CHECKS = [...STORE_CHECKS, ...LOG_CHECKS]

const { SQ_S3_ENDPOINT, AWS_REGION = 'us-east-1' } = process.env

await main(async () => {
  const isRequired = readRequire()
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)))
  }
  if (SQ_S3_ENDPOINT !== undefined && SQ_S3_ENDPOINT !== '') {
    return check(SQ_S3_ENDPOINT, { endpoint: SQ_S3_ENDPOINT, region: AWS_REGION }, ended.signal)
  }
  try {
    await checkGateway(ended.signal)
  } catch (error) {
    if (isRequired || !(error instanceof NoGatewayError)) throw error
    process.stdout.write(`skipped: there is no SQ_S3_ENDPOINT, and no gateway of Ceph: ${error.message}\n`)
  }
})

function readRequire(): boolean {
  try {
    return parseArgs({ options: { require: { type: 'boolean', default: false } } }).values.require
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

async function checkGateway(signal: AbortSignal): Promise<void> {
  const beganMs = performance.now()
  const root = await gatewayPackages(signal)
  const directory = await mkdtemp(join(tmpdir(), 'sq-s3-'))
  try {
    const [gateway, { endpoint, ...credentials }] = await Gateway.start(root, directory, signal)
    try {
      const name = `Ceph ${await gateway.version()}`
      process.stdout.write(`${name} is ready after ${formatSeconds(performance.now() - beganMs)}\n`)
      await check(name, { endpoint, region: 'us-east-1', credentials }, signal)
    } finally {
      await gateway.stop()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function check(name: string, client: S3ClientConfig, signal: AbortSignal): Promise<void> {
  const beganMs = performance.now()
  const server = new TestServer(client)
  const failures: string[] = []
  try {
    for (const { name: fact, run } of CHECKS) {
      signal.throwIfAborted()
      await run(server).catch((error: unknown) => {
        failures.push(fact)
        process.stdout.write(`FAILED: ${fact}\n  ${error instanceof Error ? error.stack : String(error)}\n`)
      })
    }
  } finally {
    await server.clean()
  }
  if (failures.length > 0) throw new Error(`${failures.length} of ${CHECKS.length} facts do not hold on ${name}`)
  process.stdout.write(`${CHECKS.length} facts hold on ${name}, ${formatSeconds(performance.now() - beganMs)}\n`)
}
