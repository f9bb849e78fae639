/** The source files of the packages and what they import, read as text. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url))

interface Import {
  /** As written (`node:zlib`, `@sq/sim`), or from the root where it is a file of ours. */
  readonly target: string
  /** True for `import type` and `export type`: nothing of it is left when the code runs. */
  readonly typeOnly: boolean
}

export interface SourceFile {
  /** Path from the root, with `/`. */
  readonly path: string
  /** The file without its comments. */
  readonly code: string
  readonly imports: readonly Import[]
}

/** The packages' folders, from the root: those that are published, then those that are private. */
export function packageFolders(): string[] {
  return ['packages', 'tools'].flatMap((parent) =>
    readdirSync(join(ROOT, parent))
      .toSorted()
      .map((name) => `${parent}/${name}`),
  )
}

/** The files of a package that are shipped: no tests, and nothing that tests share. */
export function shippedSources(folder: string): SourceFile[] {
  const source = join(ROOT, folder, 'src')
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
    .filter((name) => /sq-(sim|archive)$/.test(folder) || !name.startsWith(`testing${sep}`))
    .filter((name) => !name.includes(`${sep}testing${sep}`))
    .map((name) => parse(join(source, name)))
}

function parse(file: string): SourceFile {
  const path = relative(ROOT, file).replaceAll(sep, '/')
  const code = readFileSync(file, 'utf8')
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
  const statements = code.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\s+from\s+)?'([^']+)'/gm)
  const calls = code.matchAll(/\b(?:import|require)\(\s*'([^']+)'/g)
  const imports = [
    ...Array.from(statements, ([, type, target = '']) => ({ target, typeOnly: type !== undefined })),
    ...Array.from(calls, ([, target = '']) => ({ target, typeOnly: false })),
  ]
  return { path, code, imports: imports.map((found) => ({ ...found, target: fromRoot(path, found.target) })) }
}

function fromRoot(importer: string, target: string): string {
  return target.startsWith('.') ? posix.normalize(posix.join(dirname(importer), target)) : target
}
