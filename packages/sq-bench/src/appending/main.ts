/**
 * Appending, beside the disk without a log and beside what others have: all in one run, in turn, several rounds. Only
 * the ratios within a run mean something.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { print } from '../measure.ts'
import { drawLatency, drawThroughput } from './charts.ts'
import type { Contender } from './contender.ts'
import { measure, takesPart } from './measure.ts'
import type { Measurement } from './measure.ts'
import { LIMITS, OURS } from './own.ts'
import { installPeers } from './peers.ts'
import { SCENARIOS } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { writeTable } from './table.ts'

/** What was measured of a contender in a scenario, a measurement a round. */
export interface Result {
  readonly scenario: Scenario
  readonly contender: Contender
  readonly rounds: readonly Measurement[]
}

const ROUNDS = 5
const DURATION_MS = 1500
const QUICK_ROUNDS = 3
const QUICK_DURATION_MS = 600

/**
 * Quick: ourselves and the disk, in less than a minute; else with the peers. Where a directory is given, all figures
 * and charts of them are written there.
 */
export async function appending(
  directory: string,
  { quick, out }: { quick: boolean; out: string | null },
): Promise<void> {
  const contenders = [...OURS, ...LIMITS, ...(quick ? [] : installPeers())]
  const rounds = quick ? QUICK_ROUNDS : ROUNDS
  const durationMs = quick ? QUICK_DURATION_MS : DURATION_MS
  const results: Result[] = []
  for (const scenario of SCENARIOS) {
    const taking = contenders.filter((contender) => takesPart(contender, scenario))
    const measured = new Map<Contender, Measurement[]>(taking.map((contender) => [contender, []]))
    for (let round = 0; round < rounds; round++) {
      // Each round in another order: who comes after whom must not matter.
      for (const [at] of taking.entries()) {
        const contender = taking[(at + round) % taking.length]
        if (contender === undefined) continue
        const place = { directory: `${directory}-${round}`, durationMs }
        measured.get(contender)?.push(await measure(contender, scenario, place))
      }
    }
    const these = taking.map((contender) => ({ scenario, contender, rounds: measured.get(contender) ?? [] }))
    writeTable(scenario, these)
    results.push(...these)
  }
  if (out === null) return
  await mkdir(out, { recursive: true })
  const plain = results.map(({ scenario, contender: { name, kind, blocks, caveat }, rounds: each }) => {
    return { scenario: scenario.name, contender: { name, kind, blocks, caveat }, rounds: each }
  })
  await writeFile(join(out, 'appending.json'), `${JSON.stringify(plain, null, 1)}\n`)
  await writeFile(join(out, 'appending-throughput.svg'), drawThroughput(results))
  await writeFile(join(out, 'appending-latency.svg'), drawLatency(results))
  print(`figures and charts are in ${out}`)
}
