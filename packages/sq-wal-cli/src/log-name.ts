/** Parses the name of a log on the command line. */
import { basename, dirname, normalize, resolve } from 'node:path'
import type { WalConfig } from '@sq/storage'
import type { Command } from 'commander'
import { UsageError } from './usage-error.ts'

/** The environment variable with the default data directory. */
const VARIABLE = 'SQ_WAL_DIR'

export const DATA_DIR_ADVICE: string = `set the data directory with --data-dir or $${VARIABLE}`

/** The same rules as in `@sq/storage`. */
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/
const MAX_PARTITION = 0xffff_ffff

export interface LogName {
  readonly config: WalConfig
  readonly topic: string
  readonly partition: number
}

/** The option of every command that works on logs in a data directory. */
export interface DataDirOption {
  readonly dataDir?: string
}

export const LOG_HELP: string = 'TOPIC/PARTITION in the data directory, or the path of the log'

/** Adds the argument that names a log, and the option for its data directory. */
export function addLogArgument(command: Command): Command {
  return addDataDirOption(command.argument('<log>', LOG_HELP))
}

export function addDataDirOption(command: Command): Command {
  return command.option('-d, --data-dir <dir>', `the data directory (default: $${VARIABLE}, or the working directory)`)
}

/** The data directory. Throws a `UsageError` if it is an empty string. */
export function dataDirOf({ dataDir }: DataDirOption): string {
  const directory = dataDir ?? (process.env[VARIABLE] || '.')
  if (directory === '') throw new UsageError('the data directory is an empty string; expected a path')
  return directory
}

/** Parses `orders/0` or `data/orders/0`. Throws a `UsageError` for anything else. */
export function parseLogName(text: string, option: DataDirOption): LogName {
  const plain = normalize(text).replace(/\/+$/, '')
  // `.` and `../0` name a log only after they are resolved.
  const path = /(^|\/)\.{1,2}$|^(\.\.\/)*[^/]*$/.test(plain) && text !== '' ? resolve(plain) : plain
  const [topic, number] = [basename(dirname(path)), basename(path)]
  const isNumber = /^(0|[1-9]\d{0,9})$/.test(number) && Number(number) <= MAX_PARTITION
  if (!isNumber || !TOPIC.test(topic) || topic === '.' || topic === '..') {
    throw new UsageError(`expected a log as TOPIC/PARTITION, such as orders/0; found ${JSON.stringify(text)}`)
  }
  const above = dirname(dirname(path))
  const isBare = path === `${topic}/${number}`
  if (!isBare && option.dataDir !== undefined) {
    throw new UsageError(`with --data-dir, expected a log as TOPIC/PARTITION; found the path ${JSON.stringify(text)}`)
  }
  return { config: { dataDir: isBare ? dataDirOf(option) : above }, topic, partition: Number(number) }
}

/** A log in an archive. */
export interface ArchivedLogName {
  readonly topic: string
  readonly partition: number
}

/** Parses `orders/0`, the name of a log in an archive. Throws a `UsageError` for anything else. */
export function parseArchivedLog(text: string): ArchivedLogName {
  if (!/^[^/]+\/[^/]+$/.test(text)) {
    throw new UsageError(`expected a log as TOPIC/PARTITION, such as orders/0; found ${JSON.stringify(text)}`)
  }
  const { topic, partition } = parseLogName(text, { dataDir: '.' })
  return { topic, partition }
}
