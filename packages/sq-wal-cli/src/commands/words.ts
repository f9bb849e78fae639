/** `sq-wal words`, which `sq-wal help words` shows, too. */
import type { Command } from 'commander'
import { WORDS } from '../words.ts'

const WIDTH = Math.max(...Object.keys(WORDS).map(({ length }) => length))

export function addWordsCommand(program: Command): void {
  const words = program
    .command('words')
    .summary('explain the words of this help')
    .description('Explains the words of the help and of the output.')
    .addHelpText(
      'after',
      `\n${Object.entries(WORDS)
        .map(([word, meaning]) => `${word.padEnd(WIDTH)}  ${meaning}`)
        .join('\n')}`,
    )
  words.action(() => words.outputHelp())
}
