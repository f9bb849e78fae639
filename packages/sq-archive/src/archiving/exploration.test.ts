/**
 * Every crash and every fault of the store, alone and one after the other, over short workloads on an archive that an
 * earlier machine has left, in memory. `simulation.test.ts` says what must hold, and explores the longer life of a
 * machine that begins a log.
 */
import { Random } from '@sq/sim'
import { WalError } from '@sq/storage'
import { beforeAll, describe, expect, test } from 'vitest'
import { ArchiveError, ObjectStoreError } from '../index.ts'
import type { StoreFault, StoreOperation } from '../memory/index.ts'
import { Machine, onTime } from './testing/machine.ts'
import type { Before } from './testing/machine.ts'
import { FAULTS, loadModules, OPERATIONS, World } from './testing/world.ts'

beforeAll(loadModules)

/** What a machine does on an archive. */
interface Workload {
  /** How much of the archive it downloads; undefined if it has the disk of the machine that has archived. */
  readonly restoreBytes?: number
  readonly run: (machine: Machine) => Promise<void>
}

const WORKLOADS: readonly (readonly [name: string, workload: Workload])[] = [
  ['starts again and archives', { run: (machine) => machine.archive(1) }],
  ['restores the log and archives', { restoreBytes: Infinity, run: (machine) => machine.archive(1) }],
  ['begins at the end of the archive and archives', { restoreBytes: 0, run: (machine) => machine.archive(1) }],
  ['archives and trims the archive', { run: (machine) => archiveAndTrim(machine) }],
]

async function archiveAndTrim(machine: Machine): Promise<void> {
  await machine.archive(1)
  await again(() => machine.trimArchive())
}

/** What a caller does after an error of the store, of which there is only one. */
async function again(action: () => Promise<unknown>): Promise<void> {
  try {
    await action()
  } catch (error) {
    const isOfTheStore = [ArchiveError, ObjectStoreError, WalError].some((kind) => error instanceof kind)
    if (!isOfTheStore) throw error
    await action()
  }
}

/** An archive of three segments, and what the machine that made it has left. */
async function archived(): Promise<{ world: World; before: Before }> {
  const world = new World()
  const first = new Machine(world)
  await onTime(first, async () => {
    await first.start()
    await first.archive(3)
    await first.stop()
  })
  await world.check()
  const { acknowledged, ownFrom } = first
  return { world, before: { fs: first.die(), acknowledged, ownFrom } }
}

async function live(machine: Machine, { restoreBytes, run }: Workload): Promise<void> {
  if (restoreBytes !== undefined) await again(() => machine.restore(restoreBytes))
  await machine.start()
  await run(machine)
}

/** A run of a workload, up to the death of the machine if it dies. */
async function begin(
  workload: Workload,
  { dieAt, dieAtStoreStep }: { readonly dieAt?: number; readonly dieAtStoreStep?: number },
  fault?: { readonly on: readonly StoreOperation[]; readonly nth: number; readonly fault: StoreFault },
): Promise<{ world: World; machine: Machine; isHit: boolean; hitAt: number }> {
  const { world, before } = await archived()
  let hitAt = 0
  const onStoreStep = (step: number): void => {
    if (hitAt === 0 && rule !== null && rule.hits > 0) hitAt = step
    if (step === dieAtStoreStep) machine.die()
  }
  const rule =
    fault === undefined ? null : world.store.faults.add({ on: fault.on, when: { nth: fault.nth }, fault: fault.fault })
  const plan = dieAt === undefined ? { onStoreStep } : { dieAt, onStoreStep }
  const machine: Machine = new Machine(world, plan, workload.restoreBytes === undefined ? before : {})
  await onTime(machine, () => Promise.race([live(machine, workload), machine.died]))
  const isHit = rule !== null && rule.hits > 0
  rule?.remove()
  return { world, machine, isHit, hitAt }
}

/** Whatever was struck, nothing is lost, and the same machine goes on. */
async function goOn(world: World, machine: Machine, { restoreBytes }: Workload): Promise<void> {
  const fs = machine.die()
  fs.crash({ random: new Random(machine.steps) })
  await world.check()
  await world.checkAcknowledged({ fs, acknowledged: machine.acknowledged })
  const { acknowledged, ownFrom } = machine
  const next = new Machine(world, {}, { fs, acknowledged, ownFrom })
  await onTime(next, async () => {
    await next.start(restoreBytes === undefined ? {} : { restoreBytes })
    await next.archive(1)
    world.landLate()
    await next.archive(1)
    await next.stop()
  })
  expect(next.stopped).toEqual([])
  await world.checkBoth(next)
}

describe.each(WORKLOADS)('a machine that %s', (_, workload) => {
  test('loses nothing if the power is cut at any step', async () => {
    const { machine: whole } = await begin(workload, {})
    expect(whole.steps).toBeGreaterThan(50)
    for (let dieAt = 1; dieAt <= whole.steps; dieAt++) {
      const { world, machine } = await begin(workload, { dieAt })
      await goOn(world, machine, workload)
    }
  })

  test('loses nothing if the store fails at any operation', async () => {
    for (const fault of FAULTS) {
      let hits = 0
      for (let nth = 1, isHit = true; isHit; nth++) {
        const run = await begin(workload, {}, { on: OPERATIONS, nth, fault })
        isHit = run.isHit
        if (isHit) hits++
        await goOn(run.world, run.machine, workload)
      }
      expect(hits).toBeGreaterThan(5)
    }
  })

  test.each(['yes', 'late'] as const)(
    'loses nothing if the power is cut at any step after a change of the store failed that took effect (%s)',
    async (effect) => {
      let runs = 0
      for (let nth = 1, isHit = true; isHit; nth++) {
        const fault = { on: ['put', 'delete'], nth, fault: { error: 'failed', effect } } as const
        const whole = await begin(workload, {}, fault)
        isHit = whole.isHit
        const lastStep = isHit ? whole.machine.storeSteps : -1
        for (let step = whole.hitAt; step <= lastStep; step++) {
          const { world, machine } = await begin(workload, { dieAtStoreStep: step }, fault)
          await goOn(world, machine, workload)
          runs++
        }
      }
      expect(runs).toBeGreaterThan(5)
    },
  )
})
