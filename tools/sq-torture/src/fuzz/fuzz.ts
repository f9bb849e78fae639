/** Draws and judges cases, each from its own seed. */
import { drawCase } from './fuzz-case.ts'
import type { GoodLog } from './good-logs.ts'
import { writeGoodLogs } from './good-logs.ts'
import { fuzzJobs } from './jobs.ts'
import type { FuzzFound, FuzzJob } from './jobs.ts'
import { Judge } from './judge.ts'
import { namedCases } from './named-cases.ts'

export class Fuzzer {
  readonly #logs: readonly GoodLog[]
  readonly #judge = new Judge()

  private constructor(logs: readonly GoodLog[]) {
    this.#logs = logs
  }

  static async create(): Promise<Fuzzer> {
    return new Fuzzer(await writeGoodLogs())
  }

  /** Rejects with an error that has the command to replay it. */
  async run({ firstSeed, cases }: FuzzJob): Promise<FuzzFound> {
    const found: Record<string, number> = {}
    for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
      const outcome = await this.#one(seed)
      found[outcome] = (found[outcome] ?? 0) + 1
    }
    return found
  }

  /** Judges the named cases, and resolves with their number. Rejects with an error that names the first wrong one. */
  async named(): Promise<number> {
    let judged = 0
    for (const { name, fuzzed, expected } of namedCases()) {
      const shown = JSON.stringify(expected)
      const found = await this.#judge.judge(fuzzed).then(
        (verdict) => JSON.stringify(verdict),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      if (found !== shown) throw new Error(`VIOLATION in the case "${name}": ${found}, expected ${shown}`)
      judged++
    }
    return judged
  }

  async #one(seed: number): Promise<string> {
    const fuzzed = drawCase(this.#logs, seed)
    try {
      const { reader, writer } = await this.#judge.judge(fuzzed)
      return `${fuzzed.forged ? 'forged' : 'damaged'}, reader: ${reader}, writer: ${writer}`
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error)
      const how = `  the log "${fuzzed.log.name}": ${fuzzed.mutations.join(', ')}`
      const replay = fuzzJobs.replay({ firstSeed: seed, cases: 1 })
      throw new Error(`VIOLATION ${what}\n${how}\n  replay: ${replay}`, { cause: error })
    }
  }
}
