/** An object store in memory, for tests: what it has stored survives every crash, and its operations can fail. */
import type { Clock } from '@sq/sim'
import { checkKey, compareKeys } from '../object-key.ts'
import { partsOf } from '../object-source.ts'
import { ObjectStoreError } from '../object-store.ts'
import type { ListOptions, ObjectInfo, ObjectSource, ObjectStore } from '../object-store.ts'
import { StoreFaults } from './faults.ts'
import type { StoreErrorFault, StoreFault, StoreOperation } from './faults.ts'

/** Options of `InMemoryObjectStore`. All are optional. */
export interface InMemoryObjectStoreOptions {
  /** The most objects in one page of a listing. Default 1,000. */
  readonly pageObjects?: number
  /** Whether `put` replaces an object that is there, as stores do that do not know the condition. Default false. */
  readonly ignoresConditions?: boolean
  /** The clock of the store, which gives objects the time when they were stored. They have none if not given. */
  readonly clock?: Clock
}

/** An object in memory. */
interface StoredObject {
  readonly content: Uint8Array
  readonly info: ObjectInfo
}

export class InMemoryObjectStore implements ObjectStore {
  /** The faults of its operations. */
  readonly faults: StoreFaults = new StoreFaults()
  readonly #objects = new Map<string, StoredObject>()
  readonly #pageObjects: number
  readonly #ignoresConditions: boolean
  readonly #clock: Clock | undefined
  /** Effects of operations whose callers have given up. */
  #late: (() => void)[] = []

  constructor({ pageObjects = 1000, ignoresConditions = false, clock }: InMemoryObjectStoreOptions = {}) {
    this.#clock = clock
    this.#pageObjects = pageObjects
    this.#ignoresConditions = ignoresConditions
  }

  async put(key: string, source: ObjectSource): Promise<'created' | 'exists'> {
    checkKey(key)
    const fault = await this.#begin('put', key)
    const parts: Uint8Array[] = []
    for await (const part of partsOf(key, source)) parts.push(Uint8Array.from(part))
    const content = Buffer.concat(parts)
    return this.#effect(fault, key, () => {
      if (this.#objects.has(key) && !this.#ignoresConditions) return 'exists'
      const time = this.#clock === undefined ? {} : { storedMs: this.#clock.now() }
      this.#objects.set(key, { content, info: { key, bytes: content.length, ...time } })
      return 'created'
    })
  }

  async get(key: string, buffer: Uint8Array, position: number): Promise<number> {
    checkKey(key)
    const fault = await this.#begin('get', key)
    failOn(fault, key)
    const content = this.#objects.get(key)?.content
    if (content === undefined) throw new ObjectStoreError('not-found', `there is no object ${quoted(key)}`, { key })
    const found = content.subarray(position, position + buffer.length)
    const part = fault !== null && 'shortBytes' in fault ? found.subarray(0, fault.shortBytes) : found
    buffer.set(part)
    if (fault !== null && 'flipBit' in fault && part.length > 0) {
      const bit = fault.flipBit % (part.length * 8)
      const at = Math.floor(bit / 8)
      buffer[at] = (buffer[at] ?? 0) ^ (1 << (bit % 8))
    }
    return part.length
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkKey(key)
    failOn(await this.#begin('head', key), key)
    return this.#objects.get(key)?.info ?? null
  }

  async *list(
    prefix: string,
    { after = '', shallow = false }: ListOptions = {},
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    let last = after
    for (;;) {
      failOn(await this.#begin('list', prefix), prefix)
      const page = this.#page(prefix, { after: last, shallow })
      yield* page
      if (page.length < this.#pageObjects) return
      last = page.at(-1)?.key ?? last
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key)
    this.#effect(await this.#begin('delete', key), key, () => this.#objects.delete(key))
  }

  /** Lets everything that faults have delayed take effect, in the order in which it was asked for. */
  landLate(): void {
    const late = this.#late
    this.#late = []
    for (const effect of late) effect()
  }

  #page(prefix: string, { after, shallow }: Required<ListOptions>): ObjectInfo[] {
    const found = new Map<string, ObjectInfo>()
    for (const [key, { info }] of this.#objects) {
      if (!key.startsWith(prefix)) continue
      const slash = shallow ? key.indexOf('/', prefix.length) : -1
      const entry = slash < 0 ? info : { key: key.slice(0, slash + 1), bytes: 0 }
      if (after === '' || compareKeys(entry.key, after) > 0) found.set(entry.key, entry)
    }
    return [...found.values()].toSorted((one, other) => compareKeys(one.key, other.key)).slice(0, this.#pageObjects)
  }

  /** A turn of the event loop's microtasks, as every store takes time, and the fault of the operation. */
  async #begin(operation: StoreOperation, key: string): Promise<StoreFault | null> {
    await Promise.resolve()
    for (;;) {
      const fault = this.faults.of(operation, key)
      if (fault === null || !('until' in fault)) return fault
      await fault.until
    }
  }

  #effect<T>(fault: StoreFault | null, key: string, effect: () => T): T {
    if (fault === null || !('error' in fault)) return effect()
    if (fault.effect === 'yes') effect()
    if (fault.effect === 'late') this.#late.push(effect)
    throw failure(fault, key)
  }
}

function failOn(fault: StoreFault | null, key: string): void {
  if (fault !== null && 'error' in fault) throw failure(fault, key)
}

function failure({ error }: StoreErrorFault, key: string): ObjectStoreError {
  return new ObjectStoreError(error, `a fault of the store: ${error}, ${quoted(key)}`, { key })
}

function quoted(key: string): string {
  return JSON.stringify(key)
}
