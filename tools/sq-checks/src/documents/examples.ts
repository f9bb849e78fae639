/** Finds the `@example` blocks in the comments of the published packages, and makes programs of them. */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT, shippedSources } from '../source-tree.ts'

export interface Example {
  /** `WalWriter, writer.ts:96`. */
  readonly at: string
  /** The function or class that it belongs to. For a method, its class. */
  readonly of: string
  /** The code as a reader sees it. */
  readonly code: string
  /** The output that comments after `console.log(...)` state, in order. */
  readonly printed: string
}

/** The published libraries with their entry points. */
export const ENTRIES = {
  'packages/sq-sim': ['@sq/sim', '@sq/sim/memory', '@sq/sim/testing'],
  'packages/sq-storage': ['@sq/storage'],
} as const

/** Names that an example can use without declaring them. */
const CONTEXT = [
  ['fs', 'const fs = new NodeFileSystem()'],
  ['config', "const config = { dataDir: './data' }"],
  ['writer', "const writer = await WalWriter.open(fs, config, 'orders', 0)"],
  ['reader', "const reader = await WalReader.open(fs, config, 'orders', 0)"],
] as const

/** Every example of a package. */
export function examplesIn(folder: keyof typeof ENTRIES): Example[] {
  return shippedSources(folder).flatMap(({ path }) => examplesOf(path, readFileSync(join(ROOT, path), 'utf8')))
}

function examplesOf(path: string, text: string): Example[] {
  return Array.from(text.matchAll(/\/\*\*.*?\*\//gs)).flatMap(({ 0: comment, index }) => {
    const before = text.slice(0, index)
    const owner = ownerOf(before, text.slice(index + comment.length))
    const lines = comment.replaceAll(/^ *\* ?/gm, '')
    return Array.from(lines.matchAll(/^@example\n```ts\n(.*?)^```$/gms), ([, code = '']) => {
      return {
        at: `${owner}, ${basename(path)}:${before.split('\n').length}`,
        of: owner,
        code,
        printed: printedBy(code),
      }
    })
  })
}

/** The name of the declaration after a comment if it is at the top level, else of the last class before it. */
function ownerOf(before: string, behind: string): string {
  const [, own] = /^\nexport (?:async )?(?:function|class)\*? (\w+)/.exec(behind) ?? []
  return (
    own ??
    before
      .match(/^export class \w+/gm)
      ?.at(-1)
      ?.slice('export class '.length) ??
    ''
  )
}

function printedBy(code: string): string {
  return Array.from(code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm), ([, value]) => value).join(', ')
}

/**
 * Makes a whole program of an example: adds the imports, and declares a file system, a config, a writer and a reader if
 * the example uses them without declaring them. `exports` has the names of each entry point.
 */
export function programOf({ code }: Example, exports: ReadonlyMap<string, readonly string[]>): string {
  const context: string[] = []
  for (const [name, line] of CONTEXT.toReversed()) {
    if (uses(code + context.join('\n'), name) && !declares(code, name)) context.unshift(line)
  }
  const body = [...context, code].join('\n')
  const taken = new Set<string>()
  const imports = [...exports].flatMap(([entry, names]) => {
    const wanted = names.filter((name) => uses(body, name) && !taken.has(name))
    for (const name of wanted) taken.add(name)
    return wanted.length > 0 ? [`import { ${wanted.join(', ')} } from '${entry}'`] : []
  })
  return [...imports, body].join('\n')
}

function uses(code: string, name: string): boolean {
  return new RegExp(`(?<![\\w.'])${name}\\b(?!:)`).test(code)
}

function declares(code: string, name: string): boolean {
  return new RegExp(`\\b(?:const|let|function\\*?) ${name}\\b`).test(code)
}
