/** `sq-wal append`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { another, parseOffset } from '../place.ts'
import type { AppendOptions } from '../run/append.ts'

const FORMATS = ['lines', 'json', 'sq', 'prefixed'] as const
const UNITS = ['s', 'ms', 'us', 'ns'] as const

export function addAppendCommand(program: Command): void {
  addLogArgument(program.command('append'))
    .summary('append records from standard input or files')
    .description(
      'Appends records, with many appends in flight. The log is created if it does not exist. Exit status 0 means ' +
        'that every record is durable.',
    )
    .argument('[file...]', 'input files; "-" is standard input (default: standard input)')
    .addOption(new Option('--format <format>', 'how the input is split into records').choices(FORMATS).default('lines'))
    .option('--key-field <name>', 'json: the field to use as the key')
    .option('--value-field <name>', 'json: the field to use as the value, instead of the line; null is no value')
    .option('--timestamp-field <name>', 'json: the field to use as the timestamp: milliseconds or an ISO 8601 time')
    .addOption(
      new Option(
        '--timestamp-unit <unit>',
        'json: the unit of a number in the timestamp field, counted from 1970',
      ).choices(UNITS),
    )
    .option('--header-field <name>', 'json: a field to store as a header with this key; repeatable', another)
    .option('--offsets', 'print the offset of each record once it is durable, one per line')
    .option('--check-offsets', 'sq: stop at a record that would not get the offset that it had')
    .option('--resume-from <offset>', 'continue an interrupted append whose first record got this offset', parseOffset)
    .addHelpText(
      'after',
      `
Formats:
  lines      one record per line, without the newline; an empty line is an empty record
  json       one record per line; the line must be JSON and is stored as it is; blank lines are skipped
  sq         one record per line, as "sq-wal cat --format json" writes it: key, value, headers and timestamp are kept
  prefixed   each record is preceded by its length: 4 bytes, big-endian

Lines and JSON are UTF-8: a UTF-8 byte order mark at the start of an input is skipped, a UTF-16 one is an error. Without
--timestamp-unit, a number must be milliseconds within the years 1973 to 5138, so that seconds are never mistaken for
milliseconds. Without --timestamp-field, a record gets the time at which it is read. A field of a field has a name with
dots: user.id.

Input compressed with gzip is decompressed; so is Zstandard if Node has it (22.15 or later). Its first bytes tell.

Examples:
  journalctl -o json -f | sq-wal append journal/0 --format json --key-field _SYSTEMD_UNIT
  journalctl -o json | sq-wal append journal/0 --format json --timestamp-field __REALTIME_TIMESTAMP --timestamp-unit us
  kcat -C -t orders -e -J | sq-wal append orders/0 --format json --key-field key --value-field payload \\
    --timestamp-field ts
  sq-wal cat orders/0 --from 500 --format json | sq-wal append copy/0 --format sq
  sq-wal append orders/0 -d /var/lib/broker orders-2025.txt orders-2026.txt
  sq-wal append orders/0 --resume-from 0 orders-2025.txt orders-2026.txt    after it was killed

--resume-from skips the records of the input that the log already has from that offset on. They are compared with the
log and must be identical.

Exit status: 0 if every record is durable; 1 on failure; 128 plus the signal number after a signal; 2 for a usage error.
After a failure or a signal the log is intact, and the message says how many records of the input, counted from its
start, are durable.`,
    )
    .action(async (log: string, files: string[], options: AppendOptions) => {
      const { append } = await import('../run/append.ts')
      await append(parseLogName(log, options), files, options)
    })
}
