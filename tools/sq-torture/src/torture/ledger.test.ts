import { beforeEach, describe, expect, test } from 'vitest'
import { Ledger } from './ledger.ts'
import { drawSteps } from './plan.ts'

const task = { dataDir: '/d', planSeed: 1, firstSerial: 100 }

/** The first and last record of the first batch in the plan. */
function firstBatch(): { from: number; to: number } {
  let from = 0
  for (const step of drawSteps(task.planSeed)) {
    if (step.kind !== 'append') continue
    if (step.records > 1) return { from, to: from + step.records }
    from += step.records
  }
  throw new Error('a plan never ends')
}

function serials(count: number, first: number = task.firstSerial): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}

describe('a ledger', () => {
  let ledger: Ledger
  const { from, to } = firstBatch()
  const killed = { openedAt: 0, nextOffset: from, killedWhileOpening: false }

  beforeEach(() => {
    ledger = new Ledger()
  })

  test('a ledger accepts acknowledged records, with or without appends in flight', () => {
    ledger.survived(task, killed, serials(from))
    ledger.survived({ ...task, firstSerial: 900 }, { ...killed, openedAt: from, nextOffset: from }, serials(from))
    expect(ledger.held).toEqual(serials(from))
    const other = new Ledger()
    other.survived(task, killed, serials(to))
    expect(other.held).toHaveLength(to)
  })

  test('a ledger accepts an unchanged log if the process died before it had opened it', () => {
    ledger.survived(task, killed, serials(to))
    ledger.survived(task, { openedAt: null, nextOffset: 0, killedWhileOpening: true }, serials(to))
    expect(ledger.held).toHaveLength(to)
  })

  test('a lost acknowledged record is a violation', () => {
    const life = { ...killed, nextOffset: to }
    const lost = `1: ${to} records were acknowledged, but the log has ${from}`
    expect(() => ledger.survived(task, life, serials(from))).toThrow(lost)
  })

  test('a lost record that was there after an earlier kill is a violation', () => {
    ledger.survived(task, killed, serials(to))
    const life = { openedAt: to, nextOffset: to, killedWhileOpening: false }
    expect(() => ledger.survived(task, life, serials(from))).toThrow(/^1 or 4: offset/)
  })

  test('a recovery that exposes less than was readable before is a violation', () => {
    ledger.survived(task, killed, serials(to))
    const life = { openedAt: from, nextOffset: from, killedWhileOpening: false }
    expect(() => ledger.survived(task, life, serials(to))).toThrow(/^4: /)
  })

  test('a record at a wrong offset is a violation', () => {
    expect(() => ledger.survived(task, killed, serials(to, 101))).toThrow('2: offset 0 has record 101, expected 100')
  })

  test('records that appear before any append are a violation', () => {
    const life = { openedAt: null, nextOffset: 0, killedWhileOpening: true }
    expect(() => ledger.survived(task, life, serials(to))).toThrow(
      /^2: the log had 0 records, and without any append it has /,
    )
  })

  test('a part of a batch is a violation', () => {
    expect(() => ledger.survived(task, killed, serials(to - 1))).toThrow(/^2: the log has only a part of the batch/)
  })
})
