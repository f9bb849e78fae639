/**
 * Holds the code that the pages show to code that runs. What an author does with a block:
 *
 * - `js` is a whole program. It is run; a `text` block right behind it is what it prints.
 * - `ts`, and `js` that is a part of something, stands word for word in a test, but for indentation. A comment right
 *   before the block names that file, from the root: `<!-- stands in: tools/sq-checks/src/documents/x.test.ts -->`.
 * - `sh` is commands, a line each; `console` is commands behind `$ ` and what they print. `commands.test.ts` looks the
 *   commands up. What is printed stands in the file that the comment names, or `<!-- differs each time -->`.
 * - `text` is a diagram or bytes. There is nothing else.
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

it.each(parts)('the block at $at stands word for word in the file that it names', ({ language, code, standsIn }) => {
  const named = standsIn ?? expect.unreachable('no comment before it names a file')
  const file = readFileSync(join(ROOT, named), 'utf8')
  const isThere = lines(file).includes(lines(language === 'console' ? printed(code) : code))
  expect(isThere, `it does not stand in ${named}`).toBe(true)
  expect(importedNames(code).filter((name) => !importedNames(file).includes(name))).toEqual([])
  const sources = code.matchAll(/^import .* from '([^']+)'/gm)
  for (const [, source = ''] of sources) expect(() => resolve(source)).not.toThrow()
})

/** The lines of a text, each from its first letter on, without empty ones and imports. */
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
