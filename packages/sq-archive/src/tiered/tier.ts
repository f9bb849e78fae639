/** One of the two places where a log is: on this machine, or in the archive. It may not be there yet. */
import type { FileSystem } from '@sq/sim'
import { LogNotFoundError, WalReader } from '@sq/storage'
import type { LogBounds, WalConfig, WalReaderOptions } from '@sq/storage'

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
    const { fs, config, topic, partition, options } = this.#place
    try {
      const reader = await WalReader.open(fs, config, topic, partition, options)
      // Another call may have opened one meanwhile.
      this.#reader ??= reader
    } catch (error) {
      if (error instanceof LogNotFoundError) return null
      throw error
    }
    if (this.#isClosed) await this.#reader.close()
    return this.#reader
  }

  /** The bounds of the log; null if there is none. */
  async bounds(): Promise<LogBounds | null> {
    const reader = await this.reader()
    return reader === null ? null : reader.bounds()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#reader?.close()
  }
}
