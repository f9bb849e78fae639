/** A copy of the sources in which defects are seeded. The checkout itself is never changed. */
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runNode } from './command.ts'
import { withDefect } from './defect.ts'
import type { Defect } from './defect.ts'

/** The root of the checkout. */
export const ROOT: string = fileURLToPath(new URL('../../../..', import.meta.url))

const PACKAGES = ['packages/sq-sim', 'packages/sq-storage', 'packages/sq-archive', 'tools/sq-torture']
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist'])
const BUILD_TIMEOUT_MS = 120_000

export class Workspace {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** Copies the sources as they are now, and links their dependencies. */
  static async create(): Promise<Workspace> {
    const path = await realpath(await mkdtemp(join(tmpdir(), 'sq-defects-')))
    await symlink(join(ROOT, 'node_modules'), join(path, 'node_modules'))
    await cp(join(ROOT, 'tsconfig.base.json'), join(path, 'tsconfig.base.json'))
    await cp(join(ROOT, 'package.json'), join(path, 'package.json'))
    for (const folder of PACKAGES) {
      const from = join(ROOT, folder)
      const to = join(path, folder)
      await cp(from, to, { recursive: true, filter: (source) => !LEFT_OUT.has(basename(source)) })
      await linkDependencies(from, { to, workspace: path })
    }
    return new Workspace(path)
  }

  /** The path of a folder in the copy. */
  folder(path: string): string {
    return join(this.path, path)
  }

  /** Runs an action while a defect is in the sources, and then removes the defect. */
  async with<T>(defect: Defect, action: () => Promise<T>): Promise<T> {
    const file = join(this.path, 'packages', defect.file)
    const source = await readFile(file, 'utf8')
    await writeFile(file, withDefect(source, defect))
    try {
      return await action()
    } finally {
      await writeFile(file, source)
    }
  }

  /** Compiles the copy. Code that a defect leaves unused is not an error. */
  async build(): Promise<void> {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const args = [compiler, '-b', this.folder('tools/sq-torture')]
    const { hung } = await runNode(args, { cwd: this.path, timeoutMs: BUILD_TIMEOUT_MS })
    if (hung) throw new Error('the compiler exceeded its time limit')
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true })
  }
}

/** Links the dependencies of a package: packages of this repository to their copies, others to what is installed. */
async function linkDependencies(from: string, { to, workspace }: { to: string; workspace: string }): Promise<void> {
  const installed = join(from, 'node_modules')
  const names = (await readdir(installed)).filter((name) => !name.startsWith('.') && name !== '@sq')
  await mkdir(join(to, 'node_modules/@sq'), { recursive: true })
  for (const name of names) await symlink(await realpath(join(installed, name)), join(to, 'node_modules', name))
  for (const folder of PACKAGES) {
    await symlink(join(workspace, folder), join(to, 'node_modules/@sq', basename(folder).replace('sq-', '')))
  }
}
