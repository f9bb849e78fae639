/** The tables of the README of `@sq/storage` have a row for everything there is: options and codes of errors. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../source-tree.ts'
import { page } from './documents.ts'

const readme = page('packages/sq-storage/README.md').text

function source(path: string): string {
  return readFileSync(join(ROOT, 'packages/sq-storage/src', path), 'utf8')
}

/** The members of an interface, or of a union of strings, by its source. */
function members(code: string, declaration: string): string[] {
  const [, body = ''] = code.split(declaration)
  const [own = ''] = body.split(/\n}|\n\n/)
  return Array.from(
    own.matchAll(/^ {2}(?:readonly (\w+)\??:|\| '(\w+)')/gm),
    ([, option, literal]) => option ?? literal ?? '',
  )
}

/** The text between backquotes in the first cells of the table under a heading. */
function rows(heading: string): string[] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const cells = Array.from(section.matchAll(/^\| (`.*?) \|/gm), ([, cell = '']) => cell)
  return cells.flatMap((cell) => Array.from(cell.matchAll(/`(\w+)`/g), ([, name = '']) => name))
}

test.each([
  ['WalConfig', source('config.ts'), 'export interface WalConfig {'],
  ['WalReader', source('wal/reading/read-options.ts'), 'export interface ReadOptions {'],
  ['Errors', source('errors.ts'), 'export type WalErrorCode ='],
])('the table under %s names all there are, and no other', (heading, code, declaration) => {
  const known = members(code, declaration)
  expect(known.length).toBeGreaterThan(5)
  expect(rows(heading).toSorted()).toEqual(known.toSorted())
})
