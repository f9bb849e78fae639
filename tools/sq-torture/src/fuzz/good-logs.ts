/** The intact logs of several shapes that fuzzing starts from, written by the writer itself. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import type { LogRecord, RecordBatch, WalConfig } from '@sq/storage'

export const CONFIG: WalConfig = { dataDir: '/d' }
export const PARTITION = 0
const TOPIC = 't'

/** The files in the directory of a log by name, segments and others. */
export type Files = Map<string, Buffer>

export interface GoodLog {
  readonly name: string
  readonly topic: string
  readonly files: Files
  /** The fingerprints of everything ever written at each offset, acknowledged or not. */
  readonly written: ReadonlyMap<bigint, ReadonlySet<string>>
}

/** Equal if and only if two records are equal. */
export function fingerprint({ key, value, headers, timestampMs }: Omit<LogRecord, 'offset'>): string {
  const parts = [
    value === null ? 'no value' : `value ${text(value)}`,
    ...headers.flatMap((header) => [header.key, text(header.value)]),
  ]
  if (key !== null) parts.push(text(key))
  return [timestampMs, key !== null, ...parts.map((part) => `${part.length}:${part}`)].join(' ')
}

/** The same of opaque batches. */
export function fingerprintOfOpaque(
  batch: Pick<RecordBatch, 'metadata' | 'payload' | 'recordCount' | 'minTimestampMs' | 'maxTimestampMs'>,
): string {
  const { metadata, payload, recordCount, minTimestampMs, maxTimestampMs } = batch
  const parts = [metadata, payload].map((part) => (part === null ? 'none' : text(part)))
  return ['opaque', recordCount, minTimestampMs, maxTimestampMs, ...parts.map((part) => `${part.length}:${part}`)].join(
    ' ',
  )
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The directory of a log. */
export function directoryOf(topic: string): string {
  return `${CONFIG.dataDir}/${topic}/${PARTITION}`
}

/** The files in the directory of a log, except the lock. */
export async function readFiles(fs: InMemoryFileSystem, directory: string): Promise<Files> {
  const names = (await fs.readdir(directory)).filter((name) => name !== 'lock')
  return new Map(names.map((name) => [name, Buffer.from(fs.volume.readFileSync(`${directory}/${name}`))]))
}

/** Writes a log, and records everything ever written at each offset. */
class Author {
  readonly fs: InMemoryFileSystem = new InMemoryFileSystem()
  readonly #written = new Map<bigint, Set<string>>()
  readonly #topic: string
  readonly #config: WalConfig
  readonly #random: Random
  #writer: WalWriter | null = null
  #serial = 0

  constructor(topic: string, seed: number, config: Partial<WalConfig>) {
    this.#topic = topic
    this.#config = { ...CONFIG, ...config }
    this.#random = new Random(seed)
  }

  /** The writer, which is opened if necessary. */
  async writer(): Promise<WalWriter> {
    const settings = { clock: new ManualClock(), random: this.#random }
    this.#writer ??= await WalWriter.open(this.fs, this.#config, this.#topic, PARTITION, settings)
    return this.#writer
  }

  /** Appends one frame with records of these lengths. False if it was rejected. */
  async append(...lengths: number[]): Promise<boolean> {
    const records = lengths.map((length) => this.#record(Buffer.alloc(length, `${this.#serial++},`)))
    return this.#appendBatch(records)
  }

  /** Appends a value that contains the bytes of a whole segment file. */
  async appendSegment(bytes: Uint8Array): Promise<boolean> {
    return this.#appendBatch([this.#record(bytes)])
  }

  /** Appends one frame with records of which some have no value. */
  async appendTombstones(count: number): Promise<boolean> {
    const values = Array.from({ length: count }, (_, at) => (at % 2 === 0 ? null : Buffer.from(`${at}`)))
    return this.#appendBatch(
      values.map((value) => ({ ...this.#record(Buffer.alloc(0)), value, timestampMs: this.#serial++ })),
    )
  }

  /** Appends a batch with metadata, and an opaque one behind it. */
  async appendOpaque(recordCount: number): Promise<void> {
    const writer = await this.writer()
    const metadata = Buffer.alloc(1 + recordCount, 'm')
    await this.#appendBatch([this.#record(Buffer.from('with metadata'))], metadata)
    const payload = Buffer.alloc(30, `${this.#serial++},`)
    const times = { minTimestampMs: this.#serial, maxTimestampMs: this.#serial + 5 }
    const batch = { payload, recordCount, ...times, metadata: recordCount % 2 === 0 ? null : metadata }
    this.#write(writer.nextOffset, fingerprintOfOpaque(batch))
    await writer.appendOpaque(batch)
  }

  async close(): Promise<void> {
    await (await this.writer()).close()
    this.#writer = null
  }

  /** Deletes records. */
  async deleteRecords(before: bigint): Promise<void> {
    await (await this.writer()).deleteRecords(before)
  }

  /** The files as they are now, as after the death of the process. */
  async finish(name: string): Promise<GoodLog> {
    const files = await readFiles(this.fs, directoryOf(this.#topic))
    return { name, topic: this.#topic, files, written: this.#written }
  }

  #record(value: Uint8Array): Omit<LogRecord, 'offset'> {
    const style = this.#serial % 3
    const key = style === 0 ? null : Buffer.alloc(style - 1, 'k')
    const headers =
      style === 2
        ? [
            { key: 'h', value: Buffer.from('v') },
            { key: 'é', value: Buffer.alloc(0) },
          ]
        : []
    return { key, value, headers, timestampMs: this.#serial }
  }

  async #appendBatch(
    records: readonly Omit<LogRecord, 'offset'>[],
    metadata: Uint8Array | null = null,
  ): Promise<boolean> {
    const writer = await this.writer()
    for (const [index, record] of records.entries()) {
      this.#write(writer.nextOffset + BigInt(index), fingerprint(record))
    }
    const [{ status }] = await Promise.allSettled([writer.appendBatch(records, { metadata })])
    return status === 'fulfilled'
  }

  #write(offset: bigint, content: string): void {
    const there = this.#written.get(offset) ?? new Set()
    this.#written.set(offset, there.add(content))
  }
}

interface Shape {
  readonly name: string
  readonly topic?: string
  readonly config?: Partial<WalConfig>
  /** `before`: the logs that have already been written. */
  readonly write: (author: Author, before: readonly GoodLog[]) => Promise<unknown>
}

const SHAPES: readonly Shape[] = [
  { name: 'one commit', write: (author) => author.append(10) },
  {
    name: 'sealed chain',
    config: { maxSegmentBytes: 400 },
    async write(author) {
      for (let commit = 0; commit < 7; commit++) await author.append(30 + commit)
      await author.append(40, 41, 42)
    },
  },
  {
    name: 'sealed to the end',
    async write(author) {
      for (let segment = 0; segment < 3; segment++) {
        await author.append(20)
        await author.append(7, 8, 9)
        await (await author.writer()).closeActiveSegment()
      }
    },
  },
  {
    name: 'abandoned',
    async write(author) {
      await author.append(20)
      author.fs.faults.failNext('sync', 'EIO')
      await author.append(21)
      await author.append(22)
      await author.append(23)
      author.fs.faults.add({ on: 'write', fault: { error: 'ENOSPC', afterBytes: 100 } })
      await author.append(500)
      await author.append(24)
      await author.close()
    },
  },
  {
    name: 'marked',
    async write(author) {
      for (let life = 0; life < 3; life++) {
        await author.append(50)
        await author.append(600)
        await author.close()
      }
      await author.append(51)
    },
  },
  {
    name: 'torn',
    async write(author) {
      await author.append(20)
      await author.append(21, 22)
      author.fs.faults.add({ on: 'write', fault: { error: 'EIO', afterBytes: 700 } })
      await author.append(1500)
    },
  },
  {
    name: 'many frames',
    async write(author) {
      for (let commit = 0; commit < 120; commit++) await author.append(commit % 17)
      await author.close()
    },
  },
  {
    name: 'frames as values',
    async write(author, before) {
      await author.append(10)
      for (const { files } of [...before.slice(0, 2), await author.finish('so far')]) {
        for (const bytes of files.values()) await author.appendSegment(bytes)
      }
      await author.append(12)
    },
  },
  {
    name: 'missing values',
    config: { maxSegmentBytes: 600 },
    async write(author) {
      await author.append(10)
      for (let commit = 1; commit < 6; commit++) await author.appendTombstones(commit)
      await author.close()
    },
  },
  {
    name: 'opaque batches',
    config: { maxSegmentBytes: 700 },
    async write(author) {
      await author.append(10)
      for (let recordCount = 1; recordCount < 6; recordCount++) await author.appendOpaque(recordCount)
      await author.append(20)
      await author.close()
    },
  },
  {
    name: 'deleted in part',
    config: { maxSegmentBytes: 700 },
    async write(author) {
      for (let commit = 0; commit < 4; commit++) await author.append(100, 101, 102)
      await author.appendOpaque(3)
      await author.deleteRecords(8n)
    },
  },
  {
    name: 'long topic',
    topic: 'x'.repeat(249),
    async write(author) {
      await author.append(10)
      await (await author.writer()).closeActiveSegment()
      await author.append(11)
      await author.append(12)
    },
  },
  {
    name: 'large frame',
    async write(author) {
      await author.append(10)
      await author.append(300_000)
      await author.append(11)
      await author.append(280_000)
      await author.append(12)
    },
  },
]

/** Writes the logs. They are the same on every call. */
export async function writeGoodLogs(): Promise<GoodLog[]> {
  const logs: GoodLog[] = []
  for (const { name, topic = TOPIC, config = {}, write } of SHAPES) {
    const author = new Author(topic, logs.length + 1, config)
    await write(author, logs)
    logs.push(await author.finish(name))
  }
  return logs
}
