/**
 * Deletes the records before an offset, exactly: the log start (`log-start.ts`) says that the log begins there, also
 * inside a segment. The segments that are wholly before it can be removed afterwards.
 */
import type { FileSystem } from '@sq/sim'
import { LogFile } from '../segments/log-file.ts'
import { encodeLogStart, logStartPath } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import type { SegmentDirectory } from './partition-directory.ts'

/**
 * Makes a log begin at an offset, durably. `begin` is called before the first change that a crash may leave. Rejects
 * with `WalIoError` and `LockLostError`. If it rejects after `begin` was called, the log begins there or where it did:
 * nothing before the offset may be truncated until a later call has resolved.
 */
export async function writeLogStart(
  directory: SegmentDirectory,
  partition: Partition,
  { offset, begin }: { offset: number; begin: () => void },
): Promise<void> {
  const { fs, path, unfinishedPath } = directory
  await directory.removeUnfinished()
  await createLogStart(fs, unfinishedPath, { offset, of: partition })
  begin()
  await directory.rename(unfinishedPath, logStartPath(path))
}

/** Creates the file of a log start, with durable bytes. Its name is not durable. */
export async function createLogStart(
  fs: FileSystem,
  path: string,
  { offset, of: partition }: { offset: number; of: Partition },
): Promise<void> {
  const handle = await LogFile.open(fs, path, 'create')
  try {
    await handle.writeDurable([encodeLogStart(offset, partition)], 0)
  } finally {
    await handle.close()
  }
}
