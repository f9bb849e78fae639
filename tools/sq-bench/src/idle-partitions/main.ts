/**
 * The part `idle-partitions`: thousands of partitions in one process, each with a tailing reader. How long a commit to
 * all of them takes until the readers have it, and how much memory they take while they are idle.
 */
import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { thousands } from '../markdown.ts'
import { median, spread } from '../measure.ts'
import type { Settings, Table } from '../part.ts'
import { PARTITIONS } from './outcome.ts'
import type { Outcome } from './outcome.ts'

const parse: (outcome: string) => Outcome = JSON.parse
const PROCESS = fileURLToPath(new URL('process.js', import.meta.url))

export async function* idlePartitions(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const figures: Outcome[] = []
  for (let round = 0; round < rounds; round++) {
    const place = join(directory, String(round))
    await mkdir(place, { recursive: true })
    const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, place])
    figures.push(parse(stdout))
    // A round takes 1.8 GB of disk space.
    await rm(place, { recursive: true })
  }
  const row = (what: string, of: (outcome: Outcome) => number, show: (figure: number) => string): string[] => {
    const all = figures.map((outcome) => of(outcome))
    return [what, show(median(all)), spread(all, show)]
  }
  const rows = [
    row('the first commit to all is acknowledged, ms', ({ acknowledgedMs }) => acknowledgedMs, thousands),
    row('the same system calls without a log, ms', ({ bareMs }) => bareMs, thousands),
    row('all readers have it, ms', ({ firstCommitMs }) => firstCommitMs, thousands),
    row('all readers have the second one, ms', ({ nextCommitMs }) => nextCommitMs, thousands),
    row('resident memory before, MB', ({ openedBytes }) => openedBytes, megabytes),
    row('resident memory after a batch of 900 KB in each, MB', ({ idleBytes }) => idleBytes, megabytes),
  ]
  const title = `${thousands(PARTITIONS)} partitions with a tailing reader each, in one process`
  yield { title, columns: ['', 'median', 'rounds'], rows, figures }
}

function megabytes(bytes: number): string {
  return thousands(bytes / 1e6)
}
