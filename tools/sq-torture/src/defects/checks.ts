/** The checks that can detect a defect, the cheapest first: the tests of the packages, exploration, simulations. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runNode } from './command.ts'
import type { Outcome } from './command.ts'
import { ROOT } from './workspace.ts'
import type { Workspace } from './workspace.ts'

const TIMEOUT_MS = 180_000
/** A long timeout: on a busy machine tests are slow, and a defect must not be detected by that. */
const TEST_TIMEOUT_MS = 60_000

/** A check that passes on sources without a defect. */
export interface Check {
  readonly name: string
  /** The check runs only for defects in these packages. */
  readonly folders: readonly string[]
  /** Null if the check passes, else the name of what failed. */
  run(workspace: Workspace): Promise<string | null>
}

/** These run last: the first ones try every bit or every step and are slow; the last says only that bytes differ. */
const LATER_TESTS = ['recovery-bit-flips', 'golden-bit-flips', 'truncation-interrupted', 'golden']
const WITHOUT_LATER_TESTS = LATER_TESTS.flatMap((name) => ['--exclude', `**/${name}.test.ts`])
/** One process for all test files: starting one per file would cost more than the tests. */
const TOGETHER = ['--no-isolate', '--maxWorkers=1']

/** The packages of the log itself. */
const LOG = ['sq-sim', 'sq-storage']

export const CHECKS: readonly Check[] = [
  { name: 'tests of @sq/sim', folders: ['sq-sim'], run: (workspace) => test(workspace, 'sq-sim', []) },
  {
    name: 'tests of @sq/storage',
    folders: LOG,
    run: (workspace) => test(workspace, 'sq-storage', [...TOGETHER, ...WITHOUT_LATER_TESTS]),
  },
  {
    name: 'bit flips, interrupted truncations and golden logs',
    folders: LOG,
    run: (workspace) => test(workspace, 'sq-storage', [...TOGETHER, ...LATER_TESTS]),
  },
  { name: 'exploration', folders: LOG, run: (workspace) => command(workspace, ['explore/main.js', '--length', '2']) },
  { name: 'simulation', folders: LOG, run: (workspace) => command(workspace, ['simulate/main.js', '--seeds', '500']) },
  {
    name: 'tests of @sq/archive',
    folders: ['sq-archive'],
    run: (workspace) =>
      test(workspace, 'sq-archive', ['--exclude', '**/*simulation.test.ts', '--exclude', '**/exploration.test.ts']),
  },
  {
    name: 'simulation and exploration of @sq/archive',
    folders: ['sq-archive'],
    run: (workspace) => test(workspace, 'sq-archive', ['simulation', 'exploration']),
  },
]

/** Runs the tests of a package until one fails. Resolves with its name. */
async function test(workspace: Workspace, folder: string, args: readonly string[]): Promise<string | null> {
  // Some tests start processes, which run the compiled code.
  await workspace.build()
  const report = join(workspace.path, 'report.json')
  await rm(report, { force: true })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const reporting = ['--reporter=json', `--outputFile=${report}`]
  const options = ['run', '--bail=1', `--testTimeout=${TEST_TIMEOUT_MS}`, ...reporting, ...args]
  const outcome = await runNode([vitest, ...options], {
    cwd: workspace.folder(`packages/${folder}`),
    timeoutMs: TIMEOUT_MS,
  })
  if (outcome.status === 0) return null
  return (await failedTest(report)) ?? `${folder}: ${briefly(outcome)}`
}

/** The parts of a vitest report that are used. */
interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly message?: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** The first failed test of a report, or null. */
async function failedTest(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch(() => '{ "testResults": [] }')
  const { testResults }: Report = JSON.parse(text)
  for (const { name, assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed')
    const file = name.slice(name.lastIndexOf('/') + 1)
    if (failed !== undefined) return `${file}: ${failed.fullName}`
  }
  return null
}

/** Runs a compiled command of this package. */
async function command(workspace: Workspace, [script = '', ...args]: readonly string[]): Promise<string | null> {
  await workspace.build()
  const path = join(workspace.folder('tools/sq-torture'), 'dist', script)
  const outcome = await runNode([path, ...args], { cwd: workspace.path, timeoutMs: TIMEOUT_MS })
  return outcome.status === 0 ? null : briefly(outcome)
}

function briefly({ status, hung, errors }: Outcome): string {
  if (hung) return 'it hangs'
  const said = errors.split('\n').find((line) => /VIOLATION|Error/.test(line))
  return said?.trim() ?? `exit status ${status}`
}
