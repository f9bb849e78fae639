/** Holds `docs/architecture.md` to the files that there are: each is named in its package's table, and no other. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageFolders, ROOT } from '../source-tree.ts'
import { page } from './documents.ts'

const sections = page('docs/architecture.md').text.split(/^(?=#{2,3} )/m)

test.each(packageFolders())('the tables of the architecture name every file of %s', (folder) => {
  const heading = `### Files of @${folder.replace('-', '/')}\n`
  const section = sections.find((text) => text.startsWith(heading)) ?? expect.unreachable(`no table ${heading}`)
  expect(named(section).toSorted()).toEqual(sources(folder).toSorted())
})

/** The files in the first column of a table; `a/{b,c}.ts` names two. */
function named(section: string): string[] {
  const cells = Array.from(section.matchAll(/^\| (`.*?) \|/gm), ([, cell = '']) => cell)
  const names = cells.flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = '']) => name))
  return names.flatMap((name) => {
    const [, before = '', choices = name, after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(name) ?? []
    return choices.split(',').map((choice) => `${before}${choice}${after}`)
  })
}

/** The source files of a package without its tests, and without what only those use. */
function sources(folder: string): string[] {
  const all = readdirSync(join(ROOT, 'packages', folder, 'src'), { recursive: true, encoding: 'utf8' })
  return all.filter((name) => {
    if (!name.endsWith('.ts') || /\.test(-d)?\.ts$/.test(name)) return false
    return folder === 'sq-sim' || !name.startsWith('testing/')
  })
}
