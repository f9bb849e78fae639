/**
 * Which logs a command works on: logs by name, those that match patterns, or all logs of a data directory or an archive.
 */
import { basename, dirname, join, normalize } from 'node:path'
import type { WalIoError } from '@sq/storage'
import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { addDataDirOption, DATA_DIR_ADVICE, dataDirOf, LOG_HELP, parseArchivedLog, parseLogName } from './log-name.ts'
import { withSource } from './log-source.ts'
import type { LocatedLog, LogSource, SourceOptions } from './log-source.ts'
import { UsageError } from './usage-error.ts'

/** The options of a command that works on several logs. */
export interface SelectionOptions extends SourceOptions {
  readonly all?: boolean
}

/** A directory that may be a log, or contain logs, and that cannot be read. */
interface UnreadableLog extends LogSource {
  readonly topic: string
  /** Null if the directory of the topic cannot be read. */
  readonly partition: number | null
  readonly error: WalIoError
}

export type SelectedLog = (LocatedLog & { readonly error?: undefined }) | UnreadableLog

/** Adds the argument that names logs, and the options that select others. */
export function addLogsArgument(command: Command): Command {
  return addDataDirOption(command.argument('[log...]', `${LOG_HELP}; or a pattern, such as 'web/*'`)).option(
    '--all',
    'every log in the data directory',
  )
}

/** For the help of a command with `addLogsArgument`. */
export const SELECTION_HELP = `
Patterns match TOPIC/PARTITION in the data directory, or at the end of a path: * is any number of characters, ? is one.
Quote them. If a log cannot be read, a line on stderr says so, the others are still read, and the exit status is 1.`

/** The logs that the command line selects. */
export class Selection {
  /** The log, if the command line names exactly one. */
  readonly single: LocatedLog | null
  readonly #wanted: readonly Wanted[]

  constructor(wanted: readonly Wanted[]) {
    const [first] = wanted
    this.single = wanted.length === 1 && first !== undefined && 'log' in first ? first.log : null
    this.#wanted = wanted
  }

  /** Whether a later `list` can have more logs. */
  get isOpen(): boolean {
    return this.#wanted.some((wanted) => 'pattern' in wanted)
  }

  get isArchive(): boolean {
    return this.#sources.some(({ archive }) => archive !== null)
  }

  /** What to tell if there is no log. */
  describeNone(): string {
    const places = this.#sources.map(placeOf).join(', ')
    return `there is no log in ${places}${this.isArchive ? '' : `; ${DATA_DIR_ADVICE}`}`
  }

  get #sources(): LogSource[] {
    return this.#wanted.map((wanted) => ('log' in wanted ? wanted.log : wanted.source))
  }

  /**
   * The logs, each once: those named, whether they exist or not, and those that match. Rejects with a `CommandError` if
   * a data directory does not exist, or no log matches a pattern.
   */
  async list({ mayMatchNone = false }: { readonly mayMatchNone?: boolean } = {}): Promise<SelectedLog[]> {
    const found = new Map<string, SelectedLog>()
    for (const wanted of this.#wanted) {
      const logs = 'log' in wanted ? [wanted.log] : await matching(wanted, mayMatchNone)
      for (const log of logs) found.set(join(log.config.dataDir, log.topic, String(log.partition)), log)
    }
    return [...found.values()]
  }
}

/** Logs that match a pattern; all if it is null. */
interface MatchingLogs extends SelectionRules {
  readonly source: LogSource
  readonly pattern: string | null
}

type Wanted = { readonly log: LocatedLog } | MatchingLogs

/** How a command finds logs. */
interface SelectionRules {
  /**
   * Whether the command only reads, so that it can open segments at any path, and those of another log than the one that
   * their path names.
   */
  readonly anyPath: boolean
  /** Whether it reads a little of each of many files. */
  readonly manyFiles?: boolean
}

/** Runs an action on the logs that arguments and options select. Rejects with a `UsageError` if they select none. */
export async function withSelection<T>(
  names: readonly string[],
  options: SelectionOptions,
  action: (selection: Selection) => Promise<T>,
  { anyPath, manyFiles = false }: SelectionRules = { anyPath: false },
): Promise<T> {
  if ((names.length === 0) !== (options.all === true)) {
    throw new UsageError("expected logs (TOPIC/PARTITION), patterns ('web/*'), or --all")
  }
  return withSource(
    { ...options, manyFiles },
    async (source) => {
      if (options.all === true) return action(new Selection([{ source, pattern: null, anyPath }]))
      const wanted: Wanted[] = []
      for (const name of names) wanted.push(await wantedBy(name, source, { ...options, anyPath }))
      return action(new Selection(wanted))
    },
    names.length === 1 ? names[0] : undefined,
  )
}

/** Runs an action on one log, which is only read: by its name, or at any path. */
export async function withOneLog<T>(
  name: string,
  options: SourceOptions,
  action: (log: LocatedLog) => Promise<T>,
): Promise<T> {
  if (isPattern(name)) throw new UsageError(`expected one log as TOPIC/PARTITION; found ${JSON.stringify(name)}`)
  return withSelection(
    [name],
    options,
    async ({ single }) => {
      if (single === null) throw new UsageError('expected one log as TOPIC/PARTITION')
      return action(single)
    },
    { anyPath: true },
  )
}

async function wantedBy(name: string, source: LogSource, options: SourceOptions & SelectionRules): Promise<Wanted> {
  if (isPattern(name)) return { ...matchingBy(name, source, options), anyPath: options.anyPath }
  if (source.archive !== null) return { log: { ...source, ...parseArchivedLog(name) } }
  if (!options.anyPath) return { log: { ...source, ...parseLogName(name, options) } }
  const { logAtPath, withOrigin } = await import('./log-at-path.ts')
  try {
    return { log: await withOrigin({ ...source, ...parseLogName(name, options) }) }
  } catch (error) {
    const log = error instanceof UsageError && options.dataDir === undefined ? await logAtPath(source.fs, name) : null
    if (log === null) throw error
    return { log }
  }
}

export function isPattern(name: string): boolean {
  return /[*?]/.test(name)
}

/** Only the last two parts of a path can have wildcards. */
function matchingBy(name: string, source: LogSource, options: SourceOptions): Omit<MatchingLogs, 'anyPath'> {
  const path = normalize(name)
  const pattern = `${basename(dirname(path))}/${basename(path)}`
  const above = dirname(dirname(path))
  if (!/^[^/]+\/[^/]+$/.test(pattern) || isPattern(above)) {
    throw new UsageError(`expected a pattern for TOPIC/PARTITION, such as 'web/*'; found ${JSON.stringify(name)}`)
  }
  if (path === pattern) return { source, pattern }
  if (source.archive !== null || options.dataDir !== undefined) {
    const option = source.archive === null ? '--data-dir' : '--store'
    throw new UsageError(`with ${option}, expected a pattern for TOPIC/PARTITION; found ${JSON.stringify(name)}`)
  }
  return { source: { ...source, config: { dataDir: dataDirOf({ dataDir: above }) } }, pattern }
}

async function matching({ source, pattern, anyPath }: MatchingLogs, mayMatchNone: boolean): Promise<SelectedLog[]> {
  const { listLogs } = await import('./run/list-logs.ts')
  const listed = await listLogs(source)
  const isWanted = pattern === null ? () => true : matcher(pattern)
  const logs = listed.filter(isWanted).map((log) => ({ ...source, ...log }))
  if (logs.length > 0 || pattern === null || mayMatchNone) return anyPath ? withOrigins(logs) : logs
  throw new CommandError(`no log in ${placeOf(source)} matches ${pattern}`)
}

async function withOrigins(logs: readonly SelectedLog[]): Promise<SelectedLog[]> {
  const { withOrigin } = await import('./log-at-path.ts')
  const found: SelectedLog[] = []
  for (const log of logs) found.push(log.error === undefined ? await withOrigin(log) : log)
  return found
}

function placeOf({ archive, config }: LogSource): string {
  return archive ?? config.dataDir
}

function matcher(pattern: string): (log: { readonly topic: string; readonly partition: number | null }) => boolean {
  const [topic, partition] = pattern.split('/').map((part) => {
    const parts = part.replaceAll(/[^*?]/g, (letter) => letter.replace(/[\\^$.+()[\]{}|]/, String.raw`\$&`))
    return new RegExp(`^${parts.replaceAll('*', '.*').replaceAll('?', '.')}$`)
  })
  // A topic that cannot be read may have such a partition.
  return (log) =>
    topic?.test(log.topic) === true && (log.partition === null || partition?.test(String(log.partition)) === true)
}
