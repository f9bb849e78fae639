/** `sq-wal completion` and `sq-wal man`: their options and their help. */
import { Argument } from 'commander'
import type { Command } from 'commander'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .summary('print the completion of commands and options for a shell')
    .description('Prints a script that completes commands, options and their choices.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(sq-wal completion bash)
  sq-wal completion zsh > ~/.zfunc/_sq-wal
  sq-wal completion fish > ~/.config/fish/completions/sq-wal.fish`,
    )
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { printCompletion } = await import('../run/completion.ts')
      await printCompletion(program, shell)
    })
}

export function addManCommand(program: Command): void {
  program
    .command('man')
    .summary('print a manual page')
    .description('Prints the manual page of sq-wal, or of a command, in the format of man.')
    .argument('[command...]', 'the command')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal man | man -l -
  sq-wal man cat > /usr/local/share/man/man1/sq-wal-cat.1`,
    )
    .action(async (names: string[]) => {
      const { printMan } = await import('../run/man.ts')
      await printMan(program, names)
    })
}
