/** Rules that make operations of an in-memory file system fail or behave badly. */
import type { Random } from '../random.ts'
import type { Operation, Target } from './operations.ts'

/** The possible faults. */
export type Fault = ErrorFault | ShortWrite | BitFlip | Delay

/** The operation fails. A failed `sync` also changes the file according to the failed-sync model of the file system. */
export interface ErrorFault {
  /** `EIO`, `ENOSPC`, `EMFILE`, ...; reads and writes continue by themselves after `EINTR` or `EAGAIN`. */
  readonly error: string
  /** `write` only: this number of bytes is written first. */
  readonly afterBytes?: number
  /** `sync` only: the dirty pages that never reach the disk, by number or chosen at random; all if not given. */
  readonly lostPages?: readonly number[] | Random
}

/** A write takes only this number of bytes, and is continued with another `write`. */
export interface ShortWrite {
  readonly shortBytes: number
}

/** A read returns one wrong bit, with this number modulo the bits read. The disk keeps the right one. */
export interface BitFlip {
  readonly flipBit: number
}

/**
 * The operation first waits for this number of turns of the microtask queue. Other faults of the same operation follow.
 */
export interface Delay {
  readonly turns: number
}

/** The paths of a rule: one path, those that match, or those for which a function returns true. */
export type PathMatch = string | RegExp | ((path: string) => boolean)

/** `next`: once. `nth`: once, the n-th time (1 is the next). `chance`: each time with that probability. */
export type FaultTime =
  | 'next'
  | 'always'
  | { readonly nth: number }
  | { readonly chance: number; readonly random: Random }

/** Which operations get a fault, when, and which fault. */
export interface FaultRule {
  readonly on: Operation | readonly Operation[]
  /**
   * The whole, absolute path; any path if not given. The path of an open file is its current or last name. A rename
   * and a link have two paths, and either may match.
   */
  readonly path?: PathMatch
  /** `next`, if not given. */
  readonly when?: FaultTime
  readonly fault: Fault
}

/** An active rule. */
export interface ActiveRule {
  /** The number of operations that it has affected. */
  readonly hits: number
  /** Removes the rule. Does nothing if it was removed before. */
  remove(): void
}

/** An operation held in flight. */
export interface Hold {
  /** Resolves when an operation is held. */
  readonly reached: Promise<void>
  /** Lets the operation continue. If none was held yet, holds none. */
  release(): void
}

class Rule implements ActiveRule {
  hits = 0
  #seen = 0
  #rule: FaultRule
  #rules: Set<Rule>

  constructor(rule: FaultRule, rules: Set<Rule>) {
    this.#rule = rule
    this.#rules = rules
    rules.add(this)
  }

  remove(): void {
    this.#rules.delete(this)
  }

  /** The fault, if the rule applies. */
  strike(operation: Operation, target: Target): Fault | undefined {
    const { on, path, when = 'next', fault } = this.#rule
    if (typeof on === 'string' ? on !== operation : !on.includes(operation)) return undefined
    if (path !== undefined && !matches(path, target.path)) {
      if (target.to === undefined || !matches(path, target.to)) return undefined
    }
    this.#seen++
    if (typeof when === 'object') {
      if ('chance' in when ? !when.random.chance(when.chance) : when.nth !== this.#seen) return undefined
    }
    if (when === 'next' || (typeof when === 'object' && 'nth' in when)) this.remove()
    this.hits++
    return fault
  }
}

function matches(match: PathMatch, path: string): boolean {
  if (typeof match === 'string') return match === path
  return typeof match === 'function' ? match(path) : path.search(match) >= 0
}

/** An internal fault: waits until it is released. */
class HeldDelay implements Delay {
  readonly turns = 0
  readonly reached: Promise<void>
  readonly #released: Promise<void>
  #reach: () => void = () => {}
  release: () => void = () => {}
  inFlight = false

  constructor() {
    this.reached = new Promise((resolve) => (this.#reach = resolve))
    this.#released = new Promise((resolve) => (this.release = resolve))
  }

  async stand(): Promise<void> {
    this.inFlight = true
    this.#reach()
    await this.#released
  }
}

/** The rules of one file system. */
export class Faults {
  readonly #rules = new Set<Rule>()
  readonly #held = new Set<HeldDelay>()

  /** Activates a rule. If several apply to one operation, delays come first, then the oldest other rule. */
  add(rule: FaultRule): ActiveRule {
    return new Rule(rule, this.#rules)
  }

  /** Makes the next operation of this kind fail. */
  failNext(on: Operation | readonly Operation[], error: string, path?: PathMatch): ActiveRule {
    return this.add({ on, ...(path !== undefined && { path }), fault: { error } })
  }

  /** Makes every operation of this kind fail, until the rule is removed. */
  failAlways(on: Operation | readonly Operation[], error: string, path?: PathMatch): ActiveRule {
    return this.add({ on, when: 'always', ...(path !== undefined && { path }), fault: { error } })
  }

  /** Holds the next operation of this kind before it has done anything. A crash and a kill end the hold. */
  hold(on: Operation | readonly Operation[], path?: PathMatch): Hold {
    const delay = new HeldDelay()
    const rule = this.add({ on, ...(path !== undefined && { path }), fault: delay })
    this.#held.add(delay)
    const release = (): void => {
      rule.remove()
      this.#held.delete(delay)
      delay.release()
    }
    return { reached: delay.reached, release }
  }

  /** Removes every rule and releases every hold. */
  clear(): void {
    this.#rules.clear()
    for (const delay of this.#held) delay.release()
    this.#held.clear()
  }

  /** @internal Releases held operations after their process has died. */
  abandon(): void {
    for (const delay of this.#held) {
      if (!delay.inFlight) continue
      delay.release()
      this.#held.delete(delay)
    }
  }

  /** @internal Undefined if there is no fault, so that an operation need not wait for the answer. */
  meet(operation: Operation, target: Target): Fault | Promise<Fault | undefined> | undefined {
    if (this.#rules.size === 0) return undefined
    const delays: Delay[] = []
    let found: Fault | undefined
    for (const rule of this.#rules) {
      const fault = rule.strike(operation, target)
      if (fault && 'turns' in fault) delays.push(fault)
      else found ??= fault
    }
    return delays.length === 0 ? found : waitFor(delays, found)
  }
}

async function waitFor(delays: readonly Delay[], fault: Fault | undefined): Promise<Fault | undefined> {
  for (const delay of delays) {
    if (delay instanceof HeldDelay) await delay.stand()
    for (let turn = 0; turn < delay.turns; turn++) await Promise.resolve()
  }
  return fault
}
