/** `sq-wal cat`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import { another, parseCount, parsePlace, parseTimeOption, PLACES, TIMES_HELP } from '../place.ts'
import type { CatOptions } from '../run/cat.ts'
import { addLocalOption } from '../written-time.ts'

const FORMATS = ['text', 'json', 'raw', 'hex', 'csv'] as const

export function addCatCommand(program: Command): void {
  addRecordOptions(addArchiveOption(addLogsArgument(program.command('cat'))), '-f, --template <text>')
    .summary('print the records of logs')
    .description(
      'Prints records and verifies every checksum on the way. Stops at the first damage, with exit status 1.',
    )
    .option('--from <place>', `the first record: ${PLACES}`, parsePlace)
    .option('--to <place>', 'stop before this record; an offset or a time', parsePlace)
    .option('--count <n>', 'stop after this many records, of each log', parseCount(1))
    .addHelpText(
      'after',
      `
Examples:
  sq-wal cat orders/0 --from 1200 --count 10
  sq-wal cat orders/0 --from 2026-11-22T20:00Z --to 2026-11-22T21:00Z --format json
  sq-wal cat orders/0 --since -1h
  TZ=Europe/Berlin sq-wal cat orders/0 --since yesterday --until 02:00 --local
  sq-wal cat orders/0 --grep 'customer-17' | less
  sq-wal cat 'web/*' --format json --since -1h
  sq-wal cat orders/0 -f '%o %k %s\\n'
  sq-wal cat orders/0 --store s3://backup/main --count 10

With --from and --to, a time selects a position: that of the first record with this timestamp or a later one. If
timestamps are out of order, the range can contain records with other timestamps or miss some; a line on stderr says how
many. --since and --until look at the timestamp of each record. If no record is printed, a line on stderr says why.
To go on with new records, use "sq-wal tail --follow --from PLACE".
${SELECTION_HELP}
${TIMES_HELP}
${FORMAT_HELP}`,
    )
    .action(async (logs: string[], options: CatOptions & SelectionOptions) => {
      const { cat } = await import('../run/cat.ts')
      process.exitCode = await withSelection(logs, options, (selection) => cat(selection, options), {
        anyPath: true,
      })
    })
}

/** The options that select records and their output format. */
export function addRecordOptions(command: Command, template = '--template <text>'): Command {
  return addLocalOption(command)
    .addOption(new Option('--format <format>', 'output format').choices(FORMATS).default('text'))
    .option(template, 'instead of a format, a text with fields such as %o, %k and %s')
    .option('--delimiter <text>', 'raw: what to print after each value; "" is nothing (default: \\n)')
    .option('--since <time>', 'only records with this timestamp or a later one, in any order', parseTimeOption)
    .option('--until <time>', 'only records with an earlier timestamp', parseTimeOption)
    .option('--key <key>', 'only records with this key; repeatable, for any of several keys', another)
    .option('--grep <pattern>', 'only records whose value, decoded as UTF-8, matches this regular expression')
    .option('--durable-only', 'omit the last commit of a running broker until the files show that it is durable')
    .option('--exit-status', 'exit with status 1 if no record is printed')
}

export const FORMAT_HELP = `
Formats:
  text   one line per record: offset, time, key, value; control characters as \\n or \\u0000, a backslash as \\\\,
         no value as \\N
  json   one object per line; no value is null; bytes that are not UTF-8 are {"base64": "..."}
  raw    the bytes of each value and a newline, or --delimiter; a record without a value is left out
  hex    offset, time and key, then a hex dump of the value
  csv    a title line, then one record per line; bytes as they are in quotes; no key or value is an empty field
With several logs, each record has its topic and partition, except in the format raw.

Fields of --template: %t topic, %p partition, %o offset, %T timestamp in milliseconds, %k key, %s value, %K and %S the
lengths of key and value in bytes (-1 if there is none), %h headers, %% a percent sign. It prints bytes as they are.
Escapes, also of --delimiter: \\n \\t \\r \\0 \\xHH \\\\`
