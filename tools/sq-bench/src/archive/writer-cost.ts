/** What archiving costs a writer: appends a second while its segments are uploaded, and without. */
import { join } from 'node:path'
import { Archiver } from '@sq/archive'
import { SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { fs, PARTITION, TOPIC } from '../filled-log.ts'
import { decimals, thousands } from '../markdown.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import { MB_PER_SECOND, rate, RATIO, rowOf } from './rounds.ts'

const PRODUCERS = 64
const VALUE = Buffer.alloc(1000, 'value ')
/** So that segments end, and are uploaded, all the time. */
const SEGMENT_BYTES = 16 * 1024 * 1024
const WARM_UP_MS = 500
const MEASURED_MS = 1500

const clock = new SystemClock()

interface Appending {
  readonly appendsPerSecond: number
  /** MB that were uploaded each second. */
  readonly uploaded: number
  /** How much of a processor the process took. */
  readonly processors: number
}

interface Figures {
  readonly archived: Appending
  readonly alone: Appending
}

export async function writerCost(contender: Contender, directory: string, rounds: number): Promise<Table> {
  const figures: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    const measured: Partial<Record<keyof Figures, Appending>> = {}
    const names = round % 2 === 0 ? (['archived', 'alone'] as const) : (['alone', 'archived'] as const)
    for (const name of names) {
      const dataDir = join(directory, `${round}-${name}`)
      measured[name] = await append(dataDir, name === 'archived' ? contender : null)
    }
    const { archived, alone } = measured
    if (archived !== undefined && alone !== undefined) figures.push({ archived, alone })
  }
  const share = decimals(2)
  const rows = [
    rowOf(figures, 'appends/s while uploading', ({ archived }) => archived.appendsPerSecond, thousands),
    rowOf(figures, 'appends/s without', ({ alone }) => alone.appendsPerSecond, thousands),
    rowOf(
      figures,
      'while uploading / without',
      ({ archived, alone }) => archived.appendsPerSecond / alone.appendsPerSecond,
      RATIO,
    ),
    rowOf(figures, 'uploaded meanwhile', ({ archived }) => archived.uploaded, MB_PER_SECOND),
    rowOf(figures, 'processors taken while uploading', ({ archived }) => archived.processors, share),
    rowOf(figures, 'processors taken without', ({ alone }) => alone.processors, share),
  ]
  const title = `${contender.names.store}: appends of 1,000 bytes by ${PRODUCERS} producers, in segments of 16 MiB`
  return { title, columns: ['', 'median', 'rounds'], rows, figures }
}

async function append(dataDir: string, contender: Contender | null): Promise<Appending> {
  const archiver = contender === null ? null : new Archiver(fs, { dataDir }, contender.store, { prefix: 'writer-cost' })
  const writer = await WalWriter.open(fs, { dataDir, maxSegmentBytes: SEGMENT_BYTES }, TOPIC, PARTITION, {
    onSegmentClosed: (segment) => archiver?.onSegmentClosed(segment),
  })
  archiver?.attach(writer, TOPIC, PARTITION)
  const uploadedBytes = (): number => archiver?.stats().uploadedBytes ?? 0
  await appendFor(writer, WARM_UP_MS)
  const [beganMs, processor, offset, uploaded] = [
    clock.monotonic(),
    process.cpuUsage(),
    writer.nextOffset,
    uploadedBytes(),
  ]
  await appendFor(writer, MEASURED_MS)
  const tookMs = clock.monotonic() - beganMs
  const { user, system } = process.cpuUsage(processor)
  const found = {
    appendsPerSecond: (1000 * Number(writer.nextOffset - offset)) / tookMs,
    uploaded: rate(uploadedBytes() - uploaded, tookMs),
    processors: (user + system) / 1000 / tookMs,
  }
  await archiver?.close()
  await writer.close()
  if (contender !== null) {
    for await (const { key } of contender.store.list('writer-cost/')) await contender.store.delete(key)
  }
  return found
}

async function appendFor(writer: WalWriter, timeMs: number): Promise<void> {
  const endMs = clock.monotonic() + timeMs
  const produce = async (): Promise<void> => {
    while (clock.monotonic() < endMs) await writer.append({ value: VALUE })
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produce))
}
