import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

// Workers load the built code.
const { Pool }: typeof import('./pool.ts') = await import(new URL('../dist/pool.js', import.meta.url).href)

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-pool-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** Runs jobs in a worker with this reply to a job. Resolves with the message of a failure. */
async function failure(answer: string): Promise<string> {
  const script = join(directory, 'worker.mjs')
  await writeFile(script, `process.on('message', ({ job }) => { ${answer} })\nprocess.send({ kind: 'ready' })\n`)
  const pool = new Pool<number, number>(pathToFileURL(script), (job) => `pnpm try ${job}`)
  const [outcome] = await Promise.allSettled([pool.run([7], () => {})])
  return outcome.status === 'fulfilled' ? 'none' : String(outcome.reason)
}

test.each([
  ['process.exit(9)', 'status 9'],
  ['process.exit(0)', 'status 0'],
  ["process.kill(process.pid, 'SIGKILL')", 'SIGKILL'],
])('a worker that exits during a job (%s) is reported with the command that replays the job', async (answer, by) => {
  expect(await failure(answer)).toBe(`Error: VIOLATION 12: the process ended with ${by}\n  replay: pnpm try 7`)
})

test('the message of a failed job is passed on unchanged, and a finished job is not a failure', async () => {
  expect(await failure("process.send({ kind: 'failed', message: 'so' })")).toBe('Error: so')
  expect(await failure("process.send({ kind: 'done', found: job })")).toBe('none')
})
