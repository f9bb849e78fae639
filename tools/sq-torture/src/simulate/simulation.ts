/**
 * One simulated run of a log: appends, rotations and reopenings with faults, power cuts and kills, all drawn from one
 * seed. In the safety phase nothing may be lost or invented. In the liveness phase, which has no faults, everything
 * must work.
 */
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { ValueTable, Violation } from '../history.ts'
import { LimitsUnderTest } from '../log/limits-under-test.ts'
import { LogUnderTest } from '../log/log-under-test.ts'
import { RecycledFiles } from '../log/recycled-files.ts'
import { act } from './actions.ts'
import { keepingReferences } from './kept-references.ts'
import { Machine } from './machine.ts'
import { NewValues } from './new-values.ts'
import { drawSwarm, isInterruptible, strike } from './swarm.ts'
import type { Action, Swarm } from './swarm.ts'

/** The number of ranges that are read of each log with an opaque batch. */
const OPAQUE_RANGES = 5

/** What happened in a run. */
export interface Simulated {
  readonly acknowledged: number
  readonly rejected: number
  readonly stops: number
}

/** What happened in a run, with every file system operation and its outcome: equal for two runs of a seed. */
export interface Traced extends Simulated {
  readonly traceHash: string
}

export function simulate(seed: number): Promise<Simulated> {
  return new Simulation(seed).run()
}

/** Like `simulate`, with a trace. Takes a third longer. */
export function simulateTraced(seed: number): Promise<Traced> {
  return new Simulation(seed).runTraced()
}

/** In one in so many simulations, every new segment is written over the bytes of an earlier one. */
const RECYCLING_SHARE = 8

class Simulation {
  readonly #random: Random
  readonly #swarm: Swarm
  /** For tailing readers, which read at moments of their own. */
  readonly #busy: Random
  readonly #fs: InMemoryFileSystem
  readonly #values: NewValues
  readonly #machine: Machine

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#swarm = drawSwarm(this.#random)
    this.#busy = new Random(seed)
    const { failedSync, weakNames, config, maxSharedBytes, neighbours, inBatches } = this.#swarm
    const recycles = seed % RECYCLING_SHARE === 0
    const fs = new InMemoryFileSystem({ failedSync, weakNames })
    this.#fs = fs
    this.#values = new NewValues(this.#random, this.#swarm)
    const limits = new LimitsUnderTest(maxSharedBytes)
    const shared = { values: new ValueTable(), config, limits, inBatches }
    const setting = () => ({ ...shared, ...(recycles && { recycled: new RecycledFiles() }) })
    const log = new LogUnderTest(fs, { ...setting(), seed })
    const others = Array.from(
      { length: neighbours },
      (_, index) => new LogUnderTest(fs, { ...setting(), seed: seed + index + 1, partition: index + 1 }),
    )
    this.#machine = new Machine(fs, { logs: [log, ...others], limits, onOpen: () => this.#startReaders() })
  }

  async runTraced(): Promise<Traced> {
    const trace = this.#fs.operations.trace()
    const simulated = await this.run()
    return { ...simulated, traceHash: trace.hash() }
  }

  run(): Promise<Simulated> {
    return keepingReferences(async () => {
      await this.#machine.open()
      for (let step = 0; step < this.#swarm.steps; step++) await this.#step()
      await this.#recoverFromAll()
      const { acknowledged, rejected, stops } = this.#machine
      return { acknowledged, rejected, stops }
    })
  }

  /** The log that has tailing readers. */
  get #log(): LogUnderTest {
    return this.#machine.logs[0]
  }

  async #step(): Promise<void> {
    const { actions, faults, concurrency } = this.#swarm
    const machine = this.#machine
    const { rejected } = machine
    if (faults.length > 0 && this.#random.chance(0.3)) strike(this.#fs, this.#random.pick(faults), this.#random)
    const action = actions.length > 0 && this.#random.chance(0.5) ? this.#random.pick(actions) : null
    const stop = action === 'power-cut' || action === 'kill' ? this.#stopSoon(action) : null
    const appends = Array.from({ length: 1 + this.#random.int(concurrency) }, () => this.#append(action === 'batch'))
    // If the process dies during the action, its appends get no results after that.
    const told = machine.untilDead(Promise.all(appends))
    await Promise.all([told, stop === null ? this.#act(action) : machine.untilDead(this.#act(this.#interrupted()))])
    stop?.()
    // A read-only file system does not recover, so the machine restarts.
    const mayBeReadOnly = this.#swarm.failedSync === 'readonly' && machine.rejected > rejected
    if (mayBeReadOnly && this.#random.chance(0.5)) await this.#restart()
    else if (stop !== null) await machine.open()
    else if (machine.rejected > rejected && this.#log.isTailedByOtherProcess) await this.#dieBeforeRollover()
    machine.limits.mustBeEmpty()
  }

  /**
   * After a failed commit, which a reader in another process may have got, the writer may die before it rolls
   * over to a new segment. Its successor continues in the same segment, where the page cache may have lost the commit.
   */
  async #dieBeforeRollover(): Promise<void> {
    if (this.#swarm.failedSync === 'readonly' || this.#random.chance(0.5)) return
    for (let turns = this.#random.int(10); turns > 0; turns--) await new Promise(setImmediate)
    if (this.#random.chance(0.7)) this.#fs.evict()
    await this.#machine.restartAlone()
  }

  /** Cuts the power and opens the log again. */
  async #restart(): Promise<void> {
    this.#machine.stop('power-cut', this.#random)
    await this.#machine.open()
  }

  /** An action during appends in flight. */
  async #act(action: Action | null): Promise<void> {
    if (action !== null) await act(action, { machine: this.#machine, random: this.#random, values: this.#values })
  }

  /** An action that a stop may interrupt. */
  #interrupted(): Action | null {
    const actions = this.#swarm.actions.filter(isInterruptible)
    return actions.length > 0 && this.#random.chance(0.3) ? this.#random.pick(actions) : null
  }

  async #append(asBatch: boolean): Promise<void> {
    const { logs } = this.#machine
    const log = logs.length === 1 ? logs[0] : this.#random.pick(logs)
    await log.append(...(asBatch ? this.#values.some(4) : [this.#values.one()]))
  }

  /** Cuts the power or kills the process at a later operation. Returns a function that does it at the latest. */
  #stopSoon(how: 'power-cut' | 'kill'): () => void {
    let left = this.#random.int(40)
    const end = this.#fs.operations.observe(() => {
      if (left-- === 0) stop()
    })
    let stopped = false
    const stop = () => {
      end()
      if (stopped) return
      stopped = true
      this.#machine.stop(how, this.#random)
    }
    return stop
  }

  #startReaders(): void {
    const { tails, otherProcessTails, busyTurns: most } = this.#swarm
    const busyTurns = (): number => this.#busy.int(most + 1)
    if (tails) this.#log.tail({ isBusy: most > 0, busyTurns })
    if (otherProcessTails === null) return
    this.#log.tailInOtherProcess({ durableOnly: otherProcessTails === 'durable only', busyTurns })
  }

  /** Without faults, everything works: appends, rotation, closing, and a log that is the same after reopening. */
  async #recoverFromAll(): Promise<void> {
    this.#fs.faults.clear()
    if (this.#swarm.failedSync === 'readonly') await this.#restart()
    const { rejected } = this.#machine
    for (const log of this.#machine.logs) await this.#work(log)
    if (this.#machine.rejected > rejected) throw new Violation('6: an append was rejected without any fault')
    await this.#log.stopReaders()
    for (const log of this.#machine.logs) await this.#reopen(log)
    this.#machine.limits.mustBeEmpty()
  }

  async #work(log: LogUnderTest): Promise<void> {
    await log.append(Buffer.from('alive'))
    await log.appendEncoded([
      { content: [Buffer.from('a')] },
      { content: [Buffer.from('replica'), Buffer.from('too')] },
    ])
    await log.rotate()
    if (this.#swarm.actions.includes('configure')) await log.checkConfigured()
    if (this.#swarm.actions.includes('bounds')) await log.checkBounds()
    if (this.#swarm.actions.includes('checkpoint')) await log.checkpoint()
    if (this.#swarm.inBatches) await this.#checkOpaque(log)
    await log.append(Buffer.from('and well'))
  }

  /** An opaque batch is returned whole or not at all, and no truncation may cut it. */
  async #checkOpaque(log: LogUnderTest): Promise<void> {
    const { actions } = this.#swarm
    await log.appendEncoded([{ content: { payload: Buffer.from('opaque'), recordCount: 3 } }])
    if (actions.includes('truncate')) await log.truncate(log.history.acknowledged.length - 1)
    if (!actions.includes('read-range')) return
    for (let left = OPAQUE_RANGES; left > 0; left--) await log.readSomeRange(this.#random)
  }

  async #reopen(log: LogUnderTest): Promise<void> {
    await log.close()
    await log.open()
    await log.checkEncoded()
    await log.close()
  }
}
