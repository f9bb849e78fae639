/** Writes the results of a part to files: tables as a page in Markdown, figures as JSON, charts as SVG. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableToMarkdown } from './markdown.ts'
import type { Chart, Table } from './part.ts'

/** A part that has run. */
export interface Finished {
  readonly name: string
  readonly rounds: number
  /** One line that describes the machine. */
  readonly machine: string
  readonly found: readonly (Table | Chart)[]
}

/** Overwrites the results of an earlier run of this part, and keeps those of other parts. */
export async function writeResults(folder: string, { name, rounds, machine, found }: Finished): Promise<void> {
  await mkdir(folder, { recursive: true })
  const tables = found.filter((each) => 'figures' in each).filter(({ figures }) => figures !== null)
  const kept = { machine, rounds, tables: tables.map(({ title, figures }) => ({ title, figures })) }
  const head = `# Benchmark: ${name}\n\nMade by \`pnpm bench ${name} --out\`, ${rounds} rounds. ${machine}.\n`
  const text = found.map((each) =>
    'svg' in each ? `![${each.title}](${each.file})\n\n${each.caption}\n` : tableToMarkdown(each),
  )
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(kept, null, 1)}\n`)
  await writeFile(join(folder, `${name}.md`), [head, ...text].join('\n'))
  for (const each of found) if ('svg' in each) await writeFile(join(folder, each.file), each.svg)
}
