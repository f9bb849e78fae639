import { beforeEach, describe, expect, test } from 'vitest'
import { Ledger } from './ledger.ts'
import { drawSteps } from './plan.ts'

const task = { dataDir: '/d', planSeed: 1, firstSerial: 100 }

/** Where the first batch of the plan begins and ends, in records. */
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

  test('accepts what was acknowledged, and with it appends that were under way', () => {
    ledger.survived(task, killed, serials(from))
    ledger.survived({ ...task, firstSerial: 900 }, { ...killed, openedAt: from, nextOffset: from }, serials(from))
    expect(ledger.held).toEqual(serials(from))
    const other = new Ledger()
    other.survived(task, killed, serials(to))
    expect(other.held).toHaveLength(to)
  })

  test('accepts that a process died before it had opened the log, and nothing changed', () => {
    ledger.survived(task, killed, serials(to))
    ledger.survived(task, { openedAt: null, nextOffset: 0, killedWhileOpening: true }, serials(to))
    expect(ledger.held).toHaveLength(to)
  })

  test('misses an acknowledged record', () => {
    const life = { ...killed, nextOffset: to }
    const lost = `1: ${to} records were acknowledged, ${from} are there`
    expect(() => ledger.survived(task, life, serials(from))).toThrow(lost)
  })

  test('misses a record that was there after an earlier kill', () => {
    ledger.survived(task, killed, serials(to))
    const life = { openedAt: to, nextOffset: to, killedWhileOpening: false }
    expect(() => ledger.survived(task, life, serials(from))).toThrow(/^1 or 4: offset/)
  })

  test('notices a recovery that exposes less than could be read before', () => {
    ledger.survived(task, killed, serials(to))
    const life = { openedAt: from, nextOffset: from, killedWhileOpening: false }
    expect(() => ledger.survived(task, life, serials(to))).toThrow(/^4: /)
  })

  test('notices a record that stands at another offset', () => {
    expect(() => ledger.survived(task, killed, serials(to, 101))).toThrow('2: offset 0 holds record 101, not 100')
  })

  test('notices records that appear before anything was appended', () => {
    const life = { openedAt: null, nextOffset: 0, killedWhileOpening: true }
    expect(() => ledger.survived(task, life, serials(to))).toThrow(/^2: 0 records were there/)
  })

  test('notices half a batch', () => {
    expect(() => ledger.survived(task, killed, serials(to - 1))).toThrow(/^2: of the batch that ends the log/)
  })
})
