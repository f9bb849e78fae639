/** Restoring a log of 1 GiB, compared with downloading its objects to files. */
import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { thousands } from '../markdown.ts'
import type { Table } from '../part.ts'
import type { ArchivedLog } from './archived.ts'
import type { Contender } from './contender.ts'
import type { Outcome, Task } from './restoration.ts'
import { MB_PER_SECOND, rate, RATIO, rowOf } from './rounds.ts'

const parse: (outcome: string) => Outcome = JSON.parse
const PROCESS = fileURLToPath(new URL('process.js', import.meta.url))

type Figures = Readonly<Record<Task['what'], Outcome>>

export async function restoring(
  { location, names }: Contender,
  { log, directory, rounds }: { readonly log: ArchivedLog; readonly directory: string; readonly rounds: number },
): Promise<Table> {
  const run = async (what: Task['what']): Promise<Outcome> => {
    const task: Task = { what, location, to: join(directory, what) }
    const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, JSON.stringify(task)])
    await rm(task.to, { recursive: true })
    return parse(stdout)
  }
  const figures: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) figures.push({ restore: await run('restore'), raw: await run('raw') })
    else {
      const raw = await run('raw')
      figures.push({ raw, restore: await run('restore') })
    }
  }
  const rows = [
    rowOf(figures, 'restore, verified', (found) => speed(found.restore), MB_PER_SECOND),
    rowOf(figures, `download by ${names.raw}`, ({ raw }) => speed(raw), MB_PER_SECOND),
    rowOf(figures, 'restore / download', (found) => speed(found.restore) / speed(found.raw), RATIO),
    rowOf(figures, 'most memory, restore', (found) => found.restore.peakBytes, megabytes),
    rowOf(figures, 'most memory, download', ({ raw }) => raw.peakBytes, megabytes),
  ]
  const title = `${names.store}: restoring ${megabytes(log.bytes)}`
  return { title, columns: ['', 'median', 'rounds'], rows, figures }
}

function megabytes(bytes: number): string {
  return `${thousands(bytes / 1e6)} MB`
}

function speed({ bytes, timeMs }: Outcome): number {
  return rate(bytes, timeMs)
}
