/**
 * Checks the code blocks of the pages. The kinds of blocks:
 *
 * - `js` is a whole program. It is run; a `text` block directly after it is its output.
 * - `ts`, and `js` that is a part of something, is word for word in a test, except for indentation. A comment directly
 *   before the block names the file, from the root: `<!-- stands in: tools/sq-checks/src/documents/x.test.ts -->`.
 * - `sh` has one command per line; `console` has commands after `$ ` and their output. `commands.test.ts` checks the
 *   commands. The output is in the file that the comment names, or the comment is `<!-- differs each time -->`.
 * - `text` is a diagram or bytes. Other kinds are not allowed.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../source-tree.ts'
import { codeBlocks, pages } from './documents.ts'
import type { CodeBlock } from './documents.ts'
import { runSample } from './sample-run.ts'

const { resolve } = createRequire(import.meta.url)
const blocks = pages().flatMap((page) => codeBlocks(page))
const isProgram = ({ language, standsIn }: CodeBlock): boolean => language === 'js' && standsIn === null
const shown = blocks.filter(({ language }) => ['js', 'ts', 'console'].includes(language))

it.each(blocks)('the block at $at is of a kind that is checked', ({ language }) => {
  expect(['js', 'ts', 'sh', 'console', 'text']).toContain(language)
})

it.each(blocks.filter(isProgram))('the program at $at runs, and prints what is shown', ({ code, output }) => {
  const answer = runSample(code).trimEnd()
  expect(answer).toBe(output ?? answer)
})

const parts = shown.filter((block) => !isProgram(block) && !block.differs)

it.each(parts)('the block at $at is word for word in the file that it names', ({ language, code, standsIn }) => {
  const named = standsIn ?? expect.unreachable('no comment before it names a file')
  const file = readFileSync(join(ROOT, named), 'utf8')
  const isThere = lines(file).includes(lines(language === 'console' ? printed(code) : code))
  expect(isThere, `it is not in ${named}`).toBe(true)
  expect(importedNames(code).filter((name) => !importedNames(file).includes(name))).toEqual([])
  const sources = code.matchAll(/^import .* from '([^']+)'/gm)
  for (const [, source = ''] of sources) expect(() => resolve(source)).not.toThrow()
})

/** The lines of a text without indentation, empty lines and imports. */
function lines(text: string): string {
  const all = text.split('\n').map((line) => line.trim())
  return `\n${all.filter((line) => line !== '' && !line.startsWith('import ')).join('\n')}\n`
}

function printed(transcript: string): string {
  return transcript.replaceAll(/^\$ .*$/gm, '')
}

function importedNames(code: string): string[] {
  const imports = code.matchAll(/^import (?:type )?\{([^}]*)\}/gm)
  return Array.from(imports, ([, names = '']) => names.split(',').map((name) => name.trim())).flat()
}
