/** Splits a stream of bytes into items that are each preceded by their length: four bytes, big-endian. */
import { CommandError } from '../command-error.ts'
import type { Splitter } from './splitter.ts'

const PREFIX_BYTES = 4

export class PrefixedSplitter implements Splitter {
  readonly #maxBytes: number
  /** The bytes of the item that is not complete yet, in the chunks in which they arrived. */
  #chunks: Buffer[] = []
  #bytes = 0

  /** A length over `maxBytes` is an error as soon as the prefix is read, before the item is buffered. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get pendingBytes(): number {
    return this.#bytes
  }

  *split(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    for (let needed = this.#needed(); this.#bytes >= needed; needed = this.#needed()) {
      const all = this.#joined()
      this.#chunks = [all.subarray(needed)]
      this.#bytes -= needed
      yield all.subarray(PREFIX_BYTES, needed)
    }
  }

  end(): Buffer[] {
    if (this.#bytes === 0) return []
    const expected = this.#bytes < PREFIX_BYTES ? `a length of ${PREFIX_BYTES} bytes` : `${this.#needed()} bytes`
    throw new CommandError(`the input ends in the middle of a record: expected ${expected}, found ${this.#bytes}`)
  }

  /** The size of the next item with its prefix, or of the prefix alone while that is incomplete. */
  #needed(): number {
    if (this.#bytes < PREFIX_BYTES) return PREFIX_BYTES
    if ((this.#chunks[0]?.length ?? 0) < PREFIX_BYTES) this.#joined()
    const length = this.#chunks[0]?.readUInt32BE(0) ?? 0
    if (length > this.#maxBytes) {
      throw new CommandError(`the length of the record is ${length} bytes; the maximum is ${this.#maxBytes}`)
    }
    return PREFIX_BYTES + length
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}
