/** Keeps many appends to one writer in flight, up to a limit on their number and their bytes. */
import type { RecordInput, WalWriter } from '@sq/storage'

const maxAppends = 1024
const maxBytes = 16 * 1024 * 1024

export class AppendWindow {
  readonly #writer: Pick<WalWriter, 'append'>
  readonly #onAcknowledged: () => void
  #appends = 0
  #bytes = 0
  #failure: { readonly cause: unknown } | null = null
  #wake = (): void => {}

  /** Calls `onAcknowledged` for each record, in order, once it is durable. */
  constructor(writer: Pick<WalWriter, 'append'>, onAcknowledged: () => void) {
    this.#writer = writer
    this.#onAcknowledged = onAcknowledged
  }

  /** Starts an append without waiting for it. `room` and `drained` report a failure. */
  append(record: RecordInput): void {
    this.#appends++
    const bytes = record.value?.length ?? 0
    this.#bytes += bytes
    void this.#settle(this.#writer.append(record), bytes)
  }

  get isFull(): boolean {
    return this.#appends >= maxAppends || this.#bytes >= maxBytes
  }

  /** Resolves when another append may start. Rejects with the cause once an append has failed. */
  async room(): Promise<void> {
    await this.#until(() => !this.isFull)
  }

  /** Resolves when every append is acknowledged. Rejects with the cause once an append has failed. */
  async drained(): Promise<void> {
    await this.#until(() => this.#appends === 0)
  }

  async #settle(appended: Promise<bigint>, bytes: number): Promise<void> {
    try {
      await appended
      this.#appends--
      this.#bytes -= bytes
      this.#onAcknowledged()
    } catch (cause) {
      this.#failure ??= { cause }
    }
    this.#wake()
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (this.#failure === null && !isReached()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    if (this.#failure !== null) throw this.#failure.cause
  }
}
