/**
 * `pnpm test:nodes [VERSION ...]`: runs the tests of the published packages on every supported version of Node, or on
 * the given ones.
 */
import { delimiter } from 'node:path'
import { main, run } from '../command.ts'
import { installNode, NODES_FOLDER, ROOT } from './node-package.ts'
import type { InstalledNode } from './node-package.ts'
import { succeeded, tableOf, tallyOf } from './tally.ts'
import type { NodeRun } from './tally.ts'

/** The newest version of each is used. */
const SUPPORTED = ['20', '22', '24', '26']
/**
 * What users run, and the checks, which also make sure that the tests run on the chosen Node. Only the developers of
 * the log run the other tools, on one Node.
 */
const TESTED = ['--filter=./packages/*', '--filter=./examples', '--filter=@sq/checks']

await main(async () => {
  const ranges = process.argv.slice(2)
  const wrong = ranges.find((range) => !/^\d+(\.\d+){0,2}$/.test(range))
  if (wrong !== undefined)
    throw new Error(`expected a Node version such as 22 or 20.19.0, found ${JSON.stringify(wrong)}`)
  const runs: NodeRun[] = []
  // One after the other: one run keeps two cores busy.
  for (const range of ranges.length === 0 ? SUPPORTED : ranges) {
    const node = await installNode(range, NODES_FOLDER)
    process.stdout.write(`testing on Node ${node.version}\n`)
    runs.push(await runTests(node))
  }
  process.stdout.write(`${tableOf(runs)}\n`)
  return runs.every(succeeded)
})

/** Runs the tests on the built packages, without turbo's cache. Prints the output on failure. */
async function runTests({ version, bin }: InstalledNode): Promise<NodeRun> {
  const startedMs = performance.now()
  const env = { PATH: [bin, process.env['PATH']].join(delimiter) }
  const { status, log } = await run('pnpm', ['test', '--only', '--force', '--continue', ...TESTED], { cwd: ROOT, env })
  const result = { version, status, ...tallyOf(log), elapsedMs: performance.now() - startedMs }
  if (!succeeded(result)) process.stdout.write(log)
  return result
}
