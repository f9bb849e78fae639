/** Lists the logs in a data directory, for the commands that work on all of them. */
import { NodeFileSystem } from '@sq/sim'
import { listPartitions, LogNotFoundError } from '@sq/storage'
import { CommandError } from '../command-error.ts'

/** Calls `listPartitions`. Throws a `CommandError` that says how to set the directory if it does not exist. */
export async function listLogs(dataDir: string): ReturnType<typeof listPartitions> {
  try {
    return await listPartitions(new NodeFileSystem(), { dataDir })
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
    throw new CommandError(`${error.message}; set the data directory with --data-dir or $SQ_WAL_DIR`)
  }
}
