/** `pnpm test:nodes [VERSION ...]`: runs all tests on each Node version that is supported, or on those named. */
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../command.ts'
import { installNode } from './node-package.ts'
import type { InstalledNode } from './node-package.ts'
import { succeeded, tableOf, tallyOf } from './tally.ts'
import type { NodeRun } from './tally.ts'

/** The newest of each. */
const SUPPORTED = ['20', '22', '24', '26']
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const FOLDER = join(ROOT, 'packages/sq-release/.nodes')

const ranges = process.argv.slice(2)
const wrong = ranges.find((range) => !/^\d+(\.\d+){0,2}$/.test(range))
if (wrong === undefined) {
  process.exitCode = await testOn(ranges.length === 0 ? SUPPORTED : ranges)
} else {
  process.stderr.write(`a Node version is given like 22 or 20.19.0, not ${JSON.stringify(wrong)}\n`)
  process.exitCode = 2
}

/** One version after the other: one alone keeps two cores busy. Resolves with the exit status. */
async function testOn(versions: readonly string[]): Promise<number> {
  const runs: NodeRun[] = []
  for (const version of versions) {
    const node = await installNode(version, FOLDER)
    process.stdout.write(`testing on Node ${node.version}\n`)
    runs.push(await runTests(node))
  }
  process.stdout.write(`${tableOf(runs)}\n`)
  return runs.every(succeeded) ? 0 : 1
}

/** What `pnpm test` runs, all of it, on what is built already and not from turbo's cache. Prints it where a test fails. */
async function runTests({ version, bin }: InstalledNode): Promise<NodeRun> {
  const startedMs = performance.now()
  const env = { PATH: [bin, process.env['PATH']].join(delimiter) }
  const { status, log } = await run('pnpm', ['test', '--only', '--force', '--continue'], { cwd: ROOT, env })
  const result = { version, status, ...tallyOf(log), elapsedMs: performance.now() - startedMs }
  if (!succeeded(result)) process.stdout.write(log)
  return result
}
