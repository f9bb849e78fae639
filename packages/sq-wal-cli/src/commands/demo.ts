/** `sq-wal demo`: its options and its help. The demo itself is in `../demo/run.ts`. */
import { InvalidArgumentError, type Command } from 'commander'
import type { DemoOptions } from '../demo/run.ts'

const maxKills = 1000

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .summary('kill a writer repeatedly, then check that no record was lost')
    .description(
      'A child process appends 231,083 flights to a log and is killed with SIGKILL several times; each time, a new ' +
        'child continues where the log ends. Then every record is read back and compared with the input.',
    )
    .option('--input <file>', 'read the records from this file instead: JSON lines, text lines, or one JSON array')
    .option('--dir <dir>', 'directory of the log: empty, or not there yet (default: a temporary one)')
    .option('--keep', 'keep the log and print its path')
    .option('--kills <n>', `how many times to kill the writer, 0 to ${maxKills}`, upTo(maxKills), 5)
    .option(
      '--archive [store]',
      'then archive the log, delete it here, and restore it: a directory or s3://BUCKET/PREFIX (default: a temporary one)',
    )
    .option('--seed <n>', 'the seed from which the moments of the kills are drawn', upTo(Number.MAX_SAFE_INTEGER), 1)
    .addHelpText(
      'after',
      `
Examples:
  sq-wal demo                              231,083 flights, five kills
  sq-wal demo --kills 20 --seed 7          more kills, at other moments
  sq-wal demo --input events.jsonl         every line of a file of your own
  sq-wal demo --dir ./log --keep           keep the log for inspection
  sq-wal demo --archive                    archived and restored before it is compared

The flights come from the npm package vega-datasets 2.8.1 if it is installed next to sq-wal. Otherwise they are made up.

Exit status: 0 if every record is intact; 1 if one is not; 2 for a usage error.`,
    )
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import('../demo/run.ts')
      process.exitCode = await runDemo(options)
    })
}

function upTo(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value > max) throw new InvalidArgumentError(`Expected a whole number from 0 to ${max}.`)
    return value
  }
}
