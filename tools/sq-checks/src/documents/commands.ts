/** Parses the commands in the pages. */
import { codeBlocks, inlineCode } from './documents.ts'
import type { CodeBlock, Page } from './documents.ts'

/** One call of a program: `sq-wal cat orders/0 --count 2`. */
export interface Command {
  readonly at: string
  readonly program: string
  readonly args: readonly string[]
}

/** The commands of a page: in `sh` and `console` blocks, and inline code that starts with a program. */
export function commands(page: Page): Command[] {
  const blocks = codeBlocks(page).flatMap((block) => typedLines(block).map((line) => ({ at: block.at, line })))
  const inline = inlineCode(page).map(({ at, code }) => ({ at, line: code }))
  const named = inline.filter(({ line }) => /^(?:npx|pnpm|sq-wal) /.test(line))
  return [...blocks, ...named].flatMap(({ at, line }) => calls(line).map((call) => ({ at, ...call })))
}

function typedLines({ language, code }: CodeBlock): string[] {
  const all = code.split('\n').filter((line) => line !== '')
  if (language === 'sh') return all
  return language === 'console' ? all.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2)) : []
}

/** The calls of one line, from left to right, without a comment. */
function calls(line: string): { program: string; args: string[] }[] {
  const words = Array.from(line.matchAll(/'[^']*'|"[^"]*"|[^\s'"]+/g), ([word]) => word)
  const comment = words.indexOf('#')
  const typed = comment === -1 ? words : words.slice(0, comment)
  const found: string[][] = [[]]
  for (const word of typed) {
    if (word === '|' || word === '&&') found.push([])
    else found.at(-1)?.push(word)
  }
  return found.map(([program = '', ...args]) => ({ program, args }))
}
