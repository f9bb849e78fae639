/** Describes the logs of a place for the page, and remembers what it verified. */
import { join } from 'node:path'
import { listPartitions, listSegments } from '@sq/storage'
import type { LocatedLog, LogSource } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import type { LogData } from '../report/log-data.ts'
import { readLogData } from '../report/read-log-data.ts'
import type { LogLineData, LogsData } from './live-data.ts'
import { lockHolder } from './lock-holder.ts'

const PICTURE_LIMITS = { cells: 2000, limitBytes: null }

type Verified = NonNullable<LogLineData['verified']>

export class Logs {
  readonly #source: LogSource
  readonly #verified = new Map<string, Verified>()
  /** Questions at the same time have one answer. */
  #listing: Promise<LogsData> | null = null
  /** One log is read at a time: that takes a core. */
  #reading: Promise<unknown> = Promise.resolve()

  constructor(source: LogSource) {
    this.#source = source
  }

  list(): Promise<LogsData> {
    this.#listing ??= this.#describe().finally(() => {
      this.#listing = null
    })
    return this.#listing
  }

  /** Reads a log from its first byte to its last. */
  picture(log: LocatedLog): Promise<LogData> {
    const read = this.#reading.then(async () => {
      const data = await readLogData(log, PICTURE_LIMITS)
      const torn = data.cells.reduce((sum, [, , , , ignored]) => sum + ignored, 0)
      this.#verified.set(data.name, { atMs: Date.now(), problems: data.problems.total, torn })
      return data
    })
    this.#reading = read.catch(() => {})
    return read
  }

  async #describe(): Promise<LogsData> {
    const { fs, config, archive } = this.#source
    const logs: (LogLineData | { name: string; error: string })[] = []
    for (const listed of await listPartitions(fs, config)) {
      const name = listed.partition === null ? listed.topic : `${listed.topic}/${listed.partition}`
      try {
        if (listed.error !== undefined) throw listed.error
        logs.push(await this.#line(name, { ...this.#source, topic: listed.topic, partition: listed.partition }))
      } catch (error) {
        logs.push({ name, error: messageOf(error) })
      }
    }
    const space = archive === null ? await fs.space(config.dataDir).catch(() => null) : null
    return {
      place: archive ?? config.dataDir,
      atMs: Date.now(),
      freeBytes: space?.freeBytes ?? null,
      totalBytes: space?.totalBytes ?? null,
      logs,
    }
  }

  async #line(name: string, { fs, config, topic, partition, archive }: LocatedLog): Promise<LogLineData> {
    const segments = await listSegments(fs, config, topic, partition)
    const holder =
      archive === null
        ? await lockHolder(join(config.dataDir, topic, String(partition), 'lock'))
        : ({ state: 'unknown' } as const)
    const [startOffset, endOffset] = [segments[0]?.baseOffset ?? 0n, segments.at(-1)?.nextOffset ?? 0n]
    const least = segments.reduce((found, { minTimestampMs }) => Math.min(found, minTimestampMs ?? Infinity), Infinity)
    const most = segments.reduce((found, { maxTimestampMs }) => Math.max(found, maxTimestampMs ?? -Infinity), -Infinity)
    return {
      name,
      segments: segments.length,
      records: Number(endOffset - startOffset),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      startOffset: Number(startOffset),
      endOffset: Number(endOffset),
      minTimestampMs: least === Infinity ? null : least,
      maxTimestampMs: most === -Infinity ? null : most,
      holder: holder.state,
      holderPid: holder.state === 'held' ? holder.pid : null,
      verified: this.#verified.get(name) ?? null,
    }
  }
}
