import { ManualClock, Random } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { LockedError, LogNotFoundError, ProblemChangedError, repair, verify } from '../index.ts'
import type { LogProblem, LogReport, Repaired, RepairKind } from '../index.ts'
import { DAMAGED, first, inverted, makeDamaged, SECOND, second, THIRD } from '../testing/damaged-logs.ts'
import { append, LogFixture } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function check(fixture: LogFixture = log): Promise<LogReport> {
  return verify(fixture.fs, fixture.config, 'orders', 0)
}

function doRepair(problem: LogProblem, kind: RepairKind): Promise<Repaired> {
  const options = { clock: new ManualClock(), random: new Random(1) }
  return repair(log.fs, log.config, 'orders', 0, { problem, repair: kind }, options)
}

/** A problem without its repairs. */
function rangeOf({ kind, path, from, to, firstOffset, lastOffset }: LogProblem): unknown[] {
  return [kind, path, from, to, firstOffset, lastOffset]
}

/** The only problem of the log. */
async function theProblem(): Promise<LogProblem> {
  const { problems } = await check()
  const [problem] = problems
  if (problem === undefined || problems.length > 1) throw new Error(`there are ${problems.length} problems`)
  return problem
}

describe('every repair that is offered', () => {
  it.each(DAMAGED)('for $name costs what was said, and removes the problem', async ({ files }) => {
    await makeDamaged(log, files)
    const damaged = log.fs
    const before = await check()
    const filesBefore = await log.files()
    for (const problem of before.problems) {
      for (const offer of problem.repairs) {
        log = new LogFixture({}, damaged.clone())
        const { quarantined } = await doRepair(problem, offer.kind)
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
          for (const [name, bytes] of taken) expect(filesAfter[`${name}.quarantined-1`]).toBe(bytes)
          expect(quarantined.length).toBeGreaterThan(0)
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
    expect(offered).toEqual({
      'a SEAL with a different summary': 'drop-through 3',
      'a commit in the middle of the last segment': 'drop-from 1',
      'a frame replaced by a different one at its position': 'drop-from 4, drop-through 5',
      'a frame of an unknown type': '',
      'a frame that is not made of records, confirmed by the next': 'drop-from 1',
      'a last frame other than the one its successor states': 'drop-through 7',
      'a last frame with unknown attributes': '',
      'a middle segment cut between two frames': 'drop-from 3, drop-through 4',
      'a middle segment cut inside a frame': 'drop-from 3, drop-through 4',
      'a middle segment that is missing': 'drop-from 3, drop-through 3',
      'a middle segment without its SEAL': 'drop-through 7',
      'a name that no offset has': '',
      'a sector, over several frames': 'drop-from 3, drop-through 3',
      'a segment and the one after it': 'drop-through 2, drop-from 5; drop-through 2',
      'a segment of another partition': 'drop-from 0',
      'a segment of another topic': 'drop-from 0',
      'a segment of another version': '',
      'a segment that claims to be the first': 'drop-through 3',
      'a segment under the name of a different one': 'drop-from 3, drop-through 3',
      'a successor that begins before the last commit': 'drop-through 1',
      'the head of a segment, behind one with a rejected commit': 'drop-from 0',
      'the head of a segment, behind one with an ignored tail': 'drop-from 0',
      'a segment named by an offset inside the one before it': 'drop-through 3',
      'a commit before a segment of another version': '; ',
      'a frame behind a SEAL': 'drop-from 0',
      'an empty file': 'drop-from 3, drop-through 3',
      'an end that is stated before the first frame': 'drop-from 3, drop-through 3',
      'a segment replaced by one with the same offsets': 'drop-from 3, drop-through 4',
      'more records than the successor leaves room for': 'drop-through 3',
      'the bodies of two frames next to each other': 'drop-from 4, drop-through 4; drop-through 4',
      'the body of OPEN, of the last segment': 'drop-from 0',
      'the body of a SEAL': 'restore 0, drop-through 3',
      'the body of a frame': 'drop-from 4, drop-through 5',
      'the header of a MARK': 'restore 0, drop-through 3',
      'the header of a SEAL': 'restore 0, drop-through 3',
      'the header of a frame': 'restore 0, drop-from 4, drop-through 5',
      'the header of the third of four frames in one write': 'restore 0, drop-from 2',
      'the header of one frame and the body of another, not next to it':
        'restore 0, drop-from 5, drop-through 5; drop-through 5',
      'the magic': 'drop-from 3, drop-through 3',
      'the padding of a frame': 'restore 0, drop-from 6, drop-through 6',
    })
  })
})

/** Expects that a repair is refused and changes nothing. */
async function refused(problem: LogProblem, kind: RepairKind, error: new (...args: never[]) => Error): Promise<void> {
  const before = await log.files()
  await expect(doRepair(problem, kind)).rejects.toThrow(error)
  expect(await log.files()).toEqual(before)
}

describe('a repair is refused, and changes nothing,', () => {
  const { position } = second.at(1)
  const damaged = { [SECOND]: inverted(second.bytes, { from: position + 60, to: position + 70 }) }

  it('if the problem does not offer it', async () => {
    await makeDamaged(log, damaged)
    await refused(await theProblem(), 'restore', RangeError)
    expect(log.fs.openHandles).toBe(0)
  })

  it('if the problem is gone, has moved, or is a different one', async () => {
    await makeDamaged(log, damaged)
    const problem = await theProblem()
    await log.overwrite(log.path(3), second.bytes)
    await refused(problem, 'drop-from', ProblemChangedError)
    await log.overwrite(log.path(3), inverted(second.bytes, { from: position - 10, to: position - 9 }))
    await refused(problem, 'drop-from', ProblemChangedError)
    await log.overwrite(log.path(3), inverted(second.bytes, { from: 0, to: 1 }))
    await refused(problem, 'drop-from', ProblemChangedError)
  })

  it('if it would cost more than was said', async () => {
    await makeDamaged(log, damaged)
    const problem = await theProblem()
    await append(await log.open(), 'k')
    log.fs.kill()
    await refused(problem, 'drop-from', ProblemChangedError)
    await refused({ ...problem, kind: 'records' }, 'drop-through', ProblemChangedError)
  })

  it('while a writer has the log open', async () => {
    await makeDamaged(log, damaged)
    const problem = await theProblem()
    const writer = await log.open()
    await refused(problem, 'drop-through', LockedError)
    await writer.close()
  })

  it('where there is no log', async () => {
    await makeDamaged(log, damaged)
    const problem = await theProblem()
    const chosen = { problem, repair: 'drop-through' } as const
    await expect(repair(log.fs, log.config, 'orders', 1, chosen)).rejects.toThrow(LogNotFoundError)
    expect(await log.fs.readdir('/data/orders')).toEqual(['0'])
    await expect(repair(log.fs, log.config, '..', 0, chosen)).rejects.toThrow(RangeError)
  })

  it('if a copy cannot be made', async () => {
    await makeDamaged(log, damaged)
    const problem = await theProblem()
    log.fs.faults.add({ on: 'write', when: { nth: 2 }, fault: { error: 'ENOSPC' } })
    await expect(doRepair(problem, 'drop-from')).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'ENOSPC' } })
    expect(await theProblem()).toEqual(problem)
    expect(log.fs.openHandles).toBe(0)
  })
})

describe('what a repair keeps', () => {
  it('replaces no earlier quarantined file', async () => {
    await makeDamaged(log, { [SECOND]: inverted(second.bytes, { from: 0, to: 1 }) })
    await log.make(`${log.path(0)}.quarantined-1`, Buffer.from('earlier'))
    const { quarantined } = await doRepair(await theProblem(), 'drop-through')
    expect(quarantined).toEqual([`${log.path(0)}.quarantined-2`, `${log.path(3)}.quarantined-1`])
    expect(await log.file(`${log.path(0)}.quarantined-1`)).toEqual(Buffer.from('earlier'))
    expect(await log.file(`${log.path(0)}.quarantined-2`)).toEqual(first.bytes)
    expect((await check()).notes.map(({ kind }) => kind)).toEqual(['quarantined', 'quarantined', 'quarantined'])
    expect(await log.segmentNames()).toEqual([THIRD])
  })

  it('is complete, however large', async () => {
    const large = new SegmentBytes().records('a').records('b'.repeat(600_000)).records('c')
    await log.makeSegments(large)
    const damaged = inverted(large.bytes, { from: large.at(1).position + 50, to: large.at(1).position + 51 })
    await log.overwrite(log.path(0), damaged)
    const { quarantined } = await doRepair(await theProblem(), 'drop-from')
    expect(quarantined).toEqual([`${log.path(0)}.quarantined-1`])
    expect(await log.file(`${log.path(0)}.quarantined-1`)).toEqual(damaged)
    expect(await log.values()).toEqual(['a'])
  })
})
