/**
 * The tools that only these checks need. They take a hundred megabytes, so they are installed on demand, into a folder
 * outside the workspace.
 */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../source-tree.ts'
import { run } from './run.ts'

const FOLDER = fileURLToPath(new URL('../../tools', import.meta.url))

/** Installs the tools before the first check, unless they are up to date with the lock file. */
export async function setup(): Promise<void> {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return
  process.stderr.write('installing the tools of these checks\n')
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { directory: FOLDER })
}

/** The path of a file of a tool. */
export function tool(path: string): string {
  return join(FOLDER, 'node_modules', path)
}

/** The test runner of this workspace, and the bundler that it depends on. */
export const VITEST: string = join(ROOT, 'node_modules/vitest/vitest.mjs')
export const VITE: string = join(dirname(createRequire(VITEST).resolve('vite/package.json')), 'bin/vite.js')

/** The compilers that must accept our declarations, with their versions. The last one also builds the packages. */
export function compilers(): [version: string, path: string][] {
  const ours = dirname(createRequire(join(ROOT, 'package.json')).resolve('typescript/package.json'))
  return [tool('typescript-5.9'), tool('typescript'), ours].map((folder) => {
    const { version }: { version: string } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return [version, join(folder, 'bin/tsc')]
  })
}

function changedMs(path: string): number {
  return statSync(join(FOLDER, path), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
