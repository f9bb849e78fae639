/** The commands that copy and compare logs: their options and their help. */
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { addDataDirOption, addLogArgument, dataDirOf, LOG_HELP, parseArchivedLog } from '../log-name.ts'
import type { ArchivedLogName } from '../log-name.ts'
import { addLogsArgument, SELECTION_HELP, withOneLog, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import { parseOffset } from '../place.ts'
import type { BackupOptions } from '../run/backup.ts'
import type { CpOptions } from '../run/cp.ts'
import type { DiffOptions } from '../run/diff.ts'
import type { GetOptions } from '../run/get.ts'
import type { SalvageOptions } from '../run/salvage.ts'
import { UsageError } from '../usage-error.ts'

export function addGetCommand(program: Command): void {
  addArchiveOption(addLogArgument(program.command('get')))
    .summary('print the value of one record, byte for byte')
    .description('Writes the bytes of a value to standard output, or to a file, and nothing else.')
    .argument('<offset>', 'the offset of the record', parseOffset)
    .option('-o, --output <file>', 'write the value to this file')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal get orders/0 1200
  sq-wal get images/0 17 --output image.png

Exit status: 0 on success; 1 if there is no such record or it has no value; 2 for a usage error.`,
    )
    .action(async (name: string, offset: bigint, options: GetOptions & SourceOptions) => {
      const { get } = await import('../run/get.ts')
      await withOneLog(name, options, (log) => get(log, offset, options))
    })
}

export function addCpCommand(program: Command): void {
  addArchiveOption(addLogArgument(program.command('cp')))
    .summary('copy a log to another data directory')
    .description(
      'Copies a log, with its offsets, to a data directory that does not have it. The copy appears in one step, when it ' +
        'is durable and verified. A broker may be writing the log; what is durable when the copy begins is copied.',
    )
    .argument('<dir>', 'the data directory of the copy')
    .option('--as <log>', 'the name of the copy, as TOPIC/PARTITION', parseName)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal cp orders/0 /mnt/copy
  sq-wal cp orders/0 . --as orders-copy/0
  sq-wal cp /tmp/found-segments /var/lib/broker --as orders/3

With another name, the segments are written again, because they state the name of their log.

Exit status: 0 on success; 1 if the copy exists already, the log is damaged or something fails; 2 for a usage error.`,
    )
    .action(async (name: string, directory: string, options: CpOptions & SourceOptions) => {
      const { cp } = await import('../run/cp.ts')
      await withOneLog(name, options, (log) => cp(log, directory, options))
    })
}

export function addDiffCommand(program: Command): void {
  addDataDirOption(program.command('diff'))
    .summary('compare two logs, record by record')
    .description(
      'Compares the records of two logs where both have offsets: offset, timestamp, key, value and headers. How they are ' +
        'divided into segments does not matter.',
    )
    .argument('<log>', LOG_HELP)
    .argument('<other>', 'the other log')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal diff orders/0 /mnt/copy/orders/0
  sq-wal diff orders/0 orders-copy/0 -d /var/lib/broker

Exit status: 0 if both logs have the same records; 1 if they differ; 2 for a usage error.`,
    )
    .action(async (one: string, other: string, options: DiffOptions & SourceOptions) => {
      const { diff } = await import('../run/diff.ts')
      process.exitCode = await withOneLog(one, options, (left) =>
        withOneLog(other, options, (right) => diff([left, right], options)),
      )
    })
}

export function addBackupCommand(program: Command): void {
  addLogsArgument(program.command('backup'))
    .summary('copy what is new in logs to a backup')
    .description(
      'Copies the segments that a backup does not have yet, and verifies them. The backup is a data directory: all ' +
        'reading commands work on it, and it is a whole log at every moment. A broker may be writing.',
    )
    .requiredOption('--to <dir>', 'the data directory of the backup')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal backup --all -d /var/lib/broker --to /mnt/backup
  sq-wal restore orders/0 --from /mnt/backup -d /var/lib/broker

Segments that retention deletes from a log stay in its backup. A log that was truncated or made again is not the log of
its backup any more: nothing is copied, and the exit status is 1.
${SELECTION_HELP}`,
    )
    .action(async (logs: string[], options: BackupOptions & SelectionOptions) => {
      const { backup } = await import('../run/backup.ts')
      process.exitCode = await withSelection(logs, options, (selection) => backup(selection, options))
    })
}

export function addRestoreCommand(program: Command): void {
  addDataDirOption(program.command('restore'))
    .summary('make logs out of their backup')
    .description(
      'Copies logs from a backup to a data directory that does not have them, and verifies every byte. A log appears in ' +
        'one step. A writer goes on where the backup ends.',
    )
    .argument('[log...]', "TOPIC/PARTITION in the backup; or a pattern, such as 'web/*'")
    .option('--all', 'every log in the backup')
    .requiredOption('--from <dir>', 'the data directory of the backup')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal restore orders/0 --from /mnt/backup -d /var/lib/broker
  sq-wal restore --all --from /mnt/backup -d /var/lib/broker

A log that is there is not replaced. Logs in an archive are restored by "sq-wal archive restore".`,
    )
    .action(async (logs: string[], options: SelectionOptions & { readonly from: string; readonly json?: boolean }) => {
      const { restore } = await import('../run/backup.ts')
      const place = { dataDir: dataDirOf(options), json: options.json === true }
      const source: SelectionOptions = { dataDir: options.from, ...(options.all === true && { all: true }) }
      process.exitCode = await withSelection(logs, source, (selection) => restore(selection, place))
    })
}

export function addSalvageCommand(program: Command): void {
  addLogArgument(program.command('salvage'))
    .summary('copy what is readable of a damaged log, with its offsets')
    .description(
      'Copies every commit that verifies to a new log in another data directory, also those after damage. Only damaged ' +
        'commits are lost. The damaged log is not changed, and a broker may be writing it.',
    )
    .requiredOption('--to <dir>', 'the data directory of the new log')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal salvage orders/0 --to /mnt/salvaged
  sq-wal diff orders/0 /mnt/salvaged/orders/0

All records keep their offsets. In the new log, lost offsets are an opaque batch, which readers do not skip unnoticed:
"cat" prints a line about it, and a program gets an OpaqueBatchError that says where to go on.

Exit status: 0 if something was salvaged; 1 if nothing was; 2 for a usage error.`,
    )
    .action(async (name: string, options: SalvageOptions & SourceOptions) => {
      const { salvage } = await import('../run/salvage.ts')
      await withOneLog(name, options, (log) => salvage(log, options))
    })
}

function parseName(text: string): ArchivedLogName {
  try {
    return parseArchivedLog(text)
  } catch (error) {
    throw error instanceof UsageError ? new InvalidArgumentError(`${error.message}.`) : error
  }
}
