/**
 * Machines that archive one log, for many steps drawn from a seed: they die, start again, restore the log, take over and
 * wake up, while the store fails, uploads and deletions take effect late, retention deletes, and consumers read. What
 * must hold is in `simulation.test.ts`.
 */
import { Random } from '@sq/sim'
import { WalError } from '@sq/storage'
import { beforeAll, expect, test } from 'vitest'
import { ArchiveError, ObjectStoreError } from '../index.ts'
import { Follower } from './testing/follower.ts'
import { Machine, onTime, refusal, takeOver } from './testing/machine.ts'
import type { Before } from './testing/machine.ts'
import { FAULTS, loadModules, OPERATIONS, World } from './testing/world.ts'

beforeAll(loadModules)

/** The first seed, and how many: `SQ_ARCHIVE_SEEDS=10000 vitest run random-simulation`. */
const FIRST_SEED = Number(process.env['SQ_ARCHIVE_SEED'] ?? 1)
const SEEDS = Number(process.env['SQ_ARCHIVE_SEEDS'] ?? 30)

const STEPS = 12
const MAX_STEPS_TO_DEATH = 400
const FAULT_CHANCE = 0.02

/** A machine, and a consumer on it. */
interface Consumed {
  readonly machine: Machine
  /** Null if the machine died while it started. */
  readonly follower: Follower | null
  /** How much of the archive it downloads if it has no log; undefined if it begins its log at offset 0. */
  readonly restoreBytes: number | undefined
}

class RandomLife {
  readonly #random: Random
  readonly #world = new World()
  readonly #machines: Consumed[] = []
  #endFaults: () => void = () => {}

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  async run(): Promise<void> {
    this.#beginFaults()
    this.#machines.push(await this.#begin({}, undefined))
    for (let step = 0; step < STEPS; step++) await this.#step()
    this.#endFaults()
    for (const consumed of this.#machines) await this.#readAll(consumed)
    for (const { follower } of this.#machines) await follower?.close()
    await this.#checkEnd()
  }

  async #step(): Promise<void> {
    const random = this.#random
    const at = random.chance(0.8) ? this.#machines.length - 1 : random.int(this.#machines.length)
    const consumed = this.#machines[at]
    if (consumed === undefined) return
    const { machine } = consumed
    if (machine.disk !== null) this.#machines[at] = await this.#startAgain(consumed)
    else if (random.chance(0.15)) this.#machines.push(await this.#begin({}, this.#restoreBytes()))
    else {
      const archiving = (): Promise<void> => refusal(machine.archive(1 + random.int(3)))
      await onTime(machine, () => Promise.race([archiving(), machine.died]))
    }
    if (random.chance(0.3)) {
      this.#world.landLate()
      await this.#quietly(() => this.#world.removeLateRuns())
    }
    if (random.chance(0.3)) await this.#quietly(() => this.#world.check())
    if (random.chance(0.2)) await this.#retain()
    if (random.chance(0.2)) await this.#quietly(() => this.#readAll(consumed))
  }

  #restoreBytes(): number {
    return [0, 1, Infinity][this.#random.int(3)] ?? 0
  }

  async #begin(before: Before, restoreBytes: number | undefined): Promise<Consumed> {
    const random = this.#random
    const dieAt = random.chance(0.5) ? random.int(MAX_STEPS_TO_DEATH) : -1
    const machine = new Machine(this.#world, { dieAt }, before)
    const start = (): Promise<void> => machine.start(restoreBytes === undefined ? {} : { restoreBytes })
    await this.#quietly(() => onTime(machine, () => Promise.race([start(), machine.died])))
    return { machine, follower: machine.disk === null ? new Follower(machine, 0n) : null, restoreBytes }
  }

  /** Starts with the disk of a machine that has died. */
  async #startAgain({ machine, follower, restoreBytes }: Consumed): Promise<Consumed> {
    const fs = machine.die()
    await follower?.close()
    if (this.#random.chance(0.5)) fs.crash({ random: this.#random })
    else fs.kill()
    const { acknowledged, ownFrom } = machine
    return this.#begin({ fs, acknowledged, ownFrom }, restoreBytes)
  }

  /** Deletes from the archive, which the store may fail to do, or do later. */
  async #retain(): Promise<void> {
    await this.#quietly(() => this.#world.check())
    try {
      await this.#world.deleteOldest()
    } catch (error) {
      const isOfTheStore = [ArchiveError, ObjectStoreError, WalError].some((kind) => error instanceof kind)
      if (!isOfTheStore) throw error
    }
  }

  /** Waits until the consumer of a machine that lives has read everything. */
  async #readAll({ machine, follower }: Consumed): Promise<void> {
    if (follower === null || machine.disk !== null) return
    const reading = (): Promise<void> => follower.reach(machine.writer.logEndOffset)
    await onTime(machine, () => Promise.race([reading(), machine.died]))
  }

  /** After the death of all machines: nothing is lost, and another machine goes on. */
  async #checkEnd(): Promise<void> {
    const disks = this.#machines.map(({ machine }) => machine.die())
    await new Promise((resolve) => setImmediate(resolve))
    this.#world.landLate()
    await this.#world.removeLateRuns()
    await this.#world.check()
    for (const [at, fs] of disks.entries()) {
      const acknowledged = this.#machines[at]?.machine.acknowledged ?? new Map<bigint, string>()
      fs.kill()
      await this.#world.checkAcknowledged({ fs, acknowledged })
    }
    const last = new Machine(this.#world)
    await takeOver(this.#world, last)
    expect(last.stopped).toEqual([])
  }

  /** Runs an action while the store does not fail. */
  async #quietly<T>(action: () => Promise<T>): Promise<T> {
    this.#endFaults()
    const result = await action()
    this.#beginFaults()
    return result
  }

  #beginFaults(): void {
    const when = { chance: FAULT_CHANCE, random: this.#random }
    const rules = FAULTS.map((fault) => this.#world.store.faults.add({ on: OPERATIONS, when, fault }))
    this.#endFaults = () => {
      for (const rule of rules) rule.remove()
    }
  }
}

/** A slow machine is no failure, only a hang is. */
const TIMEOUT_MS = 120_000 + SEEDS * 2000

test(
  `machines that die, start again, restore, take over and wake up lose nothing, for ${SEEDS} seeds`,
  async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      await new RandomLife(seed).run().catch((error: unknown) => {
        const replay = `SQ_ARCHIVE_SEEDS=1 SQ_ARCHIVE_SEED=${seed} pnpm --filter @sq/archive exec vitest run random-simulation`
        throw new Error(`${String(error)}; replay: ${replay}`, { cause: error })
      })
    }
  },
  TIMEOUT_MS,
)
