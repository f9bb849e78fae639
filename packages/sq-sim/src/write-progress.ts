/** The rest of a write that the system may do in pieces. The real and the in-memory handle share it. */
import { codeOf, systemError } from './system-error.ts'

/** The limit of buffers per system call: IOV_MAX of POSIX on Linux and macOS. */
const MAX_BUFFERS = 1024

/** Less than 2 GiB, the maximum of one write of Linux and of Node. */
const MAX_BYTES = 2 ** 30

/** The number of attempts without progress after which a write has failed. */
const MAX_IDLE_ATTEMPTS = 16

export class WriteProgress {
  readonly #buffers: readonly Uint8Array[]
  /** The first buffer that is not completely written, and how many of its bytes are. */
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

  /** The position of the next piece. */
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

  /** Records that the system took this number of bytes. Throws `EIO` if it repeatedly takes none. */
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

  /**
   * Records that the system refused the piece. Throws the error, unless it is transient and has not occurred too often.
   */
  failed(error: unknown): void {
    if (!isTransient(error)) throw error
    this.#idle(error)
  }

  #idle(error: unknown): void {
    if (++this.#idleAttempts === MAX_IDLE_ATTEMPTS) throw error
  }
}

/** Whether an error is transient: the call may be repeated. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EINTR' || code === 'EAGAIN'
}
