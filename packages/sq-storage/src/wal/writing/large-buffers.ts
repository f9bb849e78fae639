/**
 * Buffers for large commits, kept for the next one: memory that is new to a process costs it about as much as what is
 * written there. All writers of a thread share them, so that those who have nothing to do hold none.
 */
import { RecordBuffer } from '../format/record.ts'

const MAX_KEPT_BYTES = 16 * 1024 * 1024

export class LargeBuffers {
  /** By length, the longest last. */
  #kept: RecordBuffer[] = []
  #users = 0

  /** A writer is open, which may take some. */
  use(): void {
    this.#users++
  }

  /** It is closed. After the last one nothing is kept. */
  leave(): void {
    this.#users--
    if (this.#users === 0) this.#kept = []
  }

  /** A buffer of so many bytes or more, with anything in it. It is the caller's alone. */
  take(bytes: number): RecordBuffer {
    const longest = this.#kept.at(-1)
    if (longest === undefined || longest.bytes.length < bytes) return new RecordBuffer(Buffer.allocUnsafeSlow(bytes))
    this.#kept.pop()
    return longest
  }

  /** Takes a buffer that the caller does not use again, nor anybody who had it from the caller. */
  give(buffer: RecordBuffer): void {
    if (buffer.bytes.length > MAX_KEPT_BYTES) return
    this.#kept.push(buffer)
    this.#kept.sort((left, right) => left.bytes.length - right.bytes.length)
    let bytes = this.#kept.reduce((sum, kept) => sum + kept.bytes.length, 0)
    while (bytes > MAX_KEPT_BYTES) bytes -= this.#kept.shift()?.bytes.length ?? 0
  }
}

/** Those of this thread. */
export const largeBuffers: LargeBuffers = new LargeBuffers()
