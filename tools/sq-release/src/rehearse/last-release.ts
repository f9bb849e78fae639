/** The last release of a package, from git: a publication creates a tag such as `@sq/sim@0.1.0`. */
import { join } from 'node:path'
import { outputOf, run } from '../command.ts'
import type { PublicPackage } from './public-package.ts'

/**
 * The files of a package that differ from its release, as paths in the package. Undefined if the release has no tag: it
 * does not exist yet, or the clone is too shallow, or there is no history.
 */
export async function changesSinceRelease(
  root: string,
  { folder, name, version }: PublicPackage,
): Promise<string[] | undefined> {
  const cwd = join(root, folder)
  const tag = `refs/tags/${name}@${version}`
  const { status } = await run('git', ['rev-parse', '--verify', '--quiet', tag], { cwd })
  if (status !== 0) return undefined
  const paths = await outputOf('git', ['diff', '--name-only', '-z', '--relative', tag], { cwd })
  return paths.split('\0').filter((path) => path !== '')
}
