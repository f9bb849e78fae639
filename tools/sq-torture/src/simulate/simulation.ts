/**
 * One simulated run of a log: appends, rotations and reopenings with faults, power cuts and kills, all drawn from one
 * seed. In the safety phase nothing may be lost or invented. In the liveness phase, which has no faults, everything
 * must work.
 */
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalError } from '@sq/storage'
import type { WalErrorCode } from '@sq/storage'
import { ValueTable, Violation } from '../history.ts'
import { LogUnderTest } from '../log-under-test.ts'
import { MAX_TIMESTAMP_MS } from '../ranges.ts'
import { untilReadOnly } from '../read-only.ts'
import { drawSwarm, strike } from './swarm.ts'
import type { Action, Swarm } from './swarm.ts'

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

class Simulation {
  readonly #random: Random
  readonly #swarm: Swarm
  /** For tailing readers, which read at moments of their own. */
  readonly #busy: Random
  readonly #fs: InMemoryFileSystem
  readonly #log: LogUnderTest
  #serial = 0
  #stops = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#swarm = drawSwarm(this.#random)
    this.#busy = new Random(seed)
    const { failedSync, weakNames, config } = this.#swarm
    this.#fs = new InMemoryFileSystem({ failedSync, weakNames })
    this.#log = new LogUnderTest(this.#fs, { values: new ValueTable(), seed, config })
  }

  async runTraced(): Promise<Traced> {
    const trace = this.#fs.operations.trace()
    const simulated = await this.run()
    return { ...simulated, traceHash: trace.hash() }
  }

  async run(): Promise<Simulated> {
    await this.#open()
    for (let step = 0; step < this.#swarm.steps; step++) await this.#step()
    await this.#recoverFromAll()
    const { acknowledged, rejected } = this.#log
    return { acknowledged, rejected, stops: this.#stops }
  }

  async #step(): Promise<void> {
    const { actions, faults, concurrency } = this.#swarm
    const { rejected } = this.#log
    if (faults.length > 0 && this.#random.chance(0.3)) strike(this.#fs, this.#random.pick(faults), this.#random)
    const action = actions.length > 0 && this.#random.chance(0.5) ? this.#random.pick(actions) : null
    const stop = action === 'power-cut' || action === 'kill' ? this.#stopSoon(action) : null
    const appends = Array.from({ length: 1 + this.#random.int(concurrency) }, () => this.#append(action === 'batch'))
    // If the process dies during the action, its appends get no results after that.
    const told = this.#log.untilDead(Promise.all(appends))
    await Promise.all([told, stop === null && action !== null ? this.#act(action) : null])
    stop?.()
    // A read-only file system does not recover, so the machine restarts.
    const mayBeReadOnly = this.#swarm.failedSync === 'readonly' && this.#log.rejected > rejected
    if (mayBeReadOnly && this.#random.chance(0.5)) await this.#restart()
    else if (stop !== null) await this.#open()
    else if (this.#log.rejected > rejected && this.#log.isTailedByOtherProcess) await this.#dieBeforeRollover()
  }

  /**
   * After a failed commit, which a reader in another process may have got, the writer may die before it rolls
   * over to a new segment. Its successor continues in the same segment, where the page cache may have lost the commit.
   */
  async #dieBeforeRollover(): Promise<void> {
    if (this.#swarm.failedSync === 'readonly' || this.#random.chance(0.5)) return
    for (let turns = this.#random.int(10); turns > 0; turns--) await new Promise(setImmediate)
    if (this.#random.chance(0.7)) this.#fs.evict()
    this.#stops++
    await this.#log.dieAlone()
    await this.#open()
  }

  /** Cuts the power and opens the log again. */
  async #restart(): Promise<void> {
    this.#stops++
    this.#log.die()
    this.#fs.crash({ random: this.#random })
    await this.#open()
  }

  /** An action during appends in flight. */
  async #act(action: Action): Promise<void> {
    if (action === 'append-encoded') await this.#appendEncoded()
    if (action === 'age') this.#log.clock.advance(2000)
    if (action === 'evict') this.#fs.evict()
    if (action === 'rotate') await this.#tolerate(() => this.#log.rotate())
    if (action === 'retention') await this.#tolerate(() => this.#log.deleteSegments())
    if (action === 'retention-by-age')
      await this.#tolerate(() => this.#log.deleteByAge({ keepFromMs: this.#someTimestampMs() }))
    if (action === 'wrong-clock') await this.#tolerate(() => this.#goByWrongClock())
    if (action === 'truncate') {
      const offset = this.#log.someOffset(this.#random)
      await this.#tolerate(() => this.#log.truncate(offset))
    }
    if (action === 'delete-records') {
      const before = this.#log.someOffset(this.#random)
      await this.#tolerate(() => this.#log.deleteRecords(before))
    }
    if (action === 'reset') {
      const offset = this.#offsetAside()
      await this.#tolerate(() => this.#log.reset(offset))
    }
    if (action === 'read') await this.#tolerate(() => this.#log.readDuringWrites())
    if (action === 'read-range') await this.#tolerate(() => this.#log.readSomeRange(this.#random))
    if (action === 'fetch') await this.#tolerate(() => this.#log.fetch(this.#random))
    if (action === 'reopen') await this.#tolerate(() => this.#log.close())
  }

  /** Deletes by age while the clock is ten years ahead. It may have been ahead when the log was opened, too. */
  async #goByWrongClock(): Promise<void> {
    const { clock } = this.#log
    const aheadMs = 10 * 365 * 86_400_000
    const keepFromMs = this.#someTimestampMs()
    if (this.#random.chance(0.5)) {
      await this.#log.close()
      const rightMs = clock.now()
      clock.setNow(rightMs + aheadMs)
      try {
        await this.#log.open()
      } finally {
        clock.setNow(rightMs)
      }
    }
    await this.#log.deleteByAge({ keepFromMs, aheadMs })
  }

  /** A time between the timestamps. */
  #someTimestampMs(): number {
    return 1 + this.#random.int(MAX_TIMESTAMP_MS + 1)
  }

  /** An offset that is not where the log will end: before that, or after all that is in flight. */
  #offsetAside(): number {
    const { acknowledged, submittedEnd } = this.#log.history
    const isBehind = acknowledged.length === 0 || this.#random.chance(0.7)
    return isBehind ? submittedEnd + 1 + this.#random.int(5) : this.#random.int(acknowledged.length)
  }

  async #append(asBatch: boolean): Promise<void> {
    const values = Array.from({ length: asBatch ? 1 + this.#random.int(4) : 1 }, () => this.#value())
    await this.#log.append(...values)
  }

  /** Encoded batches, some of them at an offset that must be refused. */
  async #appendEncoded(): Promise<void> {
    const batches = Array.from({ length: 1 + this.#random.int(5) }, () =>
      Array.from({ length: 1 + this.#random.int(3) }, () => this.#value()),
    )
    const aside = this.#random.chance(0.2) ? this.#random.pick([-1, 1]) : 0
    await this.#log.untilDead(this.#log.appendEncoded(batches, { aside }))
  }

  #value(): Uint8Array {
    const length = this.#swarm.length(this.#random)
    const serial = this.#serial++
    const style = this.#random.int(3)
    if (style === 0) return Buffer.alloc(length)
    return style === 1 ? this.#random.bytes(length) : Buffer.alloc(length, `FR ${serial} `)
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
      this.#stops++
      this.#log.die()
      if (how === 'kill') this.#fs.kill()
      else this.#fs.crash({ random: this.#random })
    }
    return stop
  }

  /** Opens the log, and retries while faults strike: each strikes once. */
  async #open(): Promise<void> {
    for (;;) {
      try {
        await untilReadOnly(this.#log, () => this.#log.open())
        this.#startReaders()
        return
      } catch (error) {
        if (!isFault(error)) throw error
      }
    }
  }

  #startReaders(): void {
    const { tails, otherProcessTails, busyTurns: most } = this.#swarm
    const busyTurns = (): number => this.#busy.int(most + 1)
    if (tails) this.#log.tail({ isBusy: most > 0, busyTurns })
    if (otherProcessTails === null) return
    this.#log.tailInOtherProcess({ durableOnly: otherProcessTails === 'durable only', busyTurns })
  }

  /** Runs an action that may fail because of a fault. Afterwards the log is open in any case. */
  async #tolerate(attempt: () => Promise<unknown>): Promise<void> {
    try {
      await untilReadOnly(this.#log, attempt)
    } catch (error) {
      if (!isFault(error)) throw error
    }
    if (!this.#log.isOpen) await this.#open()
  }

  /** Without faults, everything works: appends, rotation, closing, and a log that is the same after reopening. */
  async #recoverFromAll(): Promise<void> {
    this.#fs.faults.clear()
    if (this.#swarm.failedSync === 'readonly') await this.#restart()
    const { rejected } = this.#log
    await this.#log.append(Buffer.from('alive'))
    await this.#log.appendEncoded([[Buffer.from('a')], [Buffer.from('replica'), Buffer.from('too')]])
    await this.#log.rotate()
    await this.#log.append(Buffer.from('and well'))
    if (this.#log.rejected > rejected) throw new Violation('6: an append was rejected without any fault')
    await this.#log.stopReaders()
    await this.#log.close()
    await this.#log.open()
    await this.#log.checkEncoded()
    await this.#log.close()
  }
}

const EXPLAINED: ReadonlySet<WalErrorCode> = new Set(['SQ_WAL_IO', 'SQ_WAL_APPEND_FAILED', 'SQ_WAL_CLOCK_SUSPECT'])

/** Whether a fault or a wrong clock explains an error. Corruption and violations are never explained. */
function isFault(error: unknown): boolean {
  return error instanceof WalError && EXPLAINED.has(error.code)
}
