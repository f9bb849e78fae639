/** A project outside the workspace that depends on the packages, as a user would have. */
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, tryRun } from './run.ts'
import type { RunResult } from './run.ts'

const MANIFEST = JSON.stringify({ name: 'consumer', private: true, type: 'module' })
const SOURCES = fileURLToPath(new URL('consumer', import.meta.url))

/** How packages are laid out in `node_modules`. */
export type Layout = 'npm' | 'npm linked' | 'pnpm' | 'pnpm without hoisting'

/** How many packages are installed, or how many files are loaded, and their size. */
export interface Cost {
  readonly count: number
  readonly bytes: number
}

export class ConsumerProject {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Makes a project with the files of `consumer/`, and installs tarballs and npm packages (`memfs@4.80.1`). */
  static async make(directory: string, packages: readonly string[]): Promise<ConsumerProject> {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'package.json'), MANIFEST)
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { directory })
    await cp(SOURCES, directory, { recursive: true })
    return new ConsumerProject(directory)
  }

  /** Makes a project with the files of `consumer/`, and installs the tarballs in the given layout. */
  static async withLayout(
    layout: Layout,
    directory: string,
    tarballs: ReadonlyMap<string, string>,
  ): Promise<ConsumerProject> {
    const files = [...tarballs.values()]
    if (layout.startsWith('npm')) {
      const strategy = layout === 'npm linked' ? ['--install-strategy=linked'] : []
      return ConsumerProject.make(directory, ['--prefer-offline', ...strategy, ...files])
    }
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'package.json'), MANIFEST)
    // The packages depend on each other, and are in no registry.
    const overrides = Object.fromEntries(Array.from(tarballs, ([name, file]) => [name, `file:${file}`]))
    const settings = { overrides, ...(layout === 'pnpm without hoisting' && { hoist: false }) }
    // JSON is YAML.
    await writeFile(join(directory, 'pnpm-workspace.yaml'), JSON.stringify(settings))
    await run('pnpm', ['add', '--ignore-scripts', '--prefer-offline', ...files], { directory })
    await cp(SOURCES, directory, { recursive: true })
    return new ConsumerProject(directory)
  }

  /** Runs Node in the project. */
  node(args: readonly string[]): Promise<RunResult> {
    return tryRun(process.execPath, args, { directory: this.directory })
  }

  /** Runs a command of an installed package. */
  command(name: string, args: readonly string[]): Promise<RunResult> {
    return tryRun(join(this.directory, 'node_modules/.bin', name), args, { directory: this.directory })
  }

  /** Runs a program whose standard input is a pipe with one line. */
  piped(line: string, program: string, args: readonly string[]): Promise<RunResult> {
    const script = `echo ${line} | "$0" "$@"`
    return tryRun('sh', ['-c', script, program, ...args], { directory: this.directory })
  }

  /** Type-checks files with the strictest options. `modules` holds `--module` and `--moduleResolution`. */
  typecheck(compiler: string, files: readonly string[], modules: readonly string[]): Promise<RunResult> {
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck', 'false']
    const surroundings = ['--target', 'es2022', '--lib', 'es2022', '--types', 'node', '--noEmit', '--pretty', 'false']
    return this.node([compiler, ...strict, ...surroundings, ...modules, ...files])
  }

  /** The number of packages in `node_modules`, and the size of their files. */
  async installed(): Promise<Cost> {
    const lock = await readFile(join(this.directory, 'node_modules/.package-lock.json'), 'utf8')
    const { packages }: { packages: Record<string, unknown> } = JSON.parse(lock)
    const found = await readdir(join(this.directory, 'node_modules'), { recursive: true, withFileTypes: true })
    const files = found.filter((entry) => entry.isFile() && entry.name !== '.package-lock.json')
    const bytes = await bytesOf(files.map((entry) => join(entry.parentPath, entry.name)))
    return { count: Object.keys(packages).length, bytes }
  }

  /** The number and size of the files that are loaded when a package is imported, from V8's coverage. */
  async loaded(name: string): Promise<Cost> {
    const coverage = join(this.directory, 'coverage', name)
    const script = `await import('${name}')`
    const environment = { NODE_V8_COVERAGE: coverage }
    await run(process.execPath, ['--input-type=module', '--eval', script], { directory: this.directory, environment })
    const urls = new Set<string>()
    for (const file of await readdir(coverage)) {
      const ran: { result: { url: string }[] } = JSON.parse(await readFile(join(coverage, file), 'utf8'))
      for (const { url } of ran.result) if (url.includes('/node_modules/')) urls.add(url)
    }
    return { count: urls.size, bytes: await bytesOf(Array.from(urls, (url) => fileURLToPath(url))) }
  }
}

async function bytesOf(paths: readonly string[]): Promise<number> {
  const stats = await Promise.all(paths.map((path) => stat(path)))
  return stats.reduce((sum, { size }) => sum + size, 0)
}
