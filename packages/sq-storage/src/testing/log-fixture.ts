/** Helper functions for tests of the log: open, append, crash, read back, on the in-memory file system. */
import { join } from 'node:path'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalReader, WalWriter } from '../index.ts'
import type { ClosedSegment, LogRecord, ReadOptions, WalConfig } from '../index.ts'
import { segmentName } from '../wal/segment.ts'

export const TIMESTAMP_MS = 1_700_000_000_000

export function bytes(text: string): Buffer {
  return Buffer.from(text)
}

/** The log of one partition, `orders/0`, in a file system of its own. */
export class LogFixture {
  readonly fs: InMemoryFileSystem
  readonly clock: ManualClock = new ManualClock()
  readonly config: WalConfig
  readonly directory = '/data/orders/0'
  /** Every segment handed to `onSegmentClosed`. */
  readonly closed: ClosedSegment[] = []

  constructor(config: Partial<WalConfig> = {}, fs: InMemoryFileSystem = new InMemoryFileSystem()) {
    this.fs = fs
    this.config = { dataDir: '/data', ...config }
  }

  open(): Promise<WalWriter> {
    return WalWriter.open(this.fs, this.config, 'orders', 0, {
      clock: this.clock,
      random: new Random(1),
      onSegmentClosed: (segment) => this.closed.push(segment),
    })
  }

  /** The values of all records, as text. */
  async values(from?: bigint): Promise<string[]> {
    return (await this.records(from)).map(({ value }) => String(value))
  }

  async records(from?: bigint): Promise<LogRecord[]> {
    const reader = await WalReader.open(this.fs, this.config, 'orders', 0)
    const records: LogRecord[] = []
    for await (const record of reader.read(from === undefined ? {} : { from })) records.push(record)
    return records
  }

  /** The values that reading returns, as text, and the error that ended it; null at the end of the log. */
  async outcome(options: ReadOptions = {}): Promise<{ values: string[]; error: unknown }> {
    const values: string[] = []
    try {
      const reader = await WalReader.open(this.fs, this.config, 'orders', 0)
      for await (const { value } of reader.read(options)) values.push(String(value))
      return { values, error: null }
    } catch (error) {
      return { values, error }
    }
  }

  path(baseOffset: number): string {
    return join(this.directory, segmentName(baseOffset))
  }

  /** The names of the segment files. */
  async segmentNames(): Promise<string[]> {
    return (await this.fs.readdir(this.directory)).filter((name) => name.endsWith('.wal')).toSorted()
  }

  /** All bytes of a file. */
  async file(path: string): Promise<Buffer> {
    const handle = await this.fs.open(path, 'read')
    const content = Buffer.alloc(await handle.size())
    await handle.read(content, 0)
    await handle.close()
    return content
  }

  /** Every file in the log's directory, by name, with its bytes in base64. */
  async files(): Promise<Record<string, string>> {
    const files: Record<string, string> = {}
    for (const name of (await this.fs.readdir(this.directory)).toSorted()) {
      files[name] = (await this.file(join(this.directory, name))).toString('base64')
    }
    return files
  }

  /** Creates the directory of the log with these segment files, durably. */
  async makeSegments(...segments: readonly { baseOffset: number; bytes: Buffer }[]): Promise<void> {
    await this.fs.mkdir(this.directory)
    await this.make(join(this.directory, 'lock'), Buffer.alloc(0))
    for (const { baseOffset, bytes: content } of segments) await this.make(this.path(baseOffset), content)
  }

  /** Replaces the bytes of a file, durably. */
  async overwrite(path: string, content: Uint8Array): Promise<void> {
    const handle = await this.fs.open(path, 'read-write')
    await handle.truncate(content.length)
    await handle.write([content], 0)
    await handle.sync()
    await handle.close()
  }

  /** Creates a file, durably. */
  async make(path: string, content: Uint8Array): Promise<void> {
    const handle = await this.fs.open(path, 'create')
    await handle.writeDurable([content], 0)
    await handle.close()
    await this.fs.syncDirectory(join(path, '..'))
  }
}

/** Appends a value without key or headers. */
export function append(writer: WalWriter, value: string | Uint8Array): Promise<bigint> {
  return writer.append(null, typeof value === 'string' ? bytes(value) : value, [], TIMESTAMP_MS)
}

/** Appends values one at a time, each after the one before is acknowledged. */
export async function appendEach(writer: WalWriter, values: readonly (string | Uint8Array)[]): Promise<bigint[]> {
  const offsets: bigint[] = []
  for (const value of values) offsets.push(await append(writer, value))
  return offsets
}

/** Appends values all at once. */
export function appendAll(writer: WalWriter, values: readonly (string | Uint8Array)[]): Promise<bigint[]> {
  return Promise.all(values.map((value) => append(writer, value)))
}

/** Appends values as one batch. */
export function appendBatch(writer: WalWriter, values: readonly string[]): Promise<bigint> {
  return writer.appendBatch(
    values.map((value) => ({ key: null, value: bytes(value), headers: [], timestampMs: TIMESTAMP_MS })),
  )
}

/** `count` values that differ. */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `value ${index}`)
}
