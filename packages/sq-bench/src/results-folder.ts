/** Keeps what a part of the benchmark found: figures as JSON, tables as Markdown ready to be pasted, charts as SVG. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableToMarkdown } from './markdown.ts'
import type { Chart, Table } from './part.ts'

/** Writes over what an earlier run left of this part, and of no other. */
export async function writeResults(folder: string, part: string, found: readonly (Table | Chart)[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const tables = found.filter((each) => 'figures' in each).filter(({ figures: of }) => of !== null)
  const figures = tables.map(({ title, figures: of }) => ({ title, figures: of }))
  const text = found.map((each) => ('svg' in each ? `![${each.title}](${each.file})\n` : tableToMarkdown(each)))
  await writeFile(join(folder, `${part}.json`), `${JSON.stringify(figures, null, 1)}\n`)
  await writeFile(join(folder, `${part}.md`), text.join('\n'))
  for (const each of found) if ('svg' in each) await writeFile(join(folder, each.file), each.svg)
}
