/** `sq-wal demo`: its options and its help. The demo itself is in `../demo/run.ts`. */
import { InvalidArgumentError, type Command } from 'commander'
import type { DemoOptions } from '../demo/run.ts'

const maxKills = 1000

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .summary('kill a writer again and again, then prove that no record was lost')
    .description(
      'Appends 231,083 flights to a log from a child process, kills that process with SIGKILL several times on ' +
        'the way, and goes on each time from where the log ends. Then reads everything back and compares it with the ' +
        'input, record for record.',
    )
    .option('--input <file>', 'take the records from this file instead: JSON lines, text lines, or one JSON array')
    .option('--dir <dir>', 'where the log goes: a directory that is empty or not there (default: a temporary one)')
    .option('--keep', 'do not remove the log afterwards, and print where it is')
    .option('--kills <n>', `how often to kill the writer, 0 to ${maxKills}`, upTo(maxKills), 5)
    .option('--seed <n>', 'draw the moments of the kills from this seed', upTo(Number.MAX_SAFE_INTEGER), 1)
    .addHelpText(
      'after',
      `
Examples:
  sq-wal demo                              231,083 flights, five kills
  sq-wal demo --kills 20 --seed 7          more kills, at other moments
  sq-wal demo --input events.jsonl         every line of a file of your own
  sq-wal demo --dir ./log --keep           leave the log there to look at

The flights are those of the npm package vega-datasets 2.8.1, where it is installed beside sq-wal, else made-up ones.

Exit status: 0 if every record is intact, 1 if one is not, 2 on misuse.`,
    )
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import('../demo/run.ts')
      process.exitCode = await runDemo(options)
    })
}

function upTo(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value > max) throw new InvalidArgumentError(`It is a whole number from 0 to ${max}.`)
    return value
  }
}
