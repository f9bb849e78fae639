/** Which log a command is about, as people write it on a command line. */
import { basename, dirname, normalize, resolve } from 'node:path'
import type { WalConfig } from '@sq/storage'
import type { Command } from 'commander'
import { UsageError } from './usage-error.ts'

/** The variable that says where the logs are, where no option does. */
const VARIABLE = 'SQ_WAL_DIR'

/** The rules of the log. */
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/
const MAX_PARTITION = 0xffff_ffff

export interface LogName {
  readonly config: WalConfig
  readonly topic: string
  readonly partition: number
}

/** Options of every command that is about one log or more. */
export interface DataDirOption {
  readonly dataDir?: string
}

const LOG_HELP = 'TOPIC/PARTITION in the data directory, or the path of its own directory'

/** The argument that names a log, and the option that says where it is. */
export function addLogArgument(command: Command): Command {
  return addDataDirOption(command.argument('<log>', LOG_HELP))
}

/** The same, for a command that can do without it. */
export function addOptionalLogArgument(command: Command): Command {
  return addDataDirOption(command.argument('[log]', LOG_HELP))
}

export function addDataDirOption(command: Command): Command {
  return command.option('-d, --data-dir <dir>', `where the logs are (default: $${VARIABLE}, or the working directory)`)
}

/** The data directory that is meant. Throws a `UsageError` where that is nothing. */
export function dataDirOf({ dataDir }: DataDirOption): string {
  const directory = dataDir ?? (process.env[VARIABLE] || '.')
  if (directory === '') throw new UsageError('the data directory must have a name')
  return directory
}

/** Reads `orders/0`, or `data/orders/0`. Throws a `UsageError` that shows what is expected. */
export function parseLogName(text: string, option: DataDirOption): LogName {
  const plain = normalize(text).replace(/\/+$/, '')
  // `.` and `../0` are names only where they are.
  const path = /(^|\/)\.{1,2}$|^(\.\.\/)*[^/]*$/.test(plain) && text !== '' ? resolve(plain) : plain
  const [topic, number] = [basename(dirname(path)), basename(path)]
  const isNumber = /^(0|[1-9]\d{0,9})$/.test(number) && Number(number) <= MAX_PARTITION
  if (!isNumber || !TOPIC.test(topic) || topic === '.' || topic === '..') {
    throw new UsageError(`a log is named TOPIC/PARTITION, such as orders/0, not ${JSON.stringify(text)}`)
  }
  const above = dirname(dirname(path))
  const isBare = path === `${topic}/${number}`
  if (!isBare && option.dataDir !== undefined) {
    throw new UsageError(`with --data-dir a log is named TOPIC/PARTITION, not by the path ${JSON.stringify(text)}`)
  }
  return { config: { dataDir: isBare ? dataDirOf(option) : above }, topic, partition: Number(number) }
}
