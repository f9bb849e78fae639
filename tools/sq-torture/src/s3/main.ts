/**
 * `pnpm test:s3 [--require]`: tests the store for S3 on a real server, in buckets that are removed at the end. Where none
 * can be had, it says so and succeeds, unless `--require` is given. `server.ts` says which server it is.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { main, UsageError } from '../options.ts'
import { formatSeconds } from '../progress.ts'
import { COMMAND_CHECKS } from './command-checks.ts'
import { NoGatewayError } from './gateway-packages.ts'
import { LOG_CHECKS } from './log-checks.ts'
import { openServer } from './server.ts'
import type { S3Server } from './server.ts'
import { STORE_CHECKS } from './store-checks.ts'
import { TestServer } from './test-server.ts'
import { TROUBLE_CHECKS } from './trouble-checks.ts'

const CHECKS = [...STORE_CHECKS, ...LOG_CHECKS, ...TROUBLE_CHECKS, ...COMMAND_CHECKS]

await main(async () => {
  const isRequired = readRequire()
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)))
  }
  try {
    await checkServer(ended.signal)
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

async function checkServer(signal: AbortSignal): Promise<void> {
  const beganMs = performance.now()
  const directory = await mkdtemp(join(tmpdir(), 'sq-s3-'))
  try {
    const server = await openServer(directory, signal)
    try {
      process.stdout.write(`${server.name} is ready after ${formatSeconds(performance.now() - beganMs)}\n`)
      await check(server, signal)
    } finally {
      await server.close()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function check({ name, client }: S3Server, signal: AbortSignal): Promise<void> {
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
