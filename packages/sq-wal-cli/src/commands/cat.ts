/** `sq-wal cat`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument } from '../log-name.ts'
import { addArchiveOption, withLog } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import { parseCount, parsePlace, parseTimeOption, PLACES, TIMES_HELP } from '../place.ts'
import type { CatOptions } from '../run/cat.ts'
import { addLocalOption } from '../written-time.ts'

const FORMATS = ['text', 'json', 'raw', 'hex'] as const

export function addCatCommand(program: Command): void {
  addRecordOptions(addArchiveOption(addLogArgument(program.command('cat'))))
    .summary('print the records of a log')
    .description(
      'Prints records and verifies every checksum on the way. Stops at the first damage, with exit status 1.',
    )
    .option('--from <place>', `the first record: ${PLACES}`, parsePlace)
    .option('--to <place>', 'stop before this record; an offset or a time', parsePlace)
    .option('--count <n>', 'stop after this many records', parseCount(1))
    .addHelpText(
      'after',
      `
Examples:
  sq-wal cat orders/0 --from 1200 --count 10
  sq-wal cat orders/0 --from 2026-11-22T20:00Z --to 2026-11-22T21:00Z --format json
  sq-wal cat orders/0 --since -1h
  TZ=Europe/Berlin sq-wal cat orders/0 --since yesterday --until 02:00 --local
  sq-wal cat orders/0 --grep 'customer-17' | less
  sq-wal cat orders/0 --store s3://backup/main --count 10

With --from and --to, a time selects a position: that of the first record with this timestamp or a later one. If
timestamps are out of order, the range can contain records with other timestamps or miss some; a line on stderr says how
many. --since and --until look at the timestamp of each record. If no record is printed, a line on stderr says why.
${TIMES_HELP}
${FORMAT_HELP}`,
    )
    .action(async (log: string, options: CatOptions & SourceOptions) => {
      const { cat } = await import('../run/cat.ts')
      await withLog(log, options, (located) => cat(located, options))
    })
}

/** The options that select records and their output format. */
export function addRecordOptions(command: Command): Command {
  return addLocalOption(command)
    .addOption(new Option('--format <format>', 'output format').choices(FORMATS).default('text'))
    .option('--since <time>', 'only records with this timestamp or a later one, in any order', parseTimeOption)
    .option('--until <time>', 'only records with an earlier timestamp', parseTimeOption)
    .option('--key <key>', 'only records with this key')
    .option('--grep <pattern>', 'only records whose value, decoded as UTF-8, matches this regular expression')
    .option('--durable-only', 'omit the last commit of a running broker until the files show that it is durable')
}

export const FORMAT_HELP = `
Formats:
  text   one line per record: offset, time, key, value; control characters as \\n or \\u0000, a backslash as \\\\,
         no value as \\N
  json   one object per line; no value is null; bytes that are not UTF-8 are {"base64": "..."}
  raw    the bytes of each value and a newline; a record without a value is left out
  hex    offset, time and key, then a hex dump of the value`
