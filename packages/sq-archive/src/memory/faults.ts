/** Rules that make operations of an object store in memory fail or behave badly. */
import type { Random } from '@sq/sim'
import type { ObjectStoreErrorCode } from '../object-store.ts'

/** The operations of a store. `list` is one page of a listing. */
export type StoreOperation = 'put' | 'get' | 'head' | 'list' | 'delete'

/** The possible faults. */
export type StoreFault = StoreErrorFault | ShortRead | StoreBitFlip | StoreHold

/** The operation rejects. */
export interface StoreErrorFault {
  readonly error: ObjectStoreErrorCode
  /**
   * Whether it takes effect nevertheless: `yes`, before the error, as if the response was lost; or `late`, when
   * `landLate` is called. Default `no`.
   */
  readonly effect?: 'no' | 'yes' | 'late'
}

/** A `get` returns only this number of bytes, as if the object ended there. */
export interface ShortRead {
  readonly shortBytes: number
}

/** A `get` returns one wrong bit, with this number modulo the bits read. */
export interface StoreBitFlip {
  readonly flipBit: number
}

/** The operation waits for a promise before it begins. */
export interface StoreHold {
  readonly until: Promise<unknown>
}

/** `next`: once. `nth`: once, the n-th time (1 is the next). `chance`: each time with that probability. */
export type StoreFaultTime =
  | 'next'
  | 'always'
  | { readonly nth: number }
  | { readonly chance: number; readonly random: Random }

/** Which operations get a fault, when, and which fault. */
export interface StoreFaultRule {
  readonly on: StoreOperation | readonly StoreOperation[]
  /** The key, or for `list` the prefix; any if not given. */
  readonly key?: string | RegExp
  /** `next`, if not given. */
  readonly when?: StoreFaultTime
  readonly fault: StoreFault
}

/** An active rule. */
export interface ActiveStoreRule {
  /** The number of operations that it has affected. */
  readonly hits: number
  /** Removes the rule. Does nothing if it was removed before. */
  remove(): void
}

class Rule implements ActiveStoreRule {
  hits = 0
  #seen = 0
  readonly #rule: StoreFaultRule
  readonly #rules: Set<Rule>

  constructor(rule: StoreFaultRule, rules: Set<Rule>) {
    this.#rule = rule
    this.#rules = rules
    rules.add(this)
  }

  remove(): void {
    this.#rules.delete(this)
  }

  /** The fault, if the rule applies. */
  strike(operation: StoreOperation, key: string): StoreFault | null {
    const { on, key: match, when = 'next', fault } = this.#rule
    if (typeof on === 'string' ? on !== operation : !on.includes(operation)) return null
    if (match !== undefined && (typeof match === 'string' ? match !== key : key.search(match) < 0)) return null
    this.#seen++
    if (typeof when === 'object') {
      if ('chance' in when ? !when.random.chance(when.chance) : when.nth !== this.#seen) return null
    }
    if (when === 'next' || (typeof when === 'object' && 'nth' in when)) this.remove()
    this.hits++
    return fault
  }
}

/** The rules of one store. */
export class StoreFaults {
  readonly #rules = new Set<Rule>()

  /** Activates a rule. If several apply to one operation, the oldest does. */
  add(rule: StoreFaultRule): ActiveStoreRule {
    return new Rule(rule, this.#rules)
  }

  /** @internal The fault of an operation; null if it has none. */
  of(operation: StoreOperation, key: string): StoreFault | null {
    for (const rule of this.#rules) {
      const fault = rule.strike(operation, key)
      if (fault !== null) return fault
    }
    return null
  }
}
