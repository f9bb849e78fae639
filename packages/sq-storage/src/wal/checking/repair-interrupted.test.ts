import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it } from 'vitest'
import { repair, verify } from '../../index.ts'
import type { LogProblem, LogReport, PossibleRepair, RepairKind } from '../../index.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { DAMAGED, makeDamaged } from '../../testing/damaged-logs.ts'
import { LogFixture } from '../../testing/log-fixture.ts'

function check(log: LogFixture): Promise<LogReport> {
  return verify(log.fs, log.config, 'orders', 0)
}

async function doRepair(log: LogFixture, problem: LogProblem, kind: RepairKind): Promise<void> {
  const options = { clock: new ManualClock(), random: new Random(1) }
  await repair(log.fs, log.config, 'orders', 0, { problem, repair: kind }, options)
}

/** The problem at the same position. If the segments after it are gone and it is truncated, its kind is `short`. */
function findAgain({ problems }: LogReport, { kind, path, from }: LogProblem): LogProblem | undefined {
  const kinds = [kind, 'short']
  return problems.find((other) => kinds.includes(other.kind) && other.path === path && other.from === from)
}

/** Expects every segment unchanged, under its name or quarantined. */
async function expectNothingLost(log: LogFixture, before: Readonly<Record<string, string>>): Promise<void> {
  const files = await log.files()
  for (const [name, bytes] of Object.entries(before)) {
    const found = Object.keys(files).filter((other) => other.startsWith(name) && files[other] === bytes)
    expect({ name, found: found.length > 0 }).toEqual({ name, found: true })
  }
}

/** An interrupted repair leaves either the problem, so that it can be repeated, or no problem. */
async function expectRepairedOrNot(
  log: LogFixture,
  problem: LogProblem,
  offer: PossibleRepair,
): Promise<'repaired' | 'not'> {
  const report = await check(log)
  const again = findAgain(report, problem)
  if (again !== undefined) await doRepair(log, again, offer.kind)
  const after = await check(log)
  expect(findAgain(after, problem)).toBe(undefined)
  expect([after.firstOffset, after.nextOffset]).toEqual([offer.firstOffset, offer.nextOffset])
  return again === undefined ? 'repaired' : 'not'
}

const KINDS: readonly RepairKind[] = ['restore', 'drop-from', 'drop-through']

describe.each(KINDS)('%s', (kind) => {
  it.each(DAMAGED)('of $name, cut off from power anywhere, is done or not, and loses nothing', async ({ files }) => {
    const log = new LogFixture()
    await makeDamaged(log, files)
    const before = await log.files()
    const image = log.fs.crashState().image({ picks: [] })
    for (const problem of (await check(log)).problems) {
      const offer = problem.repairs.find((other) => other.kind === kind)
      if (offer === undefined) continue
      // Most images with names in any order are those with names in order, too. Each is checked once.
      const images = new CrashImages()
      for (const weakNames of [false, true]) {
        const copy = new LogFixture({}, new InMemoryFileSystem({ image, weakNames }))
        const stop = images.collect(copy.fs)
        await doRepair(copy, problem, kind)
        stop()
      }
      const outcomes = new Set<string>()
      for (const left of images.logs()) {
        if (kind !== 'restore') await expectNothingLost(left, before)
        outcomes.add(await expectRepairedOrNot(left, problem, offer))
      }
      expect(outcomes).toEqual(new Set(['repaired', 'not']))
    }
  })

  it.each(DAMAGED)('of $name, where any operation fails, is done or not, and loses nothing', async ({ files }) => {
    const log = new LogFixture()
    await makeDamaged(log, files)
    const before = await log.files()
    for (const problem of (await check(log)).problems) {
      const offer = problem.repairs.find((other) => other.kind === kind)
      if (offer === undefined) continue
      for (let nth = 1; ; nth++) {
        const copy = new LogFixture({}, log.fs.clone())
        const changes = ['create', 'write', 'sync', 'truncate', 'unlink', 'rename', 'syncDirectory', 'stat'] as const
        const rule = copy.fs.faults.add({ on: changes, when: { nth }, fault: { error: 'EIO' } })
        const failed = await doRepair(copy, problem, kind).then(
          () => null,
          (error: unknown) => error,
        )
        rule.remove()
        if (rule.hits === 0) break
        if (failed !== null) expect(failed).toMatchObject({ code: 'SQ_WAL_IO' })
        expect(copy.fs.openHandles).toBe(0)
        if (kind !== 'restore') await expectNothingLost(copy, before)
        await expectRepairedOrNot(copy, problem, offer)
      }
    }
  })
})
