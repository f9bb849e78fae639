/** The store that simulated machines share, and what is known of the log. It checks what must hold of the archive. */
import { ManualClock } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, verify, WalReader, WalWriter } from '@sq/storage'
import { expect } from 'vitest'
import { deleteArchived, listArchive, ObjectStoreFileSystem } from '../../index.ts'
import { InMemoryObjectStore } from '../../memory/index.ts'
import type { StoreFault, StoreOperation } from '../../memory/index.ts'
import { segmentKey } from '../../segment-key.ts'

export const place = { topic: 'orders', partition: 0 }
export const config = { dataDir: '/data' }

export const OPERATIONS: readonly StoreOperation[] = ['put', 'get', 'head', 'list', 'delete']

/** What a store may do at any operation. */
export const FAULTS: readonly StoreFault[] = [
  { error: 'failed' },
  { error: 'failed', effect: 'yes' },
  { error: 'failed', effect: 'late' },
  { error: 'denied' },
  { shortBytes: 7 },
  { flipBit: 333 },
]

/** What may be read in a log, by offset. */
type Records = ReadonlyMap<bigint, string>

/** What a machine has on its disk, and what was acknowledged in its log. */
export interface Acknowledged {
  readonly fs: InMemoryFileSystem
  readonly acknowledged: Records
}

export class World {
  /** The clock of the store, which ticks with each of its steps. */
  readonly clock = new ManualClock()
  readonly store = new InMemoryObjectStore({ pageObjects: 2, clock: this.clock })
  /** What was reported as archived, and all that was ever read in the archive. */
  readonly archived = new Map<bigint, string>()
  readonly read = new Map<bigint, string>()
  /** Everything before this offset may have been deleted from the archive. */
  deletedTo = 0n
  /** The contents of all objects that were ever seen in the archive, and the offsets after them. */
  readonly #seen = new Map<string, Buffer>()
  readonly #ends = new Map<string, bigint>()
  #values = 0
  #seeds = 0

  constructor() {
    const remove = this.store.delete.bind(this.store)
    this.store.delete = (key) => {
      const end = this.#ends.get(key) ?? 0n
      if (end > this.deletedTo) this.deletedTo = end
      return remove(key)
    }
  }

  nextSeed(): number {
    return ++this.#seeds
  }

  nextValue(): string {
    return `value ${this.#values++}`
  }

  landLate(): void {
    this.clock.advance(1)
    this.store.landLate()
  }

  /** Removes late uploads of which there are several in a row: they look like a log before a gap. */
  async removeLateRuns(): Promise<void> {
    const { segments, detached } = await listArchive(this.store, place)
    const logStoredMs = segments[0]?.storedMs ?? 0
    for (const { key, storedMs = 0 } of detached.flat()) {
      expect(storedMs, `${key} is a late upload`).toBeGreaterThan(logStoredMs)
      await this.store.delete(key)
    }
  }

  /** Checks the archive, and returns its records. */
  async check(): Promise<Records> {
    const { segments, detached, gaps, foreign } = await listArchive(this.store, place)
    expect({ detached, gaps, foreign }).toEqual({ detached: [], gaps: [], foreign: [] })
    for (const { key, bytes, nextOffset } of segments) {
      this.#ends.set(key, nextOffset)
      const content = Buffer.alloc(bytes)
      await this.store.get(key, content, 0)
      const before = this.#seen.get(key) ?? content
      expect(content.equals(before), `the object ${key} does not change`).toBe(true)
      this.#seen.set(key, content)
    }
    const records = new Map<bigint, string>()
    if (segments.length === 0) return records
    const archive = new ObjectStoreFileSystem(this.store)
    expect((await verify(archive, { dataDir: '/' }, 'orders', 0)).problems).toEqual([])
    for (const [offset, value] of await recordsOf(archive, '/')) {
      expect(this.read.get(offset) ?? value, `offset ${offset}`).toBe(value)
      this.read.set(offset, value)
      records.set(offset, value)
    }
    const first = segments[0]?.baseOffset ?? 0n
    for (const [offset, value] of this.archived) if (offset >= first) expect(records.get(offset)).toBe(value)
    return records
  }

  /** Checks that nothing that a machine has acknowledged is lost. */
  async checkAcknowledged({ fs, acknowledged }: Acknowledged): Promise<void> {
    // A machine that died before it had made its log has nothing to read.
    if (acknowledged.size === 0) return
    const local = await recordsOf(fs, config.dataDir)
    for (const [offset, value] of acknowledged) {
      expect(local.get(offset) ?? this.read.get(offset), `offset ${offset}`).toBe(value)
    }
  }

  /** Checks that nothing acknowledged is lost, and that both places agree. */
  async checkBoth(machine: Acknowledged): Promise<void> {
    const { fs } = machine
    const [archive, local] = [await this.check(), await recordsOf(fs, config.dataDir)]
    await this.checkAcknowledged(machine)
    for (const [offset, value] of archive) expect(local.get(offset) ?? value, `offset ${offset}`).toBe(value)
    for (const { path, bytes, baseOffset } of await listSegments(fs, config, 'orders', 0)) {
      const object = this.#seen.get(segmentKey(place, baseOffset))
      if (object === undefined) continue
      const file = await fs.open(path, 'read')
      const content = Buffer.alloc(bytes)
      await file.read(content, 0)
      expect(content.equals(object), path).toBe(true)
    }
  }

  /** Checks that a log that has just been restored is the archive, or the end of it. */
  async checkRestored(fs: InMemoryFileSystem, { isWhole }: { readonly isWhole: boolean }): Promise<void> {
    const [archive, local] = [await this.check(), await recordsOf(fs, config.dataDir)]
    if (isWhole) expect(local.size).toBe(archive.size)
    expect([...local]).toEqual([...archive].slice(archive.size - local.size))
  }

  /** Deletes all but the last two segments of the archive. */
  async retain(): Promise<void> {
    await this.check()
    await this.deleteOldest()
  }

  async deleteOldest(): Promise<void> {
    await deleteArchived(this.store, place, { policy: { maxTotalBytes: 0 }, nowMs: 0 })
  }
}

async function recordsOf(fs: FileSystem, dataDir: string): Promise<Records> {
  const records = new Map<bigint, string>()
  const reader = await WalReader.open(fs, { dataDir }, 'orders', 0)
  for await (const { offset, value } of reader.read()) records.set(offset, String(value))
  await reader.close()
  return records
}

/**
 * Loads the modules that verification and restoring load when they are needed. That takes real time, which the steps of
 * a machine must not.
 */
export async function loadModules(): Promise<void> {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.close()
  await verify(fs, config, 'orders', 0)
}
