/** An archive and machines that write to it, each with a log and its archiver, on clocks that the test advances. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import type { WalConfig, WalWriterOptions } from '@sq/storage'
import { expect } from 'vitest'
import { Archiver, listArchive } from '../../index.ts'
import type { ArchiverOptions, LogArchiver } from '../../index.ts'
import { InMemoryObjectStore } from '../../memory/index.ts'

export const PLACE = { prefix: 'main', topic: 'orders', partition: 0 }
export const CONFIG: WalConfig = { dataDir: '/data' }

export class ArchiveFixture {
  store: InMemoryObjectStore = new InMemoryObjectStore()
  /** The errors with which archivers stopped. */
  readonly stopped: unknown[] = []

  machine(options: ArchiverOptions = {}, { fs = new InMemoryFileSystem(), seed = 1 } = {}): ArchivingMachine {
    return new ArchivingMachine(this, options, fs, seed)
  }

  /** The base offsets of the segments in the archive, which must be one log. */
  async segments(): Promise<bigint[]> {
    const { segments, detached } = await listArchive(this.store, PLACE)
    expect(detached).toEqual([])
    return segments.map(({ baseOffset }) => baseOffset)
  }

  /** The key of a segment, and its object. */
  async objectOf(baseOffset: bigint): Promise<{ key: string; content: Buffer }> {
    const key = `main/orders/0/${String(baseOffset).padStart(20, '0')}.wal`
    const content = Buffer.alloc((await this.store.head(key))?.bytes ?? 0)
    await this.store.get(key, content, 0)
    return { key, content }
  }
}

/** A machine with a log and its archiver. */
export class ArchivingMachine {
  readonly fs: InMemoryFileSystem
  readonly clock: ManualClock = new ManualClock()
  readonly archiver: Archiver
  readonly #seed: number

  constructor({ store, stopped }: ArchiveFixture, options: ArchiverOptions, fs: InMemoryFileSystem, seed: number) {
    this.fs = fs
    this.#seed = seed
    this.archiver = new Archiver(this.fs, CONFIG, store, {
      prefix: 'main',
      clock: this.clock,
      random: new Random(seed),
      onStopped: (error) => stopped.push(error),
      ...options,
    })
  }

  open(options: WalWriterOptions = {}, partition = 0): Promise<WalWriter> {
    const { onSegmentClosed } = this.archiver
    const random = new Random(this.#seed * 100 + partition)
    return WalWriter.open(this.fs, CONFIG, 'orders', partition, {
      clock: this.clock,
      random,
      onSegmentClosed,
      ...options,
    })
  }

  /** Opens the log and attaches it. */
  async start(options: WalWriterOptions = {}): Promise<{ writer: WalWriter; log: LogArchiver }> {
    const writer = await this.open(options)
    return { writer, log: this.archiver.attach(writer, 'orders', 0) }
  }

  /** The base offsets of the local segments. */
  async segments(): Promise<bigint[]> {
    return (await listSegments(this.fs, CONFIG, 'orders', 0)).map(({ baseOffset }) => baseOffset)
  }
}

/** Lets everything happen that does not need the clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Advances the clock in steps until a promise has settled. */
export async function withTime<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  const settled = { is: false }
  const noted = promise.finally(() => {
    settled.is = true
  })
  noted.catch(() => {})
  for (let step = 0; step < 200 && !settled.is; step++) {
    await settle()
    clock.advance(1000)
  }
  return noted
}

/** Appends segments of two records each. */
export async function appendSegments(writer: WalWriter, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await Promise.all([writer.append({ value: Buffer.from('a') }), writer.append({ value: Buffer.from('b') })])
    await writer.closeActiveSegment()
  }
}
