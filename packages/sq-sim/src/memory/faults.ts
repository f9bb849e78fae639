/** Rules by which the operations of an in-memory file system go wrong. */
import type { Random } from '../random.ts'
import type { Operation, Target } from './operations.ts'

/** What goes wrong. */
export type Fault = ErrorFault | ShortWrite | BitFlip | Delay

/** The operation fails. A failed `sync` also does to the file what the file system's failed-sync model says. */
export interface ErrorFault {
  /** `EIO`, `ENOSPC`, `EMFILE`, ...; a write and a read that meet `EINTR` or `EAGAIN` go on by themselves. */
  readonly error: string
  /** `write` only: so many bytes are written first. */
  readonly afterBytes?: number
  /** `sync` only: the dirty pages that never reach the disk, by number or chosen by chance; all, if not given. */
  readonly lostPages?: readonly number[] | Random
}

/** A write takes only so many bytes, and is carried on with as one more `write`. */
export interface ShortWrite {
  readonly shortBytes: number
}

/** A read returns one bit wrong, that of this number (modulo the bits read). The disk keeps the right one. */
export interface BitFlip {
  readonly flipBit: number
}

/** The operation waits for so many turns of the microtask queue first. Other faults of the same operation follow. */
export interface Delay {
  readonly turns: number
}

/** The paths a rule is about: one, those with a match, or those for which a function says true. */
export type PathMatch = string | RegExp | ((path: string) => boolean)

/** `next`: once. `nth`: once, the n-th time (1 is the next). `chance`: each time with that probability. */
export type FaultTime =
  | 'next'
  | 'always'
  | { readonly nth: number }
  | { readonly chance: number; readonly random: Random }

/** Which operations are to meet a fault, when, and which. */
export interface FaultRule {
  readonly on: Operation | readonly Operation[]
  /**
   * The whole path, absolute; any, if not given. That of an open file is the name it has now, or had last. A rename has
   * two, and either may match.
   */
  readonly path?: PathMatch
  /** `next`, if not given. */
  readonly when?: FaultTime
  readonly fault: Fault
}

/** A rule in force. */
export interface ActiveRule {
  /** How often it struck. */
  readonly hits: number
  /** It does not strike again. Without effect on a rule that is gone. */
  remove(): void
}

/** An operation held in flight. */
export interface Hold {
  /** Resolves when an operation has come to stand here. */
  readonly reached: Promise<void>
  /** Lets it go on; or, if none has come, keeps none. */
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

  /** The fault, if the rule strikes. */
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

/** A fault of our own: waits until it is let go. */
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

/** The rules by which one file system fails. */
export class Faults {
  readonly #rules = new Set<Rule>()
  readonly #held = new Set<HeldDelay>()

  /** Puts a rule in force. Of several that strike one operation, delays come first, then the oldest other one. */
  add(rule: FaultRule): ActiveRule {
    return new Rule(rule, this.#rules)
  }

  /** The next such operation fails. */
  failNext(on: Operation | readonly Operation[], error: string, path?: PathMatch): ActiveRule {
    return this.add({ on, ...(path !== undefined && { path }), fault: { error } })
  }

  /** Every such operation fails, until the rule is removed. */
  failAlways(on: Operation | readonly Operation[], error: string, path?: PathMatch): ActiveRule {
    return this.add({ on, when: 'always', ...(path !== undefined && { path }), fault: { error } })
  }

  /** Keeps the next such operation in flight, before it has done anything. A crash and a kill end the hold. */
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

  /** @internal Lets what is held in flight go on, to find that its process is gone. */
  abandon(): void {
    for (const delay of this.#held) {
      if (!delay.inFlight) continue
      delay.release()
      this.#held.delete(delay)
    }
  }

  /** @internal Undefined when nothing goes wrong, so that an operation need not wait for the answer. */
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
