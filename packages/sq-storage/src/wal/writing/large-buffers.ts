/**
 * Buffers for large commits, kept for later ones: memory that is new to a process costs about as much as writing the
 * bytes to it. All writers of a thread share them, so idle writers hold none.
 */
import { RecordBuffer } from '../format/record.ts'

const MAX_KEPT_BYTES = 16 * 1024 * 1024

export class LargeBuffers {
  /** By length, the longest last. */
  #kept: RecordBuffer[] = []
  #users = 0

  /** A writer was opened and may take buffers. */
  use(): void {
    this.#users++
  }

  /** The writer was closed. After the last one nothing is kept. */
  leave(): void {
    this.#users--
    if (this.#users === 0) this.#kept = []
  }

  /** A buffer of at least this length, with undefined contents. It belongs to the caller alone. */
  take(bytes: number): RecordBuffer {
    const longest = this.#kept.at(-1)
    if (longest === undefined || longest.bytes.length < bytes) return new RecordBuffer(Buffer.allocUnsafeSlow(bytes))
    this.#kept.pop()
    return longest
  }

  /** Gives back a buffer to which neither the caller nor other code holds a reference any more. */
  give(buffer: RecordBuffer): void {
    if (buffer.bytes.length > MAX_KEPT_BYTES) return
    this.#kept.push(buffer)
    this.#kept.sort((left, right) => left.bytes.length - right.bytes.length)
    let bytes = this.#kept.reduce((sum, kept) => sum + kept.bytes.length, 0)
    while (bytes > MAX_KEPT_BYTES) bytes -= this.#kept.shift()?.bytes.length ?? 0
  }
}

/** The buffers of this thread. */
export const largeBuffers: LargeBuffers = new LargeBuffers()
