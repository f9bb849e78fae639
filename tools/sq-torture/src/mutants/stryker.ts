/**
 * Runs Stryker, which makes the mutants, in a copy of the sources. Stryker has a hundred megabytes, so it is installed
 * on demand, in a folder outside the workspace.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'
import { ROOT } from '../defects/workspace.ts'

const FOLDER = join(ROOT, 'tools/sq-torture/mutation-tools')
/** The sources as they are without mutants, from the folder of the package. */
export const ORIGINALS = '../../originals'
const REPORT = 'mutants.json'

/**
 * Test files that try every bit or every step, or are large: they take minutes for a mutant that they do not detect.
 */
const SLOW_TESTS = [
  'checkpoint',
  'copy-file',
  'deletion-interrupted',
  'fetch-property',
  'frame-search',
  'golden-bit-flips',
  'hostile-segments',
  'many-segments',
  'read-ranges',
  'record',
  'record-deletion',
  'recovery-bit-flips',
  'recovery-interrupted',
  'recycled-file',
  'repair',
  'repair-interrupted',
  'reset-interrupted',
  'reset-readers',
  'retention',
  'strange-files',
  'truncation',
  'truncation-interrupted',
  'truncation-of-damaged',
  'verify-bit-flips',
  'verify-during-writes',
  'write-buffers',
]

/** Test files that import sources again, and so cannot share a thread in which every file is imported once. */
const IMPORTING_TESTS = ['thread-limits']

/** A small change of a source file. */
export interface Change {
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
}

/** A change, and its result. */
export interface Mutant extends Change {
  /** Whether no test detected it. A mutant that hangs counts as detected. */
  readonly survived: boolean
}

/** Installs the packages of the lock file, unless they are installed. */
export async function installTools(): Promise<void> {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return
  process.stderr.write('installing the mutation tool\n')
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], FOLDER)
}

/**
 * Makes the mutants of files, or of ranges of files, in a package, and runs its quick tests on each, or its slow ones.
 */
export async function runMutants(
  folder: string,
  { mutate, tests }: { mutate: readonly string[]; tests: 'quick' | 'slow' },
): Promise<Mutant[]> {
  await cp(join(folder, 'src'), join(folder, ORIGINALS, 'src'), { recursive: true })
  await writeFile(join(folder, 'vitest.mutants.config.ts'), vitestConfig(tests))
  await writeFile(join(folder, 'stryker.config.json'), JSON.stringify(strykerConfig(mutate)))
  const stryker = join(FOLDER, 'node_modules/@stryker-mutator/core/bin/stryker.js')
  await run(process.execPath, [stryker, 'run', 'stryker.config.json'], folder)
  return readReport(await readFile(join(folder, REPORT), 'utf8'))
}

/** Vitest runs in threads, which take no options of Node. The limits of tests are those of a slow machine. */
function vitestConfig(tests: 'quick' | 'slow'): string {
  const slow = SLOW_TESTS.map(pathOf)
  const left = { include: ['src/**/*.test.ts'], exclude: [...slow, ...IMPORTING_TESTS.map(pathOf)] }
  const files = tests === 'slow' ? { include: slow } : left
  return `import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: {
    ...${JSON.stringify(files)},
    testTimeout: 120_000,
    hookTimeout: 120_000,
    isolate: false,
    maxWorkers: 1,
  },
})
`
}

/** The pattern of a test file. */
function pathOf(name: string): string {
  return `src/**/${name}.test.ts`
}

function strykerConfig(mutate: readonly string[]): object {
  return {
    plugins: [fileURLToPath(new URL('kept-tests-plugin.js', import.meta.url))],
    testRunner: 'kept-tests',
    coverageAnalysis: 'perTest',
    // No other process uses the copy.
    inPlace: true,
    mutate,
    // Messages are for people and may change; the compiler checks names of codes and kinds.
    mutator: { excludedMutations: ['StringLiteral'] },
    concurrency: 2,
    // Includes the start of a thread, for what sources do while they are imported.
    timeoutMS: 180_000,
    dryRunTimeoutMinutes: 30,
    reporters: ['json', 'progress-append-only', 'survivors'],
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
  readonly location: Location
}

interface Location {
  readonly start: Place
  readonly end: Place
}

/** Both from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** The mutants of a report, without those that do not compile or were ignored. */
export function readReport(text: string): Mutant[] {
  const { files }: Report = JSON.parse(text)
  return Object.entries(files).flatMap(([file, { source, mutants }]) =>
    mutants
      .filter(({ status }) => ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError'].includes(status))
      .map(({ status, replacement = '', location }) => ({
        ...changeAt(source, { file, location, replacement }),
        survived: status === 'Survived' || status === 'NoCoverage',
      })),
  )
}

/** The change of a source at a location. */
export function changeAt(
  source: string,
  { file, location: { start, end }, replacement }: { file: string; location: Location; replacement: string },
): Change {
  return {
    file,
    line: start.line,
    text: source.split('\n')[start.line - 1]?.trim() ?? '',
    range: `${file}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`,
    original: textBetween(source, start, end),
    replacement,
  }
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
