/** Checks that the scripts, subcommands and options that the pages show exist. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { cleanEnvironment } from '../clean-environment.ts'
import { packageFolders, ROOT } from '../source-tree.ts'
import { commands } from './commands.ts'
import type { Command } from './commands.ts'
import { pages } from './documents.ts'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly packageManager?: string
  readonly scripts?: Readonly<Record<string, string>>
}

const root = manifest('package.json')
const packages = packageFolders().map((folder) => manifest(`${folder}/package.json`))
const sqWal = fileURLToPath(new URL('dist/main.js', import.meta.resolve('@sq/wal-cli/package.json')))
const helpOf = new Map<string, string>()

const typed = pages().map((page) => ({ path: page.path, calls: commands(page) }))

test.each(typed.filter(({ calls }) => calls.length > 0))('every command in $path exists', ({ calls }) => {
  expect(calls.flatMap((call) => wrong(call).map((what) => `${call.at}: ${what}`))).toEqual([])
})

/** What is wrong with a command. */
function wrong({ program, args }: Command): string[] {
  if (program === 'sq-wal') return wrongOptions(args)
  if (program === 'npx') return wrongPnpm(args.filter((word) => word !== '--yes'))
  if (program === 'pnpm') return wrongScript(args)
  if (program === 'npm' && args[0] === 'install') return args.flatMap((word) => wrongPackage(word))
  if (program === 'node' || program === 'python3') return wrongFile(args.find((word) => !word.startsWith('-')))
  return []
}

function wrongPnpm([program = '', ...args]: readonly string[]): string[] {
  return program === root.packageManager ? wrongScript(args) : [`npx runs ${program}, expected ${root.packageManager}`]
}

function wrongScript(args: readonly string[]): string[] {
  if (args[0] === '--filter') {
    const among = packages.find(({ name }) => name === args[1])
    if (among === undefined) return [`there is no package ${args[1]}`]
    return args[2] === 'exec' || among.scripts?.[args[2] ?? ''] ? [] : [`${args[1]} has no script ${args[2]}`]
  }
  const [name = '', ...given] = args
  const script = root.scripts?.[name]
  // A command of pnpm itself.
  if (script === undefined) return ['install', '--recursive'].includes(name) ? [] : [`there is no script ${name}`]
  const main = /node ((?:packages|tools)\/[\w-]+)\/dist\/(\S+)\.js/.exec(script)
  const source = main === null ? '' : readFileSync(join(ROOT, `${main[1]}/src/${main[2]}.ts`), 'utf8')
  return optionNames(given).flatMap((option) =>
    new RegExp(`\\b${option}\\b`).test(source) ? [] : [`${name} has no option --${option}`],
  )
}

function wrongOptions(args: readonly string[]): string[] {
  const [first = '', second = ''] = args
  const words = first === 'archive' ? [first, second] : [first]
  const subcommand = words.filter((word) => /^[a-z]/.test(word)).join(' ')
  const help = helpOf.get(subcommand) ?? sqWalHelp(subcommand)
  helpOf.set(subcommand, help)
  if (help === '') return [`sq-wal has no command ${subcommand}`]
  const options = args.filter((word) => word.startsWith('-'))
  return options.flatMap((option) =>
    new RegExp(`(?:^|[ ,])${option}[ ,]`, 'm').test(help) ? [] : [`sq-wal ${subcommand} has no option ${option}`],
  )
}

/** The help of a subcommand. Empty if there is none. */
function sqWalHelp(subcommand: string): string {
  const args = [sqWal, ...(subcommand === '' ? [] : subcommand.split(' ')), '--help']
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: cleanEnvironment() })
  return stdout.startsWith(`Usage: sq-wal ${subcommand}`) ? stdout : ''
}

function wrongPackage(word: string): string[] {
  const isOurs = word.startsWith('@sq/')
  const published = packages.some(({ name, private: hidden }) => name === word && hidden !== true)
  return isOurs && !published ? [`${word} is not published`] : []
}

function wrongFile(path: string | undefined): string[] {
  return path === undefined || existsSync(join(ROOT, path)) ? [] : [`there is no file ${path}`]
}

/** The names of the long options among words. `[--seed S]` is an optional one. */
function optionNames(words: readonly string[]): string[] {
  return words.flatMap((word) => /^\[?--([a-z-]+)/.exec(word)?.slice(1) ?? [])
}

function manifest(path: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}
