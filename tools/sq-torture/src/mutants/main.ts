/**
 * `pnpm mutants [FILE[:FIRST-LAST] ...]`: makes small changes to the sources of the log, one at a time, in files or in
 * lines of them. A test must detect each.
 */
import { readdir } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { ROOT, Workspace } from '../defects/workspace.ts'
import { main, UsageError } from '../options.ts'
import { EQUIVALENT } from './equivalent.ts'
import { judge, tableOf } from './judgement.ts'
import { installTools, runMutants } from './stryker.ts'
import type { Mutant } from './stryker.ts'

const PACKAGE = 'packages/sq-storage'
const SOURCES = 'src/wal'

await main(async () => {
  const files = await filesNamed(process.argv.slice(2).filter((argument) => argument !== '--'))
  await installTools()
  const workspace = await Workspace.create()
  try {
    // Some tests start processes, which run the compiled code.
    await workspace.build()
    const folder = workspace.folder(PACKAGE)
    const mutants = await runMutants(folder, { mutate: files, tests: 'quick' })
    const left = judge(mutants, EQUIVALENT).unexplained
    const noticedLater: ReadonlySet<string> = left.length === 0 ? new Set() : await noticedBySlow(folder, left)
    const judged = judge(
      mutants.map((mutant) => ({ ...mutant, survived: mutant.survived && !noticedLater.has(keyOf(mutant)) })),
      EQUIVALENT,
    )
    for (const { file, line, original, replacement } of judged.unexplained) {
      process.stdout.write(`SURVIVES ${file}:${line}\n  - ${original}\n  + ${replacement}\n`)
    }
    process.stdout.write(`${tableOf(judged)}\n`)
    if (judged.unexplained.length > 0) process.exitCode = 1
  } finally {
    await workspace.remove()
  }
})

/** Runs the slow tests on the mutants that the quick tests did not detect. Returns the keys of those that they do. */
async function noticedBySlow(folder: string, left: readonly Mutant[]): Promise<ReadonlySet<string>> {
  const again = await runMutants(folder, { mutate: left.map(({ range }) => range), tests: 'slow' })
  return new Set(again.filter(({ survived }) => !survived).map(keyOf))
}

function keyOf({ range, replacement }: Mutant): string {
  return `${range} ${replacement}`
}

/** The sources that are named, by path or file name, with the lines if they are given. Without names, all sources. */
async function filesNamed(names: readonly string[]): Promise<string[]> {
  const folder = join(ROOT, PACKAGE)
  const entries = await readdir(join(folder, SOURCES), { recursive: true, withFileTypes: true })
  const sources = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()
  if (names.length === 0) return sources
  return names.map((name) => {
    const [path = '', lines] = name.split(':')
    if (lines !== undefined && !/^\d+-\d+$/.test(lines))
      throw new UsageError(`expected the lines of ${JSON.stringify(name)} as FIRST-LAST`)
    const wanted = basename(path, '.ts')
    const found = sources.find((source) => basename(source, '.ts') === wanted)
    if (found === undefined)
      throw new UsageError(`there is no source file ${JSON.stringify(path)} in ${PACKAGE}/${SOURCES}`)
    return lines === undefined ? found : `${found}:${lines}`
  })
}
