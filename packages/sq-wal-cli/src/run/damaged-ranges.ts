/** The damaged byte ranges of the files of a log, from its report. */
import type { LogProblem } from '@sq/storage'

/** `[from, to)` are byte positions in a file. */
interface Range {
  readonly from: number
  readonly to: number
}

export class DamagedRanges {
  readonly #byPath = new Map<string, LogProblem[]>()

  constructor(problems: readonly LogProblem[]) {
    for (const problem of problems) {
      const there = this.#byPath.get(problem.path)
      if (there === undefined) this.#byPath.set(problem.path, [problem])
      else there.push(problem)
    }
  }

  /** Whether a file has a problem. */
  has(path: string): boolean {
    return this.#byPath.has(path)
  }

  /** A function that says whether a part of a file overlaps a damaged range. Call it for the parts in file order. */
  parts(path: string): (part: Range) => boolean {
    const ranges = united(this.#byPath.get(path) ?? [])
    let at = 0
    return ({ from, to }) => {
      for (let range = ranges[at]; range !== undefined && range.to <= from; range = ranges[at]) at++
      const range = ranges[at]
      return range !== undefined && range.from < to
    }
  }
}

/** The ranges in order, with overlapping ones merged. */
function united(ranges: readonly Range[]): Range[] {
  const found: Range[] = []
  for (const { from, to } of ranges.toSorted((left, right) => left.from - right.from)) {
    const before = found.at(-1)
    if (before === undefined || from > before.to) found.push({ from, to })
    else found[found.length - 1] = { from: before.from, to: Math.max(before.to, to) }
  }
  return found
}
