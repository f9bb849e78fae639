/** `sq-wal ls`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addDataDirOption, parseLogName } from '../log-name.ts'
import type { LogName } from '../log-name.ts'
import { isPattern, withSelection } from '../log-selection.ts'
import type { Selection } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import type { LsOptions, SortKey } from '../run/ls.ts'
import { UsageError } from '../usage-error.ts'
import { addLocalOption } from '../written-time.ts'

const SORT_KEYS: readonly SortKey[] = ['name', 'size', 'records', 'segments', 'last']

export function addLsCommand(program: Command): void {
  addLocalOption(addArchiveOption(addDataDirOption(program.command('ls'))))
    .summary('list the logs in a data directory or an archive')
    .description('Lists the segments, records, bytes, offsets and times of every topic and partition.')
    .argument('[dir|log...]', "the data directory (default: $SQ_WAL_DIR, or the working directory); or logs, 'web/*'")
    .addOption(new Option('--sort <column>', 'the largest or latest first').choices(SORT_KEYS).default('name'))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal ls /var/lib/broker
  sq-wal ls -d /var/lib/broker 'web/*' orders/0
  sq-wal ls --sort size
  sq-wal ls --json | jq '.[].records'
  sq-wal ls --store s3://backup/main

If a log cannot be read, the others are still listed. Its error is a line on stderr (with --json, an entry of the list),
and the exit status is 1. If there is no log, a line on stderr says so.`,
    )
    .action(async (names: string[], options: LsOptions & SourceOptions) => {
      const { ls } = await import('../run/ls.ts')
      const rules = { anyPath: false, manyFiles: true }
      const list = (selection: Selection): Promise<number> => ls(selection, options)
      process.exitCode = await ((await areLogs(names, options))
        ? withSelection(names, options, list, rules)
        : withSelection([], { ...inDirectory(names, options), all: true }, list, rules))
    })
}

/** Whether arguments select logs. One that does not, and is no pattern, is a data directory. */
async function areLogs(names: readonly string[], options: SourceOptions): Promise<boolean> {
  const [name] = names
  if (name === undefined) return false
  if (names.length > 1 || isPattern(name)) return true
  if (options.store !== undefined) return name.includes('/')
  const log = logNamed(name, options)
  if (log === null) return false
  const [{ NodeFileSystem }, { listPartitions }] = await Promise.all([import('@sq/sim'), import('@sq/storage')])
  const there = await listPartitions(new NodeFileSystem(), log.config).catch(() => [])
  return there.some(({ topic, partition }) => topic === log.topic && partition === log.partition)
}

function logNamed(name: string, options: SourceOptions): LogName | null {
  try {
    return parseLogName(name, options)
  } catch {
    return null
  }
}

function inDirectory([directory]: readonly string[], options: SourceOptions): SourceOptions {
  if (directory === undefined) return options
  if (options.dataDir === undefined) return { ...options, dataDir: directory }
  throw new UsageError('the data directory is given twice: as an argument and with --data-dir')
}
