import { Random } from '@sq/sim'
import type { LogProblem } from '@sq/storage'
import { expect, it } from 'vitest'
import { DamagedRanges } from './damaged-ranges.ts'

function problem(path: string, from: number, to: number): LogProblem {
  return { kind: 'frame', path, from, to, firstOffset: 0n, lastOffset: 0n, reason: 'damaged', repairs: [] }
}

it('a part is damaged if and only if a problem of its file overlaps it', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed)
    const problems = Array.from({ length: random.int(6) }, () => {
      const from = random.int(40)
      return problem(random.pick(['a', 'b']), from, from + random.int(12))
    })
    const ranges = new DamagedRanges(problems)
    const isDamaged = ranges.parts('a')
    expect(ranges.has('a')).toBe(problems.some(({ path }) => path === 'a'))
    for (let from = 0, to = 0; from < 50; from = to) {
      to = from + 1 + random.int(8)
      const expected = problems.some((each) => each.path === 'a' && from < each.to && each.from < to)
      expect({ seed, from, to, isDamaged: isDamaged({ from, to }) }).toEqual({ seed, from, to, isDamaged: expected })
    }
  }
})
