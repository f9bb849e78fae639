/**
 * Wakes one who waits, or ends it. Whoever waits is known to what may wake it only while it waits: nothing is left there
 * by one that was dropped. `Bell` says what wakes many, `Ending` what ends them.
 */

/** What many alarms wait for. It rings for all that wait by then; whoever waits later sees that it has rung. */
export class Bell {
  #rings = 0
  #waiting = new Set<Alarm>()

  /** How often it has rung. */
  get rings(): number {
    return this.#rings
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting.size
  }

  ring(): void {
    this.#rings++
    if (this.#waiting.size === 0) return
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const alarm of waiting) alarm.ring()
  }

  /** @internal */
  add(alarm: Alarm): void {
    this.#waiting.add(alarm)
  }

  /** @internal */
  delete(alarm: Alarm): void {
    this.#waiting.delete(alarm)
  }
}

/** Something that ends all who know of it. */
export interface Ending {
  /** The error to end with, once there is one. */
  readonly failure: { readonly reason: unknown } | null
  /** From now on it rings the alarm when it has a failure, until `delete`. */
  add(alarm: Alarm): void
  delete(alarm: Alarm): void
}

export class Alarm {
  #bell: Bell | null = null
  /** How often the bell had rung at the last `reset`. */
  #heard = 0
  readonly #endings: Ending[] = []
  #stopped = false
  #failure: { readonly reason: unknown } | null = null
  #wake: (() => void) | null = null

  /** What it waits for from now on, in place of what it waited for before. Not while it waits. */
  listenTo(bell: Bell): void {
    this.#bell = bell
    this.#heard = -1
  }

  /** Also ends by this. */
  endBy(ending: Ending): void {
    this.#endings.push(ending)
  }

  /** Wakes what waits. */
  ring(): void {
    const wake = this.#wake
    if (wake === null) return
    this.#wake = null
    this.#bell?.delete(this)
    for (const ending of this.#endings) ending.delete(this)
    wake()
  }

  /** Rings for the last time: what waits ends. */
  stop(): void {
    this.#stopped = true
    this.ring()
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

  /** Throws the error that it was ended with, if it was. */
  throwIfFailed(): void {
    if (this.stopped && this.#failure !== null) throw this.#failure.reason
  }

  /** What rang so far is forgotten: about to look whether there is anything. */
  reset(): void {
    this.#heard = this.#bell?.rings ?? 0
  }

  /** Until it rings, or has rung since the last `reset`. One may wait at a time. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.onRing(resolve))
  }

  /** Calls back once, when it rings; at once where it has rung since the last `reset`. One may wait at a time. */
  onRing(wake: () => void): void {
    if (this.stopped || (this.#bell !== null && this.#bell.rings !== this.#heard)) {
      wake()
      return
    }
    this.#wake = wake
    this.#bell?.add(this)
    for (const ending of this.#endings) ending.add(this)
  }
}
