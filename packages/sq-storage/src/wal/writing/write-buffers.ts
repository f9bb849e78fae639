/**
 * Buffers for commits, kept for later ones: memory that is new to a process costs about as much as writing the bytes to
 * it. All writers of a thread share them, and a commit gives its buffer back as soon as it is settled, so idle writers
 * hold none.
 */
import { RecordBuffer } from '../format/record.ts'

const MAX_KEPT_BYTES = 16 * 1024 * 1024
const MIN_BUFFER_BYTES = 4096

export class WriteBuffers {
  /** By their length. */
  readonly #kept = new Map<number, RecordBuffer[]>()
  #keptBytes = 0
  #users = 0

  /** A writer was opened and may take buffers. */
  use(): void {
    this.#users++
  }

  /** The writer was closed. After the last one nothing is kept. */
  leave(): void {
    this.#users--
    if (this.#users > 0) return
    this.#kept.clear()
    this.#keptBytes = 0
  }

  /**
   * A buffer of at least this length, with undefined contents. It belongs to the caller alone. If one for
   * `expectedBytes` is kept, it is that one: then it need not be replaced when the commit grows.
   */
  take(bytes: number, expectedBytes: number = bytes): RecordBuffer {
    const expected = expectedBytes > bytes ? this.#takeKept(lengthFor(expectedBytes)) : null
    const length = lengthFor(bytes)
    return expected ?? this.#takeKept(length) ?? new RecordBuffer(Buffer.allocUnsafeSlow(length))
  }

  #takeKept(length: number): RecordBuffer | null {
    const kept = this.#kept.get(length)?.pop()
    if (kept === undefined) return null
    this.#keptBytes -= length
    return kept
  }

  /** Gives back a buffer that was taken, and to which neither the caller nor other code holds a reference any more. */
  give(buffer: RecordBuffer): void {
    const { length } = buffer.bytes
    if (length > MAX_KEPT_BYTES) return
    const alike = this.#kept.get(length) ?? []
    this.#kept.set(length, alike)
    alike.push(buffer)
    this.#keptBytes += length
    while (this.#keptBytes > MAX_KEPT_BYTES) this.#dropOne()
  }

  /** Drops a buffer of the length that takes the most memory. */
  #dropOne(): void {
    let [most, mostBytes] = [0, 0]
    for (const [length, { length: count }] of this.#kept) {
      if (length * count > mostBytes) [most, mostBytes] = [length, length * count]
    }
    this.#kept.get(most)?.pop()
    this.#keptBytes -= most
  }
}

/**
 * The length of a buffer for so many bytes: a power of two, so that buffers fit many commits, and no small commit holds
 * a large buffer. What is too long to be kept has no other use.
 */
function lengthFor(bytes: number): number {
  if (bytes > MAX_KEPT_BYTES) return bytes
  return Math.max(2 ** Math.ceil(Math.log2(bytes)), MIN_BUFFER_BYTES)
}

/** The buffers of this thread. */
export const writeBuffers: WriteBuffers = new WriteBuffers()
