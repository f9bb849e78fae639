/**
 * Waiting for a log to change. A `Waker` wakes one iteration that waits, or ends it; a `Notifier` wakes many; an
 * `Ending` ends many. Notifiers and endings hold a waker only while its iteration waits, so a dropped iteration leaves
 * nothing behind in them.
 */

/** Wakes all wakers that wait when it notifies. A waker that comes later sees that it missed a notification. */
export class Notifier {
  #notifications = 0
  #waiting = new Set<Waker>()

  /** The number of notifications so far. */
  get notifications(): number {
    return this.#notifications
  }

  /** The number of wakers that wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  notify(): void {
    this.#notifications++
    if (this.#waiting.size === 0) return
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const waker of waiting) waker.wake()
  }

  /** @internal */
  add(waker: Waker): void {
    this.#waiting.add(waker)
  }

  /** @internal */
  delete(waker: Waker): void {
    this.#waiting.delete(waker)
  }
}

/** Ends iterations: those of a closed reader, or those of an aborted signal. */
export interface Ending {
  /** The error that the iterations end with; null before there is one. */
  readonly failure: { readonly reason: unknown } | null
  /** Wakes the waker once there is a failure, until `delete` is called. */
  add(waker: Waker): void
  delete(waker: Waker): void
}

export class Waker {
  #notifier: Notifier | null = null
  /** The notifier's count at the last `reset`. */
  #seen = 0
  readonly #endings: Ending[] = []
  #stopped = false
  #failure: { readonly reason: unknown } | null = null
  #callback: (() => void) | null = null

  /** Replaces the notifier that this waker waits for. Must not be called while it waits. */
  listenTo(notifier: Notifier): void {
    this.#notifier = notifier
    this.#seen = -1
  }

  /** Adds something that may end the iteration. */
  endBy(ending: Ending): void {
    this.#endings.push(ending)
  }

  /** Wakes the iteration if it waits. */
  wake(): void {
    const callback = this.#callback
    if (callback === null) return
    this.#callback = null
    this.#notifier?.delete(this)
    for (const ending of this.#endings) ending.delete(this)
    callback()
  }

  /** Ends the iteration: it is woken once more, and then there is nothing to wait for. */
  stop(): void {
    this.#stopped = true
    this.wake()
  }

  /** Whether there is nothing more to wait for. */
  get stopped(): boolean {
    if (this.#stopped) return true
    for (const { failure } of this.#endings) {
      if (failure === null) continue
      this.#failure = failure
      this.#stopped = true
      return true
    }
    return false
  }

  /** Throws the error of the ending, if one ended the iteration. */
  throwIfFailed(): void {
    if (this.stopped && this.#failure !== null) throw this.#failure.reason
  }

  /** Forgets earlier notifications. Call it before looking for new commits. */
  reset(): void {
    this.#seen = this.#notifier?.notifications ?? 0
  }

  /** Resolves at the next notification, or at once if there was one since `reset`. Only one caller may wait. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.onWake(resolve))
  }

  /** Calls back once, at the next notification, or at once if there was one since `reset`. Only one caller may wait. */
  onWake(callback: () => void): void {
    if (this.stopped || (this.#notifier !== null && this.#notifier.notifications !== this.#seen)) {
      callback()
      return
    }
    this.#callback = callback
    this.#notifier?.add(this)
    for (const ending of this.#endings) ending.add(this)
  }
}
