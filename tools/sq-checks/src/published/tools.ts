/**
 * What these checks run and nobody needs besides. It weighs a hundred megabytes, so it is installed on demand, into a
 * folder outside the workspace.
 */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../source-tree.ts'
import { run } from './run.ts'

const FOLDER = fileURLToPath(new URL('../../tools', import.meta.url))

/** Installs what the lock file names, before the first check; fetches nothing where that has been done. */
export async function setup(): Promise<void> {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return
  process.stderr.write('installing the tools of these checks\n')
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { directory: FOLDER })
}

/** The path of a tool's file. */
export function tool(path: string): string {
  return join(FOLDER, 'node_modules', path)
}

/** The test runner of this workspace, and the bundler that it brings. */
export const VITEST: string = join(ROOT, 'node_modules/vitest/vitest.mjs')
export const VITE: string = join(dirname(createRequire(VITEST).resolve('vite/package.json')), 'bin/vite.js')

/** The compilers that must understand our declarations, each with its version; the last is the one we build with. */
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
