/** Lists logs, for the commands that work on all of them. */
import { listPartitions, LogNotFoundError } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { DATA_DIR_ADVICE } from '../log-name.ts'
import type { LogSource } from '../log-source.ts'

/** Calls `listPartitions`. Throws a `CommandError` that says how to set the directory if it does not exist. */
export async function listLogs({ fs, config }: LogSource): ReturnType<typeof listPartitions> {
  try {
    return await listPartitions(fs, config)
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
    throw new CommandError(`${error.message}; ${DATA_DIR_ADVICE}`)
  }
}
