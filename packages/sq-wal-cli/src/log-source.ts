/** Where a reading command finds its logs: in a data directory, or in an archive. Loads the code of an archive only for one. */
import type { FileSystem } from '@sq/sim'
import type { WalConfig } from '@sq/storage'
import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { dataDirOf, parseArchivedLog, parseLogName } from './log-name.ts'
import type { DataDirOption, LogName } from './log-name.ts'
import { isError, messageOf } from './message-of.ts'
import { quoted } from './quoted.ts'
import { UsageError } from './usage-error.ts'

/** The options of a command that reads logs. */
export interface SourceOptions extends DataDirOption {
  readonly store?: string
}

/** Logs, and the file system that has them. */
export interface LogSource {
  readonly fs: FileSystem
  readonly config: WalConfig
  /** The archive as the user has named it; null for a data directory. */
  readonly archive: string | null
}

/** A log, and the file system that has it. */
export interface LocatedLog extends LogSource, LogName {
  /** TOPIC/PARTITION of its directory, if that is not its own: it is misplaced. */
  readonly foundAs?: string
}

/** The option of every command that also reads archives. */
export function addArchiveOption(command: Command): Command {
  return command.option('-s, --store <store>', 'read from an archive: a directory, or s3://BUCKET/PREFIX')
}

/** Runs an action on the log with this name. */
export async function withLog<T>(
  name: string,
  options: SourceOptions,
  action: (log: LocatedLog) => Promise<T>,
): Promise<T> {
  if (options.store === undefined) return action({ ...(await dataDirectory(options)), ...parseLogName(name, options) })
  const log = parseArchivedLog(name)
  return withArchive(options.store, options, (source) => action({ ...source, ...log }), name)
}

/** Runs an action on a data directory or an archive. `log` names the log that is read, if it is only one. */
export async function withSource<T>(
  options: SourceOptions & { readonly manyFiles?: boolean },
  action: (source: LogSource) => Promise<T>,
  log?: string,
): Promise<T> {
  return options.store === undefined
    ? action(await dataDirectory(options))
    : withArchive(options.store, options, action, log)
}

/** `log` is the one that is read, if the action reads only one. */
async function withArchive<T>(
  archive: string,
  { dataDir }: DataDirOption,
  action: (source: LogSource) => Promise<T>,
  log = 'LOG',
): Promise<T> {
  if (dataDir !== undefined) throw new UsageError('a data directory and --store are both given; use only one of them')
  if (archive === '') throw new UsageError('--store is an empty string; expected a directory or s3://BUCKET/PREFIX')
  const [{ withStore }, { ObjectStoreFileSystem }] = await Promise.all([import('./store.ts'), import('@sq/archive')])
  return withStore(archive, { readOnly: true }, async (store) => {
    try {
      return await action({ fs: new ObjectStoreFileSystem(store), config: { dataDir: '/' }, archive })
    } catch (error) {
      throw inArchive(error, archive, log)
    }
  })
}

async function dataDirectory({ manyFiles, ...options }: DataDirOption & { manyFiles?: boolean }): Promise<LogSource> {
  const config = { dataDir: dataDirOf(options) }
  if (manyFiles === true) {
    const { DirectFileSystem } = await import('./direct-file-system.ts')
    return { fs: new DirectFileSystem(), config, archive: null }
  }
  const { NodeFileSystem } = await import('@sq/sim')
  return { fs: new NodeFileSystem(), config, archive: null }
}

/** Adds the archive, whose paths begin with a slash, and the next step. */
function inArchive(error: unknown, archive: string, log: string): unknown {
  const isReported = error instanceof CommandError || !isError(error) || !('code' in error)
  if (isReported) return error
  const store = `--store ${quoted(archive)}`
  const advice = new Map<unknown, string>([
    ['SQ_WAL_NOT_FOUND', ` ("sq-wal ls ${store}" lists its logs)`],
    ['SQ_WAL_CORRUPT', ` ("sq-wal verify ${log} ${store}" reports every problem of the log)`],
    ['ENOENT', ` ("sq-wal archive ls ${log} ${store}" lists the segments of a log)`],
  ])
  const next = advice.get(codeOf(error.cause)) ?? advice.get(error.code) ?? ''
  return new CommandError(`the archive ${archive}: ${messageOf(error)}${next}`)
}

function codeOf(cause: unknown): unknown {
  return isError(cause) && 'code' in cause ? cause.code : undefined
}
