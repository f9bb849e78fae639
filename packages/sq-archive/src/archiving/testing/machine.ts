/** A simulated machine that writes a log and archives it, and dies or waits at a step of what it does. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { LogNotFoundError, WalIoError, WalWriter } from '@sq/storage'
import { expect } from 'vitest'
import { ArchiveError, Archiver, deleteArchived, restoreLog } from '../../index.ts'
import type { ListOptions, LogArchiver, ObjectInfo, ObjectSource, ObjectStore } from '../../index.ts'
import { config, place } from './world.ts'
import type { World } from './world.ts'

/** What happens at the steps of a machine: the operations of its file system, and the begin and end of the store's. */
export interface Plan {
  /** A step at which it dies. */
  readonly dieAt?: number
  /** A step of the store at which it waits. */
  readonly waitAt?: number
  readonly until?: Promise<unknown>
  readonly onWait?: () => void
  readonly onStoreStep?: (step: number) => void
}

/** What a machine has of its life before. */
export interface Before {
  readonly fs?: InMemoryFileSystem
  readonly acknowledged?: Map<bigint, string>
  /** Where its own records begin; those before it are from the archive. */
  readonly ownFrom?: bigint | null
}

/** A machine that writes a log and archives it, until it dies. */
export class Machine {
  readonly fs: InMemoryFileSystem
  readonly world: World
  /** What was acknowledged in its log. */
  readonly acknowledged: Map<bigint, string>
  /** Where its own records begin; null until it is started. */
  ownFrom: bigint | null
  readonly clock = new ManualClock()
  readonly stopped: unknown[] = []
  steps = 0
  storeSteps = 0
  /** The disk at the moment at which it died. */
  disk: InMemoryFileSystem | null = null
  readonly died: Promise<void>
  #reportDeath: () => void = () => {}
  readonly #plan: Plan
  readonly #store: ObjectStore
  readonly #archiver: Archiver
  #writer: WalWriter | null = null
  #log: LogArchiver | null = null
  readonly #seed: number

  constructor(world: World, plan: Plan = {}, before: Before = {}) {
    const { fs = new InMemoryFileSystem(), acknowledged = new Map<bigint, string>(), ownFrom = null } = before
    const seed = world.nextSeed()
    this.world = world
    this.fs = fs
    this.acknowledged = acknowledged
    this.ownFrom = ownFrom
    this.#plan = plan
    this.#seed = seed
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve
    })
    this.#store = new SteppedStore(world.store, this)
    this.#archiver = new Archiver(fs, config, this.#store, {
      clock: this.clock,
      random: new Random(seed),
      localRetention: { maxTotalBytes: 0 },
      onStopped: (error) => this.stopped.push(error),
    })
    fs.operations.observe(({ phase, operation, path }) => {
      if (phase === 'end' || this.disk !== null) return
      this.#step()
      const isFenced = this.stopped.length > 0
      if (operation === 'unlink' && path.endsWith('.wal') && isFenced) throw new Error(`fenced, but deletes ${path}`)
    })
  }

  /**
   * Starts at the beginning, or where the local log ends; with `restoreBytes`, after so much of the archive was
   * downloaded, if there is no local log yet.
   */
  async start({ restoreBytes }: { readonly restoreBytes?: number } = {}): Promise<void> {
    if (restoreBytes !== undefined && (await this.restore(restoreBytes)) && this.disk === null) {
      await this.world.checkRestored(this.fs, { isWhole: restoreBytes === Infinity })
    }
    this.#writer = await WalWriter.open(this.fs, config, 'orders', 0, {
      clock: this.clock,
      random: new Random(this.#seed),
      onSegmentClosed: this.#archiver.onSegmentClosed,
    })
    this.ownFrom ??= this.#writer.nextOffset
    this.#log = this.#archiver.attach(this.#writer, 'orders', 0)
  }

  /** Resolves with whether there was no log, and something in the archive. Rejects with the errors of the store. */
  async restore(maxBytes: number): Promise<boolean> {
    try {
      await restoreLog(this.#store, place, { fs: this.fs, config }, { maxBytes })
      return true
    } catch (error) {
      if (error instanceof LogNotFoundError) return false
      const isThere =
        error instanceof WalIoError &&
        error.cause instanceof Error &&
        'code' in error.cause &&
        error.cause.code === 'EEXIST'
      if (!isThere) throw error
      return false
    }
  }

  /** Deletes all but the last two segments of the archive. */
  async trimArchive(): Promise<void> {
    await deleteArchived(this.#store, place, { policy: { maxTotalBytes: 0 }, nowMs: 0 })
  }

  /** The value that a record must have; undefined if it was never acknowledged, or not looked at in the archive. */
  expected(offset: bigint): string | undefined {
    const isOwn = offset >= (this.ownFrom ?? 0n)
    return this.acknowledged.get(offset) ?? (isOwn ? undefined : this.world.read.get(offset))
  }

  async append(): Promise<bigint> {
    const value = this.world.nextValue()
    const offset = await this.writer.append({ value: Buffer.from(value) })
    if (this.disk === null) this.acknowledged.set(offset, value)
    return offset
  }

  async rotate(): Promise<void> {
    await this.writer.closeActiveSegment()
  }

  /** Waits until a record is archived, and looks whether it is. */
  async waitArchived(offset: bigint): Promise<void> {
    const value = this.acknowledged.get(offset)
    await this.log.waitArchived(offset)
    if (this.disk !== null || value === undefined) return
    expect(this.world.archived.get(offset) ?? value, `offset ${offset}`).toBe(value)
    this.world.archived.set(offset, value)
  }

  /** Appends segments of one record, and waits until they are archived. */
  async archive(segments: number): Promise<void> {
    for (let at = 0; at < segments; at++) {
      const offset = await this.append()
      await this.rotate()
      await this.waitArchived(offset)
    }
  }

  async stop(): Promise<void> {
    await this.#archiver.close()
    await this.writer.close()
  }

  get writer(): WalWriter {
    if (this.#writer === null) throw new Error('the machine is not started')
    return this.#writer
  }

  get log(): LogArchiver {
    if (this.#log === null) throw new Error('the machine is not started')
    return this.#log
  }

  /** A step of the store: resolves when it may go on, and never once the machine is dead. */
  async storeStep(): Promise<void> {
    this.#step()
    if (this.disk !== null) await new Promise(() => {})
    this.world.clock.advance(1)
    const step = ++this.storeSteps
    this.#plan.onStoreStep?.(step)
    if (step !== this.#plan.waitAt) return
    this.#plan.onWait?.()
    await this.#plan.until
  }

  /** Ends all it does; what it has asked the store for may still take effect. Returns its disk. */
  die(): InMemoryFileSystem {
    this.disk ??= this.fs.clone()
    this.#reportDeath()
    return this.disk
  }

  #step(): void {
    if (++this.steps === this.#plan.dieAt) this.die()
  }
}

/** The store as a machine sees it. */
class SteppedStore implements ObjectStore {
  readonly #store: ObjectStore
  readonly #machine: Machine

  constructor(store: ObjectStore, machine: Machine) {
    this.#store = store
    this.#machine = machine
  }

  put(key: string, source: ObjectSource): Promise<'created' | 'exists'> {
    return this.#stepped(() => this.#store.put(key, source))
  }

  get(key: string, buffer: Uint8Array, position: number): Promise<number> {
    return this.#stepped(() => this.#store.get(key, buffer, position))
  }

  head(key: string): Promise<ObjectInfo | null> {
    return this.#stepped(() => this.#store.head(key))
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined> {
    await this.#machine.storeStep()
    for await (const object of this.#store.list(prefix, options)) {
      yield object
      await this.#machine.storeStep()
    }
  }

  delete(key: string): Promise<void> {
    return this.#stepped(() => this.#store.delete(key))
  }

  async #stepped<T>(action: () => Promise<T>): Promise<T> {
    await this.#machine.storeStep()
    try {
      return await action()
    } finally {
      await this.#machine.storeStep()
    }
  }
}

/** Runs something on a machine, and moves its clock while it waits. Rejects if it does not end. */
export async function onTime<T>(machine: Machine, action: () => Promise<T>): Promise<T> {
  const settled = { is: false }
  const running = action().finally(() => {
    settled.is = true
  })
  running.catch(() => {})
  for (let turn = 0; !settled.is; turn++) {
    if (turn === 400) throw new Error('a promise does not settle')
    await new Promise((resolve) => setImmediate(resolve))
    if (turn % 4 === 3) machine.clock.advance(10_000)
  }
  return running
}

/** Another machine takes over: it archives four segments, while retention keeps the last two. */
export async function takeOver(world: World, next: Machine): Promise<void> {
  await onTime(next, () => next.start({ restoreBytes: 0 }))
  for (let segments = 0; segments < 4; segments++) {
    await onTime(next, () => next.archive(1))
    await world.retain()
  }
}

/** Waits for a promise that may reject because the machine is no longer the one that archives the log. */
export async function refusal(pending: Promise<void>): Promise<void> {
  try {
    await pending
  } catch (error) {
    expect(error).toBeInstanceOf(ArchiveError)
    expect(error).toMatchObject({ code: expect.stringMatching(/^SQ_ARCHIVE_(FENCED|MISMATCH)$/) })
  }
}
