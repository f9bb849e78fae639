/** Callers that wait until an offset is archived. */

/** A caller that waits. `done` is called once. */
interface Waiter {
  readonly offset: bigint
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Waiters {
  readonly #waiting = new Set<Waiter>()

  /** Resolves once `reached` is called with a later offset; rejects with the reason of an aborted signal. */
  wait(offset: bigint, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiting.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => end(() => reject(signal?.reason))
      const waiter: Waiter = {
        offset,
        resolve: () => end(resolve),
        reject: (error) => end(() => reject(error)),
      }
      this.#waiting.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Everything before an offset is archived. */
  reached(endOffset: bigint): void {
    for (const waiter of this.#waiting) if (waiter.offset < endOffset) waiter.resolve()
  }

  /** Nothing more will be archived. */
  fail(error: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(error)
  }
}
