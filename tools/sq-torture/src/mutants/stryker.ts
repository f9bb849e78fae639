/**
 * Runs Stryker, which makes the mutants, in a copy of the sources. It weighs a hundred megabytes, so it is installed on
 * demand, into a folder outside the workspace.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cleanEnvironment } from '../clean-environment.ts'
import { ROOT } from '../defects/workspace.ts'

const FOLDER = join(ROOT, 'tools/sq-torture/mutation-tools')
const REPORT = 'mutants.json'

/** Test files that go through every bit or every step, or are large: minutes for one mutant that they do not notice. */
const SLOW_TESTS = [
  'frame-search',
  'golden-bit-flips',
  'hostile-segments',
  'large-buffers',
  'many-segments',
  'read-ranges',
  'recovery-bit-flips',
  'recovery-interrupted',
  'repair',
  'repair-interrupted',
  'retention',
  'strange-files',
  'truncation',
  'truncation-interrupted',
  'truncation-of-damaged',
  'verify-beside-writer',
  'verify-bit-flips',
]

/** One small change of a source file, and what became of it. */
export interface Mutant {
  /** The file, from the folder of its package. */
  readonly file: string
  readonly line: number
  /** Where the change is, as Stryker takes it: file, line and column of its beginning and its end. */
  readonly range: string
  /** What stands there, and what stood there instead. */
  readonly original: string
  readonly replacement: string
  /** Whether no test noticed it. A mutant that hangs is noticed. */
  readonly survived: boolean
}

/** Installs what the lock file names; does nothing where that has been done. */
export async function installTools(): Promise<void> {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return
  process.stderr.write('installing the mutation tool\n')
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], FOLDER)
}

/** Makes the mutants of some files, or ranges of files, in a package, and runs its tests on each. */
export async function runMutants(
  folder: string,
  { mutate, tests }: { mutate: readonly string[]; tests: 'quick' | 'all' },
): Promise<Mutant[]> {
  await writeFile(join(folder, 'vitest.mutants.config.ts'), vitestConfig(tests))
  await writeFile(join(folder, 'stryker.config.json'), JSON.stringify(strykerConfig(mutate)))
  const stryker = join(FOLDER, 'node_modules/@stryker-mutator/core/bin/stryker.js')
  await run(process.execPath, [stryker, 'run', 'stryker.config.json'], folder)
  return readReport(await readFile(join(folder, REPORT), 'utf8'))
}

/**
 * Stryker runs vitest in threads, which take no options of Node. A test that waits for what never comes must fail
 * before Stryker's own limit: at that, Stryker starts its process again, which takes longer than most mutants.
 */
function vitestConfig(tests: 'quick' | 'all'): string {
  const exclude = tests === 'all' ? [] : SLOW_TESTS.map((name) => `src/**/${name}.test.ts`)
  const timeoutMs = tests === 'all' ? 120_000 : 10_000
  return `import { defineConfig } from 'vitest/config'
export default defineConfig({
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['src/**/*.test.ts'],
    exclude: ${JSON.stringify(exclude)},
    testTimeout: ${timeoutMs},
    hookTimeout: ${timeoutMs},
    isolate: false,
    maxWorkers: 1,
  },
})
`
}

function strykerConfig(mutate: readonly string[]): object {
  return {
    plugins: [join(FOLDER, 'node_modules/@stryker-mutator/vitest-runner/dist/src/index.js')],
    testRunner: 'vitest',
    vitest: { configFile: 'vitest.mutants.config.ts' },
    coverageAnalysis: 'perTest',
    // The copy is ours alone.
    inPlace: true,
    mutate,
    // Messages are for people and may change; the compiler checks names of codes and kinds.
    mutator: { excludedMutations: ['StringLiteral'] },
    concurrency: 2,
    timeoutMS: 15_000,
    dryRunTimeoutMinutes: 30,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: REPORT },
    allowConsoleColors: false,
    logLevel: 'warn',
  }
}

/** What is read of a report in Stryker's format. */
interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly ReportedMutant[] }>>
}

interface ReportedMutant {
  readonly status: string
  readonly replacement?: string
  readonly location: { readonly start: Place; readonly end: Place }
}

/** Both from 1. */
interface Place {
  readonly line: number
  readonly column: number
}

/** The mutants of a report; those that no test can judge, for they do not compile or were left out, are left out. */
export function readReport(text: string): Mutant[] {
  const { files }: Report = JSON.parse(text)
  return Object.entries(files).flatMap(([file, { source, mutants }]) =>
    mutants
      .filter(({ status }) => ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError'].includes(status))
      .map(({ status, replacement = '', location: { start, end } }) => ({
        file,
        line: start.line,
        range: `${file}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`,
        original: textBetween(source, start, end),
        replacement,
        survived: status === 'Survived' || status === 'NoCoverage',
      })),
  )
}

function textBetween(source: string, start: Place, end: Place): string {
  const lines = source.split('\n').slice(start.line - 1, end.line)
  const last = lines.length - 1
  lines[last] = (lines[last] ?? '').slice(0, end.column - 1)
  lines[0] = (lines[0] ?? '').slice(start.column - 1)
  return lines.join('\n')
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  // Its progress is ours: it goes where messages go.
  const child = spawn(command, args, { cwd, env: cleanEnvironment(), stdio: ['ignore', 2, 2] })
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with status ${String(child.exitCode)}`)
}

function changedMs(path: string): number {
  return statSync(join(FOLDER, path), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
