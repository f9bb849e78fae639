/** A copy of the repository in which a release can be made. The checkout itself is never changed. */
import { cp, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { outputOf } from '../command.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist', 'coverage', '.turbo', '.nodes'])

/**
 * Calls `action` with the path of a copy that has the current files of the checkout, its history and its dependencies,
 * but nothing that was built. The copy is removed at the end, also after a failure.
 */
export async function withWorkingCopy<T>(action: (copy: string) => Promise<T>): Promise<T> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sq-release-')))
  try {
    const copy = join(folder, 'repository')
    await cp(ROOT, copy, { recursive: true, filter: (source) => !LEFT_OUT.has(basename(source)) })
    await outputOf('pnpm', ['install', '--frozen-lockfile', '--prefer-offline'], { cwd: copy })
    return await action(copy)
  } finally {
    await rm(folder, { recursive: true })
  }
}
