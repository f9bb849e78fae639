/** The part `opening`: opens a writer on a log of 1,000 sealed segments, and on a log that a crash has left torn. */
import { cp, mkdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import type { FileHandle, OpenMode, OpenOptions } from '@sq/sim'
import { listSegments, WalWriter } from '@sq/storage'
import type { WalConfig } from '@sq/storage'
import { openWriter, PARTITION, TOPIC } from './filled-log.ts'
import { decimals, thousands } from './markdown.ts'
import { median, spread, timesOf } from './measure.ts'
import type { Settings, Table } from './part.ts'

const SEGMENTS = 1000

/** What was measured of one kind of log. */
interface Opened {
  readonly log: string
  readonly timesMs: readonly number[]
  readonly segmentBytes: number
  /** Null if it was not counted. */
  readonly bytesRead: number | null
}

export async function* opening(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const figures = [await sealed({ dataDir: join(directory, 'sealed') }, rounds), await torn(directory, rounds)]
  const whole = decimals(0)
  const rows = figures.map(({ log, timesMs, bytesRead }) => {
    return [log, whole(median(timesMs)), spread(timesMs, whole), bytesRead === null ? '' : thousands(bytesRead)]
  })
  yield { title: 'Opening a writer', columns: ['', 'ms', 'rounds', 'bytes read'], rows, figures }
}

async function sealed(config: WalConfig, rounds: number): Promise<Opened> {
  const made = await openWriter(config)
  const value = Buffer.alloc(100_000)
  for (let segment = 0; segment < SEGMENTS; segment++) {
    await made.append(null, value, [], segment)
    await made.closeActiveSegment()
  }
  await made.close()
  const fs = new MeteredFileSystem()
  const timesMs = await timesOf(rounds, async () => {
    fs.bytesRead = 0
    const writer = await WalWriter.open(fs, config, TOPIC, PARTITION)
    await writer.close()
  })
  const log = `${thousands(SEGMENTS)} sealed segments`
  return { log, timesMs, segmentBytes: value.length, bytesRead: fs.bytesRead }
}

/** A log of one segment that is nearly full, with 64 records of 256 bytes per commit. The last commit is cut off. */
async function torn(directory: string, rounds: number): Promise<Opened> {
  const whole = join(directory, 'whole')
  const made = await openWriter({ dataDir: whole })
  const value = Buffer.alloc(256, 'value ')
  for (let commits = 0; commits < 3200; commits++) {
    await Promise.all(Array.from({ length: 64 }, () => made.append(null, value, [], commits)))
  }
  const records = Number(made.nextOffset)
  const [segment] = (await listSegments(new NodeFileSystem(), { dataDir: whole }, TOPIC, PARTITION)).slice(-1)
  const bytes = segment?.bytes ?? 0
  let round = 0
  const copies: string[] = []
  for (let copy = 0; copy < rounds; copy++) {
    const dataDir = join(directory, `torn-${copy}`)
    await mkdir(dataDir)
    await cp(whole, dataDir, { recursive: true })
    await truncate((segment?.path ?? '').replace(whole, dataDir), bytes - 5)
    copies.push(dataDir)
  }
  await made.close()
  const timesMs = await timesOf(rounds, async () => {
    const writer = await openWriter({ dataDir: copies[round++] ?? '' })
    if (writer.recovery.kind !== 'torn') throw new Error(`the log is ${writer.recovery.kind}`)
    await writer.close()
  })
  const log = `a torn segment of ${(bytes / 1e6).toFixed(0)} MB, ${thousands(records)} records`
  return { log, timesMs, segmentBytes: bytes, bytesRead: null }
}

/** The real file system, which counts the bytes that are read. */
class MeteredFileSystem extends NodeFileSystem {
  bytesRead = 0

  override async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const handle = await super.open(path, mode, options)
    const read = handle.read.bind(handle)
    handle.read = async (buffer, position) => {
      const bytesRead = await read(buffer, position)
      this.bytesRead += bytesRead
      return bytesRead
    }
    return handle
  }
}
