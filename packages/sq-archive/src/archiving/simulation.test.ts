/**
 * Machines that archive one log to one store, all in memory: one that dies at each of its steps, one whose store fails
 * at each operation, one that wakes up after another has taken over, and many of them at random. What must hold:
 *
 * - What was acknowledged is in the local log or in the archive, and what was reported as archived is in the archive.
 * - The archive is one log without a gap, and no object ever changes.
 * - Only segments that are in the archive are deleted locally, and none by a writer that is fenced.
 * - Every promise settles.
 */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, verify, WalReader, WalWriter } from '@sq/storage'
import type { WalWriterOptions } from '@sq/storage'
import { describe, expect, test } from 'vitest'
import { ArchiveError, Archiver, deleteArchived, lastArchived, listArchive, ObjectStoreFileSystem } from '../index.ts'
import type { ListOptions, LogArchiver, ObjectInfo, ObjectSource, ObjectStore } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'
import type { StoreFault, StoreOperation } from '../memory/index.ts'
import { segmentKey } from '../segment-key.ts'

/** More seeds than by default: `SQ_ARCHIVE_SEEDS=10000 vitest run simulation`. */
const SEEDS = Number(process.env['SQ_ARCHIVE_SEEDS'] ?? 60)

const place = { topic: 'orders', partition: 0 }
const config = { dataDir: '/data' }
const OPERATIONS: readonly StoreOperation[] = ['put', 'get', 'head', 'list', 'delete']

/** What may be read in a log, by offset. */
type Records = ReadonlyMap<bigint, string>

/** The store, and what is known of the log. */
class World {
  /** The clock of the store, which ticks with each of its steps. */
  readonly clock = new ManualClock()
  readonly store = new InMemoryObjectStore({ pageObjects: 2, clock: this.clock })
  /** What was reported as archived, and all that was ever read in the archive. */
  readonly archived = new Map<bigint, string>()
  readonly read = new Map<bigint, string>()
  /** The contents of all objects that were ever seen in the archive. */
  readonly #seen = new Map<string, Buffer>()
  #values = 0
  #seeds = 0

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
    for (const { key, bytes } of segments) {
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
  async checkAcknowledged({ fs, acknowledged }: Required<Before>): Promise<void> {
    // A machine that died before it had made its log has nothing to read.
    if (acknowledged.size === 0) return
    const local = await recordsOf(fs, config.dataDir)
    for (const [offset, value] of acknowledged) {
      expect(local.get(offset) ?? this.read.get(offset), `offset ${offset}`).toBe(value)
    }
  }

  /** Checks that nothing acknowledged is lost, and that both places agree. */
  async checkBoth(machine: Machine): Promise<void> {
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

  /** Deletes all but the last two segments of the archive. */
  async retain(): Promise<void> {
    await this.check()
    await deleteArchived(this.store, place, { policy: { maxTotalBytes: 0 }, nowMs: 0 })
  }
}

async function recordsOf(fs: InMemoryFileSystem | ObjectStoreFileSystem, dataDir: string): Promise<Records> {
  const records = new Map<bigint, string>()
  const reader = await WalReader.open(fs, { dataDir }, 'orders', 0)
  for await (const { offset, value } of reader.read()) records.set(offset, String(value))
  await reader.close()
  return records
}

/** What happens at the steps of a machine: the operations of its file system, and the begin and end of the store's. */
interface Plan {
  /** A step at which it dies. */
  readonly dieAt?: number
  /** A step of the store at which it waits. */
  readonly waitAt?: number
  readonly until?: Promise<unknown>
  readonly onWait?: () => void
  readonly onStoreStep?: (step: number) => void
}

/** What a machine has of its life before. */
interface Before {
  readonly fs?: InMemoryFileSystem
  readonly acknowledged?: Map<bigint, string>
}

/** A machine that writes a log and archives it, until it dies. */
class Machine {
  readonly fs: InMemoryFileSystem
  readonly world: World
  /** What was acknowledged in its log. */
  readonly acknowledged: Map<bigint, string>
  readonly clock = new ManualClock()
  readonly stopped: unknown[] = []
  steps = 0
  storeSteps = 0
  /** The disk at the moment at which it died. */
  disk: InMemoryFileSystem | null = null
  readonly died: Promise<void>
  #reportDeath: () => void = () => {}
  readonly #plan: Plan
  readonly #archiver: Archiver
  #writer: WalWriter | null = null
  #log: LogArchiver | null = null
  readonly #seed: number

  constructor(world: World, plan: Plan = {}, before: Before = {}) {
    const { fs = new InMemoryFileSystem(), acknowledged = new Map<bigint, string>() } = before
    const seed = world.nextSeed()
    this.world = world
    this.fs = fs
    this.acknowledged = acknowledged
    this.#plan = plan
    this.#seed = seed
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve
    })
    this.#archiver = new Archiver(fs, config, new SteppedStore(world.store, this), {
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

  /** Starts at the beginning, where the local log ends, or where the archive does. */
  async start({ fromArchive = false } = {}): Promise<void> {
    const last = fromArchive ? await lastArchived(this.world.store, place) : null
    const options: WalWriterOptions = {
      clock: this.clock,
      random: new Random(this.#seed),
      onSegmentClosed: this.#archiver.onSegmentClosed,
      ...(last === null ? {} : { firstOffset: last.nextOffset, previous: last.link }),
    }
    this.#writer = await WalWriter.open(this.fs, config, 'orders', 0, options)
    this.#log = this.#archiver.attach(this.#writer, 'orders', 0)
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
async function onTime<T>(machine: Machine, action: () => Promise<T>): Promise<T> {
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

/** The life of a machine: three segments that are archived, a restart, one more, and a record that is not archived. */
async function live(machine: Machine): Promise<void> {
  await machine.start()
  await machine.append()
  await machine.rotate()
  await machine.append()
  const offset = await machine.append()
  await machine.rotate()
  await machine.waitArchived(offset)
  await machine.archive(1)
  await machine.append()
}

/** After a death or faults: everything is there, and goes on. */
async function goOn(world: World, before: Before): Promise<void> {
  const machine = new Machine(world, {}, before)
  await onTime(machine, async () => {
    await machine.start()
    await world.checkBoth(machine)
    await machine.archive(1)
    await machine.stop()
  })
  expect(machine.stopped).toEqual([])
  await world.checkBoth(machine)
}

describe('a machine that dies', () => {
  test.each([
    ['the process is killed', (disk: InMemoryFileSystem) => disk.kill()],
    ['the power is cut, and nothing unsynced is left', (disk: InMemoryFileSystem) => disk.crash()],
    ['the power is cut', (disk: InMemoryFileSystem, at: number) => disk.crash({ random: new Random(at) })],
  ])('at any step, because %s, has lost nothing', async (_, strike) => {
    const whole = new Machine(new World())
    await onTime(whole, () => live(whole))
    expect(whole.steps).toBeGreaterThan(100)
    for (let dieAt = 1; dieAt <= whole.steps; dieAt++) {
      const world = new World()
      const machine = new Machine(world, { dieAt })
      await onTime(machine, () => Promise.race([live(machine), machine.died]))
      const disk = machine.die()
      strike(disk, dieAt)
      await world.check()
      await goOn(world, { fs: disk, acknowledged: machine.acknowledged })
    }
  })
})

const FAULTS: readonly StoreFault[] = [
  { error: 'failed' },
  { error: 'failed', effect: 'yes' },
  { error: 'failed', effect: 'late' },
  { error: 'denied' },
  { shortBytes: 7 },
  { flipBit: 333 },
]

test.each(FAULTS)('a store that fails at any operation with %j is no loss', async (fault) => {
  for (let nth = 1, isHit = true; isHit; nth++) {
    const world = new World()
    const rule = world.store.faults.add({ on: OPERATIONS, when: { nth }, fault })
    const machine = new Machine(world)
    await onTime(machine, async () => {
      await live(machine)
      world.landLate()
      await machine.archive(1)
      await machine.stop()
    })
    expect(machine.stopped).toEqual([])
    isHit = rule.hits > 0
    rule.remove()
    await world.checkBoth(machine)
    await goOn(world, machine)
  }
})

/** Another machine takes over: it archives four segments, while retention keeps the last two. */
async function takeOver(world: World, next: Machine): Promise<void> {
  await onTime(next, () => next.start({ fromArchive: true }))
  for (let segments = 0; segments < 4; segments++) {
    await onTime(next, () => next.archive(1))
    await world.retain()
  }
}

/** Waits for a promise that may reject because the machine is no longer the one that archives the log. */
async function refusal(pending: Promise<void>): Promise<void> {
  try {
    await pending
  } catch (error) {
    expect(error).toBeInstanceOf(ArchiveError)
    expect(['SQ_ARCHIVE_FENCED', 'SQ_ARCHIVE_MISMATCH']).toContain((error as ArchiveError).code)
  }
}

test('a machine that wakes up at any step of the store, after another has taken over, changes nothing', async () => {
  const whole = new Machine(new World())
  await onTime(whole, () => live(whole))
  for (let waitAt = 1; waitAt <= whole.storeSteps; waitAt++) {
    const world = new World()
    let [wake, wait] = [(): void => {}, (): void => {}]
    const until = new Promise<void>((resolve) => (wake = resolve))
    const isWaiting = new Promise<void>((resolve) => (wait = resolve))
    const old = new Machine(world, { waitAt, until, onWait: wait })
    const life = live(old)
    await onTime(old, () => Promise.race([life, isWaiting]))
    await world.check()
    const next = new Machine(world)
    await takeOver(world, next)
    wake()
    await onTime(old, () => refusal(life))
    await onTime(old, () => refusal(old.archive(1)))
    await onTime(old, () => old.stop())
    expect(old.stopped).toHaveLength(1)
    await onTime(next, () => next.archive(2))
    expect(next.stopped).toEqual([])
    await world.check()
    await world.checkAcknowledged(old)
    await world.checkAcknowledged(next)
  }
})

test.each([1, 2, 3])('the upload %i of a dead machine, landing at any later step, loses nothing', async (nth) => {
  for (let landAt = 1, isReached = true; isReached; landAt++) {
    const world = new World()
    const late = world.store.faults.add({ on: 'put', when: { nth }, fault: { error: 'failed', effect: 'late' } })
    const dead = new Machine(world)
    const life = live(dead)
    life.catch(() => {})
    for (let turn = 0; late.hits === 0 && turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(late.hits).toBe(1)
    const onStoreStep = (step: number): void => {
      if (step === landAt) world.landLate()
    }
    const next = new Machine(world, { onStoreStep })
    await refusal(takeOver(world, next))
    isReached = next.storeSteps >= landAt
    world.landLate()
    await world.check()
    await world.checkAcknowledged(next)
    const last = new Machine(world)
    await takeOver(world, last)
    expect(last.stopped).toEqual([])
  }
})

/** One log, for many steps drawn from a seed: machines that die, start again, take over and wake up, and a bad store. */
async function randomLife(seed: number): Promise<void> {
  const random = new Random(seed)
  const world = new World()
  const faults = FAULTS.map((fault) => {
    const when = { chance: 0.02, random }
    return world.store.faults.add({ on: OPERATIONS, when, fault })
  })
  const quietly = async <T>(action: () => Promise<T>): Promise<T> => {
    const active = faults.splice(0)
    for (const rule of active) rule.remove()
    const result = await action()
    const when = { chance: 0.02, random }
    for (const fault of FAULTS) faults.push(world.store.faults.add({ on: OPERATIONS, when, fault }))
    return result
  }
  const begin = async (before: Before, fromArchive: boolean): Promise<Machine> => {
    const machine = new Machine(world, { dieAt: random.chance(0.5) ? random.int(400) : -1 }, before)
    const start = (): Promise<void> => quietly(() => machine.start({ fromArchive }))
    await onTime(machine, () => Promise.race([start(), machine.died]))
    return machine
  }
  const machines = [await begin({}, false)]
  for (let step = 0; step < 12; step++) {
    const at = random.chance(0.8) ? machines.length - 1 : random.int(machines.length)
    const machine = machines[at]
    if (machine === undefined) continue
    if (machine.disk !== null) {
      if (random.chance(0.5)) machine.disk.crash({ random })
      else machine.disk.kill()
      machines[at] = await begin({ fs: machine.disk, acknowledged: machine.acknowledged }, false)
    } else if (random.chance(0.15)) {
      machines.push(await begin({}, true))
    } else {
      const archiving = (): Promise<void> => refusal(machine.archive(1 + random.int(3)))
      await onTime(machine, () => Promise.race([archiving(), machine.died]))
    }
    if (random.chance(0.3)) {
      world.landLate()
      await quietly(() => world.removeLateRuns())
    }
    if (random.chance(0.3)) await quietly(() => world.check())
    if (random.chance(0.2)) await quietly(() => world.retain())
  }
  for (const rule of faults) rule.remove()
  const disks = machines.map((machine) => machine.die())
  await new Promise((resolve) => setImmediate(resolve))
  world.landLate()
  await world.removeLateRuns()
  await world.check()
  for (const [at, fs] of disks.entries()) {
    const acknowledged = machines[at]?.acknowledged ?? new Map<bigint, string>()
    fs.kill()
    await world.checkAcknowledged({ fs, acknowledged })
  }
  const last = new Machine(world)
  await takeOver(world, last)
  expect(last.stopped).toEqual([])
}

test(`machines that die, start again, take over and wake up lose nothing, for ${SEEDS} seeds`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await randomLife(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
    })
  }
})
