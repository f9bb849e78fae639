/**
 * What the store has said of objects a moment ago, so that a reader that is opened does not ask for the same again and
 * again. Objects never change; that one was deleted is noticed later, when it is read.
 */
import type { Clock } from '@sq/sim'
import type { ObjectInfo } from './object-store.ts'

interface Sighting {
  readonly atMs: number
  /** Null for a directory: an object below it was seen. */
  readonly object: ObjectInfo | null
}

export class Sightings {
  readonly #clock: Clock
  readonly #validMs: number
  /** By key; the name of a directory ends with a slash. Those that are older than valid are in neither. */
  #recent = new Map<string, Sighting>()
  #older = new Map<string, Sighting>()
  #turnedMs: number

  constructor(clock: Clock, validMs: number) {
    this.#clock = clock
    this.#validMs = validMs
    this.#turnedMs = clock.monotonic()
  }

  /** Takes an entry of a listing: an object, or a folder. */
  add(object: ObjectInfo): void {
    const atMs = this.#turn()
    const { key } = object
    if (!key.endsWith('/')) this.#recent.set(key, { atMs, object })
    for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      const directory = key.slice(0, slash + 1)
      if (this.#recent.get(directory)?.atMs === atMs) break
      this.#recent.set(directory, { atMs, object: null })
    }
  }

  object(key: string): ObjectInfo | null {
    return this.#find(key)?.object ?? null
  }

  /** Whether it has objects. */
  hasDirectory(folder: string): boolean {
    return this.#find(folder) !== undefined
  }

  #find(key: string): Sighting | undefined {
    const now = this.#turn()
    const found = this.#recent.get(key) ?? this.#older.get(key)
    return found !== undefined && now - found.atMs < this.#validMs ? found : undefined
  }

  /** Drops what is no longer valid, and returns the time. */
  #turn(): number {
    const now = this.#clock.monotonic()
    if (now - this.#turnedMs >= this.#validMs) {
      this.#older = this.#recent
      this.#recent = new Map()
      this.#turnedMs = now
    }
    return now
  }
}
