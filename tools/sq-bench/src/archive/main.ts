/**
 * The part `archive`: what goes into an archive and comes out of it, compared with the same transfers without a log. It
 * uses a real S3 server where there is one, and a directory.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { NoGatewayError, openServer, TestServer } from '@sq/torture/s3'
import type { S3Server } from '@sq/torture/s3'
import type { Settings, Table } from '../part.ts'
import { archiveLog, writeLog } from './archived.ts'
import { openContender } from './contender.ts'
import type { Location } from './contender.ts'
import { firstRecord } from './first-record.ts'
import { replay } from './replay.ts'
import { restoring } from './restore.ts'
import { timeToArchive } from './time-to-archive.ts'
import { transfers } from './transfers.ts'
import { writerCost } from './writer-cost.ts'

export async function* archive(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const server = await openS3(join(directory, 'server'))
  try {
    const dataDir = join(directory, 'log')
    await writeLog(dataDir)
    if (server !== null) {
      const { client } = server
      const buckets = new TestServer(client)
      try {
        const location: Location = { kind: 'S3', bucket: await buckets.bucket(), client }
        yield* measure(location, { dataDir, directory: join(directory, 'S3'), rounds })
      } finally {
        await buckets.clean()
      }
    }
    const location: Location = { kind: 'directory', root: join(directory, 'store') }
    yield* measure(location, { dataDir, directory: join(directory, 'directory'), rounds })
  } finally {
    await server?.close()
  }
}

/** The server; null, after a line that says why, if there is none. */
async function openS3(directory: string): Promise<S3Server | null> {
  await mkdir(directory, { recursive: true })
  try {
    const server = await openServer(directory, new AbortController().signal)
    process.stdout.write(`S3 is ${server.name}\n\n`)
    return server
  } catch (error) {
    if (!(error instanceof NoGatewayError)) throw error
    const why = `there is no SQ_S3_ENDPOINT, and no gateway of Ceph: ${error.message}`
    process.stdout.write(`S3 is not measured: ${why}\n\n`)
    return null
  }
}

async function* measure(
  location: Location,
  { dataDir, directory, rounds }: { readonly dataDir: string; readonly directory: string; readonly rounds: number },
): AsyncGenerator<Table> {
  const contender = await openContender(location)
  try {
    yield await transfers(contender, dataDir, rounds)
    yield await timeToArchive(contender, join(directory, 'time-to-archive'), rounds)
    yield await writerCost(contender, join(directory, 'writer-cost'), rounds)
    const log = await archiveLog(dataDir, contender)
    yield await firstRecord(contender, log, rounds)
    yield await replay(contender, log, rounds)
    yield await restoring(contender, { log, directory, rounds })
  } finally {
    contender.close()
  }
  await rm(directory, { recursive: true })
}
