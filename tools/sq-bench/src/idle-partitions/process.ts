/** A process of the part `idle-partitions`. Gets a directory, and prints an `Outcome` as JSON. */
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'
import { fs as nodeFileSystem } from '../filled-log.ts'
import { writeBareFiles } from './bare-files.ts'
import type { Outcome } from './outcome.ts'
import { PARTITIONS } from './outcome.ts'

const SMALL = { value: Buffer.alloc(1000, 'value ') }
const BATCH = Array.from({ length: 100 }, () => ({ value: Buffer.alloc(9000, 'value ') }))

const clock = new SystemClock()

/** Counts the batches that the tailing readers have received. */
class Deliveries {
  #missing = 0
  #done = (): void => {}

  /** Resolves after so many more. */
  next(count: number): Promise<void> {
    this.#missing = count
    return new Promise((resolve) => {
      this.#done = resolve
    })
  }

  /** Tails a log. A loop would hold the last batch while it waits for the next one. */
  async tail(reader: WalReader, from: bigint): Promise<void> {
    const batches = reader.readBatches({ from, follow: true })
    const take = async (): Promise<boolean> => (await batches.next()).done !== true
    while (await take()) if (--this.#missing === 0) this.#done()
  }
}

async function run(directory: string): Promise<Outcome> {
  const config = { dataDir: join(directory, 'logs') }
  const writers: WalWriter[] = []
  const deliveries = new Deliveries()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const writer = await WalWriter.open(nodeFileSystem, config, 'bench', partition)
    writers.push(writer)
    const reader = await WalReader.open(nodeFileSystem, config, 'bench', partition)
    deliveries.tail(reader, writer.nextOffset).catch((error: unknown) => {
      process.nextTick(() => {
        throw error
      })
    })
  }
  await new Promise(setImmediate)
  const openedBytes = process.memoryUsage.rss()
  const beganMs = clock.monotonic()
  const delivered = deliveries.next(PARTITIONS)
  await Promise.all(writers.map((writer) => writer.append(SMALL)))
  const acknowledgedMs = clock.monotonic() - beganMs
  await delivered
  const firstCommitMs = clock.monotonic() - beganMs
  // The first append created a segment in each of them.
  const again = deliveries.next(PARTITIONS)
  const beganAgainMs = clock.monotonic()
  await Promise.all(writers.map((writer) => writer.append(SMALL)))
  await again
  const nextCommitMs = clock.monotonic() - beganAgainMs
  const last = deliveries.next(PARTITIONS)
  for (const writer of writers) await writer.appendBatch(BATCH)
  await last
  await new Promise(setImmediate)
  const idleBytes = process.memoryUsage.rss()
  const bareMs = await writeBareFiles(join(directory, 'bare'), { files: PARTITIONS, commitBytes: SMALL.value.length })
  return { openedBytes, acknowledgedMs, bareMs, firstCommitMs, nextCommitMs, idleBytes }
}

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('expected a directory')
const outcome = await run(directory)
process.stdout.write(JSON.stringify(outcome), () => process.exit())
