/**
 * Machines that archive one log to one store, all in memory: one that dies at each of its steps, one whose store fails
 * at each operation, and one that wakes up after another has taken over. `exploration.test.ts` does so for what machines
 * do on an archive that is there. What must hold:
 *
 * - What was acknowledged is in the local log or in the archive, and what was reported as archived is in the archive.
 * - The archive is one log without a gap, and no object ever changes.
 * - Only segments that are in the archive are deleted locally, and none by a writer that is fenced.
 * - A restored log is the archive, or the end of it.
 * - Readers of both places together miss no record, repeat none, and read no other.
 * - Every promise settles.
 */
import { Random } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeAll, describe, expect, test } from 'vitest'
import { Machine, onTime, refusal, takeOver } from './testing/machine.ts'
import type { Before } from './testing/machine.ts'
import { FAULTS, loadModules, OPERATIONS, World } from './testing/world.ts'

beforeAll(loadModules)

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

test('a machine that dies at any step of a restore has no log or the whole one, and can restore it again', async () => {
  const world = new World()
  const first = new Machine(world)
  await onTime(first, () => live(first))
  for (let dieAt = 1, isDead = true; isDead; dieAt++) {
    const machine = new Machine(world, { dieAt })
    await onTime(machine, () => Promise.race([machine.restore(Infinity), machine.died]))
    isDead = machine.disk !== null
    const disk = machine.die()
    disk.crash({ random: new Random(dieAt) })
    const again = new Machine(world, {}, { fs: disk })
    await onTime(again, () => again.restore(Infinity))
    await world.checkRestored(disk, { isWhole: true })
  }
})
