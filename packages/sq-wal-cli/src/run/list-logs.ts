/** Finds the logs in a data directory, for the commands that look at all of them. */
import { NodeFileSystem } from '@sq/sim'
import { listPartitions, LogNotFoundError } from '@sq/storage'
import { CommandError } from '../command-error.ts'

/** What `listPartitions` finds. Throws a `CommandError` that says how to name the directory, where there is none. */
export async function listLogs(dataDir: string): ReturnType<typeof listPartitions> {
  try {
    return await listPartitions(new NodeFileSystem(), { dataDir })
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
    throw new CommandError(`${error.message}: --data-dir or $SQ_WAL_DIR says where the logs are`)
  }
}
