import { ManualClock, Random } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { LockedError, LogNotFoundError, ProblemChangedError, repair, verify } from '../index.ts'
import type { LogProblem, LogReport, Repaired, RepairKind } from '../index.ts'
import { DAMAGED, first, FIRST, inverted, makeDamaged, SECOND, second, third, THIRD } from '../testing/damaged-logs.ts'
import { append, LogFixture } from '../testing/log-fixture.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function check(fixture: LogFixture = log): Promise<LogReport> {
  return verify(fixture.fs, fixture.config, 'orders', 0)
}

function mend(problem: LogProblem, kind: RepairKind): Promise<Repaired> {
  const options = { clock: new ManualClock(), random: new Random(1) }
  return repair(log.fs, log.config, 'orders', 0, { problem, repair: kind }, options)
}

/** A problem without what could be done about it. */
function rangeOf({ kind, path, from, to, firstOffset, lastOffset }: LogProblem): unknown[] {
  return [kind, path, from, to, firstOffset, lastOffset]
}

/** The first problem of the log, and what else there is. */
async function firstProblem(): Promise<{ report: LogReport; problem: LogProblem }> {
  const report = await check()
  const [problem] = report.problems
  if (problem === undefined) throw new Error('there is no problem')
  return { report, problem }
}

describe('every repair that is offered', () => {
  it.each(DAMAGED)('for $name costs what was said, and leaves no such problem', async ({ files }) => {
    await makeDamaged(log, files)
    const damaged = log.fs
    const before = await check()
    const filesBefore = await log.files()
    for (const problem of before.problems) {
      for (const offer of problem.repairs) {
        log = new LogFixture({}, damaged.clone())
        const { kept } = await mend(problem, offer.kind)
        const after = await check()
        const left = after.problems.map(rangeOf)
        expect(left).not.toContainEqual(rangeOf(problem))
        expect(before.problems.map(rangeOf)).toEqual(expect.arrayContaining(left))
        expect([after.firstOffset, after.nextOffset]).toEqual([offer.firstOffset, offer.nextOffset])
        const restored = offer.kind === 'restore' ? Number(problem.lastOffset) + 1 - Number(problem.firstOffset) : 0
        expect(after.records).toBe(before.records - offer.readableRecordsLost + restored)
        const filesAfter = await log.files()
        const taken = Object.entries(filesBefore).filter(([name, bytes]) => filesAfter[name] !== bytes)
        if (offer.kind !== 'restore') {
          for (const [name, bytes] of taken) expect(filesAfter[`${name}.kept-1`]).toBe(bytes)
          expect(kept.length).toBeGreaterThan(0)
        }
        expect(log.fs.openHandles).toBe(0)
        if (left.length > 0) continue
        const writer = await log.open()
        expect(await append(writer, 'next')).toBe(offer.nextOffset)
        await writer.close()
        expect((await check()).problems).toEqual([])
        expect((await log.outcome()).error).toBe(null)
      }
    }
  })

  it('are these', async () => {
    const offered: Record<string, string> = {}
    for (const { name, files } of DAMAGED) {
      log = new LogFixture()
      await makeDamaged(log, files)
      const { problems } = await check()
      const shown = problems.map(({ repairs }) =>
        repairs.map(({ kind, readableRecordsLost }) => `${kind} ${readableRecordsLost}`).join(', '),
      )
      offered[name] = shown.join('; ')
    }
    expect(offered).toEqual({})
  })
})
