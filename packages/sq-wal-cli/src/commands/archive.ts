/** `sq-wal archive`: its subcommands, their options and their help. */
import type { Command } from 'commander'
import { addDataDirOption, addLogArgument, parseArchivedLog, parseLogName } from '../log-name.ts'
import { parseAge, parseBytes, parseOffset } from '../place.ts'
import type {
  ArchiveLsOptions,
  ArchivePushOptions,
  ArchiveRestoreOptions,
  ArchiveRetainOptions,
  ArchiveVerifyOptions,
  StoreOption,
} from '../run/archive.ts'
import { UsageError } from '../usage-error.ts'
import { addLocalOption } from '../written-time.ts'

const STORE_HELP = 'the archive: a directory, or s3://BUCKET/PREFIX (default: $SQ_WAL_STORE)'

export function addArchiveCommand(program: Command): void {
  const archive = program
    .command('archive')
    .summary('copy ended segments to an object store, and restore logs from it')
    .description(
      'Works on the archive of logs: a directory, or a bucket of S3 or of a store that speaks its protocol. For S3, ' +
        'install @aws-sdk/client-s3. Credentials, region and endpoint come from the environment and the files of the ' +
        'AWS SDK: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3.',
    )
  addPush(archive)
  addLs(archive)
  addVerify(archive)
  addRestore(archive)
  addRetain(archive)
}

/** The archive that is meant. Throws a `UsageError` if none is. */
function storeOf({ store }: StoreOption): string {
  const place = store ?? process.env['SQ_WAL_STORE'] ?? ''
  if (place === '')
    throw new UsageError('name the archive with --store DIR, --store s3://BUCKET/PREFIX or $SQ_WAL_STORE')
  return place
}

function addPush(archive: Command): void {
  addLogArgument(archive.command('push'))
    .summary('upload the ended segments that are not archived yet')
    .description(
      'Uploads the segments of a log that have ended and are not in the archive, oldest first. Deletes nothing. A broker ' +
        'may be writing, but none may archive the log at the same time.',
    )
    .option('-s, --store <store>', STORE_HELP)
    .option('--begin', 'begin an archive with a log whose first segments were deleted before they were archived')
    .option('--end', 'end the active segment first, so that everything is archived; no broker may be running')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal archive push orders/0 --store /mnt/backup
  sq-wal archive push orders/0 --store s3://backup/main --end

If the archive holds another log under this name, or another writer has archived later records, nothing is uploaded and
the exit status is 1. The same holds if the store refuses, or is damaged. What may go away by itself is tried again.`,
    )
    .action(async (log: string, options: ArchivePushOptions) => {
      const { push } = await import('../run/archive.ts')
      await push(parseLogName(log, options), storeOf(options), options)
    })
}

function addLs(archive: Command): void {
  addLocalOption(archive.command('ls'))
    .summary('list the logs in an archive, or the segments of one')
    .description('Lists the logs in an archive, or the segments of one.')
    .argument('[log]', 'TOPIC/PARTITION in the archive')
    .option('-s, --store <store>', STORE_HELP)
    .option('--json', 'print JSON')
    .action(async (log: string | undefined, options: ArchiveLsOptions) => {
      const { ls } = await import('../run/archive.ts')
      await ls(log === undefined ? null : parseArchivedLog(log), storeOf(options), options)
    })
}

function addVerify(archive: Command): void {
  archive
    .command('verify')
    .summary('check the archive of a log')
    .description(
      'Checks that the segments of an archived log follow each other and are whole. Reads a few kilobytes of each ' +
        'segment; with --deep, every byte. Changes nothing.',
    )
    .argument('<log>', 'TOPIC/PARTITION in the archive')
    .option('-s, --store <store>', STORE_HELP)
    .option('--deep', 'read and check every byte')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 if there is no problem; 1 if there is one; 2 for a usage error.')
    .action(async (log: string, options: ArchiveVerifyOptions) => {
      const { verify } = await import('../run/archive.ts')
      process.exitCode = await verify(parseArchivedLog(log), storeOf(options), options)
    })
}

function addRestore(archive: Command): void {
  addDataDirOption(archive.command('restore'))
    .summary('make a log out of its archive')
    .description(
      'Downloads a log into a data directory that does not have it, and verifies every byte. Without --bytes, all of it. ' +
        'A writer goes on where the archive ends. If segments are missing in the middle, it takes --bytes to restore the newest.',
    )
    .argument('<log>', 'TOPIC/PARTITION in the archive')
    .option('-s, --store <store>', STORE_HELP)
    .option(
      '--bytes <size>',
      'download only the newest segments; 0 begins an empty log where the archive ends',
      parseBytes,
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal archive restore orders/0 --store s3://backup/main -d /var/lib/broker
  sq-wal archive restore orders/0 --store /mnt/backup --bytes 0

After an interruption the log is there whole, or not at all: run the command again. A log that is there is not replaced.`,
    )
    .action(async (log: string, options: ArchiveRestoreOptions) => {
      const { restore } = await import('../run/archive.ts')
      await restore(parseArchivedLog(log), storeOf(options), options)
    })
}

function addRetain(archive: Command): void {
  addLocalOption(archive.command('retain'))
    .summary('list the old segments of an archive that limits would delete; --yes deletes them')
    .description(
      'Deletes the oldest segments of an archived log that exceed any of the limits. The last two always stay, because ' +
        'they say where the archive ends. Without --yes, the command only lists them.',
    )
    .argument('<log>', 'TOPIC/PARTITION in the archive')
    .option('-s, --store <store>', STORE_HELP)
    .option('--bytes <size>', 'keep at most this size, such as 500MB or 2GiB', parseBytes)
    .option('--age <duration>', 'keep records no older than this, by timestamp, such as 90m, 36h or 7d', parseAge)
    .option('--before <offset>', 'keep records from this offset on', parseOffset)
    .option('--trust-clock', "trust this machine's clock for --age, even if the log contradicts it")
    .option('-y, --yes', 'delete the segments')
    .option('--json', 'print JSON')
    .action(async (log: string, options: ArchiveRetainOptions) => {
      const { bytes, age, before } = options
      if (bytes === undefined && age === undefined && before === undefined) {
        throw new UsageError('retain needs a limit: --bytes, --age or --before')
      }
      const { retain } = await import('../run/archive.ts')
      await retain(parseArchivedLog(log), storeOf(options), options)
    })
}
