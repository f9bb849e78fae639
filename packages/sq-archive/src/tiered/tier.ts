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

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#reader?.close()
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
