/** `sq-wal cat`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parseCount, parsePlace, PLACES } from '../place.ts'
import type { CatOptions } from '../run/cat.ts'

const FORMATS = ['text', 'json', 'raw', 'hex'] as const

export function addCatCommand(program: Command): void {
  addRecordOptions(addLogArgument(program.command('cat')))
    .summary('write the records of a log')
    .description('Writes records, every checksum on the way checked. Stops at the first damage, with exit status 1.')
    .option('--from <place>', `the first record: ${PLACES}`, parsePlace)
    .option('--to <place>', 'the record to end before, written like --from', parsePlace)
    .option('--count <n>', 'end after so many records', parseCount(1))
    .addHelpText(
      'after',
      `
Examples:
  sq-wal cat orders/0 --from 1200 --count 10
  sq-wal cat orders/0 --from 2026-11-22T20:00Z --to 2026-11-22T21:00Z --format json
  sq-wal cat orders/0 --grep 'customer-17' | less

A time is taken for a position: the first record of that time or a later one. Where timestamps are out of order, the
range has records of other times, or leaves some out; a line on stderr says so, and how many. A line on stderr also says
why, where nothing is written.
${FORMAT_HELP}`,
    )
    .action(async (log: string, options: CatOptions) => {
      const { cat } = await import('../run/cat.ts')
      await cat(parseLogName(log, options), options)
    })
}

/** What records are written, and how. */
export function addRecordOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', 'how a record is written').choices(FORMATS).default('text'))
    .option('--key <key>', 'only records with this key')
    .option('--grep <pattern>', 'only records whose value, as UTF-8, this regular expression finds something in')
    .option('--durable-only', 'leave out the last commit of a running broker until the files prove it durable')
}

export const FORMAT_HELP = `
Formats:
  text   offset, time, key and value in a line; control characters as \\n, \\u0000, a backslash as \\\\
  json   an object in a line; bytes that are not UTF-8 as {"base64": "..."}
  raw    the bytes of the values, a newline after each
  hex    offset, time and key, then the value as a hex dump`
