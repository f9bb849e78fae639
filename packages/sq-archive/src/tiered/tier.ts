/** One of the two places where a log is: on this machine, or in the archive. It may not be there yet. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { LogNotFoundError, readSegmentEnds, readSegmentStart, WalError, WalIoError, WalReader } from '@sq/storage'
import type { LogBounds, SegmentBytes, SegmentEnds, SegmentStart, WalConfig, WalReaderOptions } from '@sq/storage'
import { ObjectStoreFileSystem } from '../object-store-file-system.ts'
import { offsetInName, segmentName } from '../segment-key.ts'

/** How to open the log in a tier. */
export interface TierPlace {
  readonly fs: FileSystem
  readonly config: WalConfig
  readonly topic: string
  readonly partition: number
  readonly options: WalReaderOptions
}

export class Tier {
  readonly #place: TierPlace
  #reader: WalReader | null = null
  /** The call that opens the log, while it is under way. */
  #opening: Promise<WalReader | null> | null = null
  #isClosed = false

  constructor(place: TierPlace) {
    this.#place = place
  }

  /** The reader that was opened; null if there was no log yet. */
  get opened(): WalReader | null {
    return this.#reader
  }

  /** Resolves with the reader of the log, or with null if there is no log. Rejects as `WalReader.open` otherwise. */
  async reader(): Promise<WalReader | null> {
    if (this.#reader !== null) return this.#reader
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null
    })
    return this.#opening
  }

  /** The bounds of the log; null if there is none. */
  async bounds(): Promise<LogBounds | null> {
    const reader = await this.reader()
    return reader === null ? null : reader.bounds()
  }

  /** What the segment that holds an offset states at its beginning; null if there is none. */
  async startOfSegmentAt(offset: bigint): Promise<SegmentStart | null> {
    const names = await this.#io(this.#directory, () => this.#place.fs.readdir(this.#directory))
    let held: bigint | null = null
    for (const name of names ?? []) {
      const baseOffset = offsetInName(name)
      if (baseOffset !== null && baseOffset <= offset && baseOffset >= (held ?? 0n)) held = baseOffset
    }
    return held === null ? null : this.startOf(held)
  }

  /** What the segment that begins with an offset states at its beginning; null if there is none. */
  startOf(baseOffset: bigint): Promise<SegmentStart | null> {
    return this.#read(baseOffset, readSegmentStart)
  }

  /** Both ends of the segment that begins with an offset; null if there is none. It must have ended. */
  endsOf(baseOffset: bigint): Promise<SegmentEnds | null> {
    return this.#read(baseOffset, readSegmentEnds)
  }

  /** Forgets what is in memory of a segment, if it is of this place, and an archive. */
  forget(path: string): void {
    if (this.#place.fs instanceof ObjectStoreFileSystem) this.#place.fs.forget(path)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#reader?.close()
  }

  get #directory(): string {
    const { config, topic, partition } = this.#place
    return join(config.dataDir, topic, String(partition))
  }

  #read<T>(baseOffset: bigint, read: (segment: SegmentBytes) => Promise<T>): Promise<T | null> {
    const path = join(this.#directory, segmentName(baseOffset))
    return this.#io(path, async () => {
      const file = await this.#place.fs.open(path, 'read')
      try {
        return await read({ path, bytes: await file.size(), read: (buffer, position) => file.read(buffer, position) })
      } finally {
        await file.close()
      }
    })
  }

  /** Null if there is nothing with that path. */
  async #io<T>(path: string, action: () => Promise<T>): Promise<T | null> {
    try {
      return await action()
    } catch (error) {
      if (error instanceof WalError) throw error
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw new WalIoError('look at', path, error)
    }
  }

  async #open(): Promise<WalReader | null> {
    const { fs, config, topic, partition, options } = this.#place
    try {
      this.#reader = await WalReader.open(fs, config, topic, partition, options)
    } catch (error) {
      if (error instanceof LogNotFoundError) return null
      throw error
    }
    if (this.#isClosed) await this.#reader.close()
    return this.#reader
  }
}
