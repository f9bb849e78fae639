import { expect, test } from 'vitest'
import { Cells, EMPTY_CELL, joined } from './cells.ts'
import type { Cell } from './cells.ts'

function commit(offset: number): Cell {
  const time = { minTimestampMs: 10 * offset, maxTimestampMs: 10 * offset + 5 }
  return {
    ...EMPTY_CELL,
    bytes: 100 + (offset % 7),
    commits: 1,
    records: 1,
    firstOffset: offset,
    lastOffset: offset,
    ...time,
  }
}

function cellsOf(limit: number, added: readonly Cell[]): Cells {
  const cells = new Cells(limit)
  for (const cell of added) cells.add(cell)
  return cells
}

test('up to twice the limit, each addition is a cell of its own', () => {
  const added = Array.from({ length: 8 }, (_, offset) => commit(offset))
  expect(cellsOf(4, added).all).toEqual(added)
})

test.each([9, 100, 12_345])('%i additions are at most twice the limit of cells, and together the same', (count) => {
  const added = Array.from({ length: count }, (_, offset) => commit(offset))
  const { all } = cellsOf(4, added)
  expect(all.length).toBeLessThanOrEqual(8)
  expect(all.length).toBeGreaterThanOrEqual(4)
  expect(all.reduce(joined, EMPTY_CELL)).toEqual(added.reduce(joined, EMPTY_CELL))
})

test('the cells are in the order of the log, without a gap', () => {
  const { all } = cellsOf(
    4,
    Array.from({ length: 1000 }, (_, offset) => commit(offset)),
  )
  let next = 0
  for (const { firstOffset, lastOffset } of all) {
    expect(firstOffset).toBe(next)
    next = Number(lastOffset) + 1
  }
  expect(next).toBe(1000)
})

test.each([0, 4999, 9999])('one damaged byte at %i of 10,000 additions is still in a cell', (place) => {
  const added = Array.from({ length: 10_000 }, (_, offset) => commit(offset))
  added[place] = { ...EMPTY_CELL, bytes: 1, damagedBytes: 1 }
  const damaged = cellsOf(4, added).all.filter(({ damagedBytes }) => damagedBytes > 0)
  expect(damaged).toMatchObject([{ damagedBytes: 1 }])
})
