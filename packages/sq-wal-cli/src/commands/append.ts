/** `sq-wal append`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parseOffset } from '../place.ts'
import type { AppendOptions } from '../run/append.ts'

const FORMATS = ['lines', 'json', 'prefixed'] as const
const UNITS = ['s', 'ms', 'us', 'ns'] as const

export function addAppendCommand(program: Command): void {
  addLogArgument(program.command('append'))
    .summary('append records from standard input or files')
    .description(
      'Appends records, many in flight, as fast as the disk takes them. The log is made if it is not there. When ' +
        'this ends with status 0, every record is durable.',
    )
    .argument('[file...]', 'what to read; "-" is standard input (default: standard input)')
    .addOption(new Option('--format <format>', 'how records are told apart').choices(FORMATS).default('lines'))
    .option('--key-field <name>', 'json: the field that becomes the key')
    .option('--timestamp-field <name>', 'json: the field that becomes the time: milliseconds, or as ISO 8601 writes it')
    .addOption(
      new Option('--timestamp-unit <unit>', 'json: what a number in that field counts since 1970').choices(UNITS),
    )
    .option('--header-field <name>', 'json: a field that becomes a header with this key; may be given again', another)
    .option('--offsets', 'write the offset of each record in a line, once it is durable')
    .option('--resume-from <offset>', 'go on with an input whose first record got this offset', parseOffset)
    .addHelpText(
      'after',
      `
Formats:
  lines      a record is the bytes of a line, without the newline; an empty line is an empty record
  json       a record is a line that is JSON, as it stands; empty lines are left out
  prefixed   a record has its length before it: 4 bytes, the most significant first

Lines and JSON are UTF-8: a byte order mark at the beginning of an input is left out, one of UTF-16 is refused. Without
--timestamp-unit, a number must be milliseconds of the years 1973 to 5138, so that no seconds are taken for them.

Examples:
  journalctl -o json -f | sq-wal append journal/0 --format json --key-field _SYSTEMD_UNIT
  journalctl -o json | sq-wal append journal/0 --format json --timestamp-field __REALTIME_TIMESTAMP --timestamp-unit us
  sq-wal append orders/0 -d /var/lib/broker orders-2025.txt orders-2026.txt
  sq-wal append orders/0 --resume-from 0 orders-2025.txt orders-2026.txt    after it was killed

Records get the time at which they are read, where no field says another. To resume, the records that the log has from
--resume-from on are left out of the input; they must be the same.

Exit status: 0 if all is durable; 1 if something failed, 128 and the signal's number if it was interrupted: the message
says how many records are durable, which are the first so many of the input, and the log is whole; 2 on misuse.`,
    )
    .action(async (log: string, files: string[], options: AppendOptions) => {
      const { append } = await import('../run/append.ts')
      await append(parseLogName(log, options), files, options)
    })
}

function another(name: string, names: readonly string[] = []): readonly string[] {
  return [...names, name]
}
