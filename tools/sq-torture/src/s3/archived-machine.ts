/** A machine with a log and its archiver, in a temporary directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Archiver, ObjectStoreFileSystem } from '@sq/archive'
import type { ArchiverOptions, LogArchiver, ObjectStore } from '@sq/archive'
import { listSegments, NodeFileSystem, WalReader, WalWriter } from '@sq/storage'

/** The log of every check. */
export const PLACE = { topic: 'orders', partition: 0 }
const { topic, partition } = PLACE

const fs = new NodeFileSystem()

export class ArchivedMachine {
  readonly writer: WalWriter
  readonly log: LogArchiver
  readonly #archiver: Archiver
  readonly #dataDir: string

  private constructor(dataDir: string, { writer, archiver }: { writer: WalWriter; archiver: Archiver }) {
    this.#dataDir = dataDir
    this.writer = writer
    this.#archiver = archiver
    this.log = archiver.attach(writer, topic, partition)
  }

  static async start(dataDir: string, store: ObjectStore, options: ArchiverOptions = {}): Promise<ArchivedMachine> {
    const archiver = new Archiver(fs, { dataDir }, store, options)
    const { onSegmentClosed } = archiver
    const writer = await WalWriter.open(fs, { dataDir }, topic, partition, { onSegmentClosed })
    return new ArchivedMachine(dataDir, { writer, archiver })
  }

  /** Appends values, ends their segment, and resolves with the last offset. */
  async append(...values: string[]): Promise<bigint> {
    let last = 0n
    for (const value of values) last = await this.writer.append({ value: Buffer.from(value) })
    await this.writer.closeActiveSegment()
    return last
  }

  /** Does the same for each value, and waits until all are archived. */
  async archive(...values: string[]): Promise<void> {
    for (const value of values) await this.log.waitArchived(await this.append(value))
  }

  /** The first offset of each local segment that holds records. */
  async segments(): Promise<bigint[]> {
    const segments = await listSegments(fs, { dataDir: this.#dataDir }, topic, partition)
    return segments.filter(({ records }) => records > 0).map(({ baseOffset }) => baseOffset)
  }

  async stop(): Promise<void> {
    await this.#archiver.close()
    await this.writer.close()
  }
}

/** The values that are in the archive. */
export async function archivedValues(store: ObjectStore): Promise<string[]> {
  return valuesIn(await WalReader.open(new ObjectStoreFileSystem(store), { dataDir: '/' }, topic, partition))
}

async function valuesIn(reader: WalReader): Promise<string[]> {
  const found: string[] = []
  for await (const { value } of reader.read()) found.push(Buffer.from(value ?? []).toString())
  await reader.close()
  return found
}

/** Where a log can be restored to. */
export function targetIn(dataDir: string): { fs: NodeFileSystem; config: { dataDir: string } } {
  return { fs, config: { dataDir } }
}

/** Runs an action with a directory that is removed after it. */
export async function inDirectory(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sq-s3-log-'))
  try {
    await action(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}
