/** What is left of a write that the system may carry out in pieces; the real and the in-memory handle share it. */
import { codeOf, systemError } from './system-error.ts'

/** POSIX's IOV_MAX on Linux and macOS: so many buffers one system call takes. */
const MAX_BUFFERS = 1024

/** Less than the 2 GiB that Linux and Node write at once. */
const MAX_BYTES = 2 ** 30

/** So often in a row a write may get nowhere before it counts as failed. */
const MAX_IDLE_ATTEMPTS = 16

export class WriteProgress {
  readonly #buffers: readonly Uint8Array[]
  /** The first buffer that is not written to its end, and how many of its bytes are written. */
  #index = 0
  #written = 0
  #position: number
  #idleAttempts = 0
  readonly #path: string

  constructor(buffers: readonly Uint8Array[], position: number, path: string) {
    this.#buffers = buffers.filter((buffer) => buffer.byteLength > 0)
    this.#position = position
    this.#path = path
  }

  get done(): boolean {
    return this.#index === this.#buffers.length
  }

  /** Where the next piece belongs. */
  get position(): number {
    return this.#position
  }

  /** The next piece: as much as one system call takes. */
  next(): Uint8Array[] {
    const piece: Uint8Array[] = []
    let room = MAX_BYTES
    let from = this.#written
    for (let index = this.#index; index < this.#buffers.length && room > 0 && piece.length < MAX_BUFFERS; index++) {
      const buffer = this.#buffers[index]
      if (buffer === undefined) break
      const to = Math.min(buffer.byteLength, from + room)
      piece.push(to - from === buffer.byteLength ? buffer : buffer.subarray(from, to))
      room -= to - from
      from = 0
    }
    return piece
  }

  /** The system took so many bytes. Throws `EIO` when it takes none time after time. */
  wrote(bytes: number): void {
    if (bytes === 0) return this.#idle(systemError('EIO', { syscall: 'write', path: this.#path }))
    this.#idleAttempts = 0
    this.#position += bytes
    this.#written += bytes
    for (let buffer = this.#buffers[this.#index]; buffer !== undefined; buffer = this.#buffers[this.#index]) {
      if (this.#written < buffer.byteLength) break
      this.#written -= buffer.byteLength
      this.#index++
    }
  }

  /** The system refused the piece. Throws the error unless it only says "once more", and not too often. */
  failed(error: unknown): void {
    if (!isPassing(error)) throw error
    this.#idle(error)
  }

  #idle(error: unknown): void {
    if (++this.#idleAttempts === MAX_IDLE_ATTEMPTS) throw error
  }
}

/** An error that says "once more" rather than "no". */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EINTR' || code === 'EAGAIN'
}
