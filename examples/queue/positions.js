/** The positions of the consumers, in a separate log. Only the last record of each name counts. */
import { WalReader, WalWriter } from '@sq/storage'

const TOPIC = 'positions'
const decoder = new TextDecoder()

/**
 * @param {string} name
 * @param {number} offset
 */
function recordOf(name, offset) {
  return { key: Buffer.from(name), value: Buffer.from(String(offset)), headers: [], timestampMs: Date.now() }
}

export class Positions {
  #writer
  #offsets

  /**
   * @param {WalWriter} writer
   * @param {Map<string, number>} offsets
   */
  constructor(writer, offsets) {
    this.#writer = writer
    this.#offsets = offsets
  }

  /**
   * @param {import('@sq/sim').FileSystem} fs
   * @param {import('@sq/storage').WalConfig} config
   */
  static async open(fs, config) {
    const writer = await WalWriter.open(fs, config, TOPIC, 0)
    const reader = await WalReader.open(fs, config, TOPIC, 0)
    /** @type {Map<string, number>} */
    const offsets = new Map()
    for await (const { key, value } of reader.read()) {
      if (key !== null) offsets.set(decoder.decode(key), Number(decoder.decode(value)))
    }
    if (offsets.size > 0) {
      // Append all positions to a new segment. When that is durable, the older segments can be deleted.
      await writer.closeActiveSegment()
      const first = await writer.appendBatch(Array.from(offsets, ([name, offset]) => recordOf(name, offset)))
      await writer.deleteSegments({ belowOffset: first })
    }
    return new Positions(writer, offsets)
  }

  /**
   * The next offset of a consumer. 0 for an unknown one.
   *
   * @param {string} name
   */
  get(name) {
    return this.#offsets.get(name) ?? 0
  }

  /**
   * Resolves once the position is durable.
   *
   * @param {string} name
   * @param {number} offset
   */
  async commit(name, offset) {
    await this.#writer.appendBatch([recordOf(name, offset)])
    // Appends resolve in the order of the log, so the map ends with the same position as the log.
    this.#offsets.set(name, offset)
  }

  async close() {
    await this.#writer.close()
  }
}
