/**
 * Runs Stryker, which makes the mutants, in a copy of the sources. Stryker has a hundred megabytes, so it is installed
 * on demand, in a folder outside the workspace.
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

/**
 * Test files that try every bit or every step, or are large: they take minutes for a mutant that they do not detect.
 */
const SLOW_TESTS = [
  'frame-search',
  'golden-bit-flips',
  'hostile-segments',
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
  'verify-during-writes',
  'verify-bit-flips',
  'write-buffers',
]

/** A small change of a source file, and its result. */
export interface Mutant {
  /** The path of the file, from the folder of its package. */
  readonly file: string
  readonly line: number
  /** That line, without the spaces around it. */
  readonly text: string
  /** The range of the change in Stryker's notation: file, then line and column of its start and end. */
  readonly range: string
  /** The original text and its replacement. */
  readonly original: string
  readonly replacement: string
  /** Whether no test detected it. A mutant that hangs counts as detected. */
  readonly survived: boolean
}

/** Installs the packages of the lock file, unless they are installed. */
export async function installTools(): Promise<void> {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return
  process.stderr.write('installing the mutation tool\n')
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], FOLDER)
}

/** Makes the mutants of files, or of ranges of files, in a package, and runs its tests on each. */
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
    // No other process uses the copy.
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

/** The parts of a Stryker report that are used. */
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

/** The mutants of a report, without those that do not compile or were ignored. */
export function readReport(text: string): Mutant[] {
  const { files }: Report = JSON.parse(text)
  return Object.entries(files).flatMap(([file, { source, mutants }]) =>
    mutants
      .filter(({ status }) => ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError'].includes(status))
      .map(({ status, replacement = '', location: { start, end } }) => ({
        file,
        line: start.line,
        text: source.split('\n')[start.line - 1]?.trim() ?? '',
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
  // Stryker's progress goes to stderr.
  const child = spawn(command, args, { cwd, env: cleanEnvironment(), stdio: ['ignore', 2, 2] })
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with status ${String(child.exitCode)}`)
}

function changedMs(path: string): number {
  return statSync(join(FOLDER, path), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
