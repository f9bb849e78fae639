import { describe, expect, it } from 'vitest'
import { layOut } from './table.ts'

/** How often the cells are read, per row of a table. */
function askedForEach(rows: number): number {
  let count = 0
  const row = new Proxy(['a', 'b'], {
    get(target, key, receiver): unknown {
      count++
      return Reflect.get(target, key, receiver)
    },
  })
  layOut(
    [{ title: 'A' }, { title: 'B' }],
    Array.from({ length: rows }, () => row),
  )
  return count / rows
}

describe('a table', () => {
  it('a table aligns its cells, with and without colours', () => {
    const columns = [{ title: 'A' }, { title: 'B', align: 'right' as const }, { title: 'C' }]
    const rows = [
      ['A', '\u001b[2mB\u001b[22m', 'C'],
      ['long', '1', ''],
      ['x', '\u001b[31m1,000\u001b[39m', 'last of all'],
    ]
    expect(layOut(columns, rows)).toEqual([
      'A         \u001b[2mB\u001b[22m  C',
      'long      1',
      'x     \u001b[31m1,000\u001b[39m  last of all',
    ])
  })

  it('a table of very many rows reads each cell a constant number of times', () => {
    expect(askedForEach(200_000)).toBe(askedForEach(1_000))
  })
})
