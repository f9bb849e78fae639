/** Splits a stream of bytes into lines, independent of its chunks. */
import type { Splitter } from './splitter.ts'

const newline = 0x0a

/** A line is every byte before a newline. Bytes after the last newline are a line unless there are none. */
export class LineSplitter implements Splitter {
  #rest: Buffer = Buffer.alloc(0)

  get pendingBytes(): number {
    return this.#rest.length
  }

  *split(chunk: Buffer): Generator<Buffer> {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const line = chunk.subarray(start, end)
      yield start === 0 ? Buffer.concat([this.#rest, line]) : line
      start = end + 1
    }
    const rest = chunk.subarray(start)
    this.#rest = start === 0 ? Buffer.concat([this.#rest, rest]) : rest
  }

  end(): Buffer[] {
    return this.#rest.length > 0 ? [this.#rest] : []
  }
}
