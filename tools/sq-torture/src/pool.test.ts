import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

// Workers load what was built beside it.
const { Pool }: typeof import('./pool.ts') = await import(new URL('../dist/pool.js', import.meta.url).href)

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-pool-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** Runs jobs by a worker with this answer to a job, and resolves with what is said of a failure. */
async function failure(answer: string): Promise<string> {
  const script = join(directory, 'worker.mjs')
  await writeFile(script, `process.on('message', ({ job }) => { ${answer} })\nprocess.send({ kind: 'ready' })\n`)
  const pool = new Pool<number, number>(pathToFileURL(script), (job) => `pnpm try ${job}`)
  const [outcome] = await Promise.allSettled([pool.run([7], () => {})])
  return outcome.status === 'fulfilled' ? 'none' : String(outcome.reason)
}

test.each([
  ['process.exit(9)', 'itself, with status 9'],
  ['process.exit(0)', 'itself, with status 0'],
  ["process.kill(process.pid, 'SIGKILL')", 'SIGKILL'],
])('a worker that ends while it has a job (%s) is told with the command that replays the job', async (answer, by) => {
  expect(await failure(answer)).toBe(`Error: VIOLATION 12: the process ended by ${by}\n  replay: pnpm try 7`)
})

test('what a worker says of a failure is told as it is, and no failure is none', async () => {
  expect(await failure("process.send({ kind: 'failed', message: 'so' })")).toBe('Error: so')
  expect(await failure("process.send({ kind: 'done', found: job })")).toBe('none')
})
