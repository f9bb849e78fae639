/** Cuts a stream of bytes into items that each have their length before them: four bytes, the most significant first. */
import { CommandError } from '../command-error.ts'
import type { Splitter } from './splitter.ts'

const PREFIX_BYTES = 4

export class PrefixedSplitter implements Splitter {
  readonly #maxBytes: number
  /** What came and is not part of a whole item, in the chunks that it came in. */
  #chunks: Buffer[] = []
  #bytes = 0

  /** A prefix that says more than `maxBytes` is refused before so much is gathered. */
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
    const expected = this.#bytes < PREFIX_BYTES ? `the ${PREFIX_BYTES} of a length` : `${this.#needed()}`
    throw new CommandError(`the input ends inside a record: ${this.#bytes} bytes are left, expected ${expected}`)
  }

  /** How many bytes the next item takes, with its prefix; of the prefix alone, as long as that is not there. */
  #needed(): number {
    if (this.#bytes < PREFIX_BYTES) return PREFIX_BYTES
    if ((this.#chunks[0]?.length ?? 0) < PREFIX_BYTES) this.#joined()
    const length = this.#chunks[0]?.readUInt32BE(0) ?? 0
    if (length > this.#maxBytes) {
      throw new CommandError(`the length before the record is ${length}; the most is ${this.#maxBytes}`)
    }
    return PREFIX_BYTES + length
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}
