/**
 * Makes a checkpoint: a copy of a log as it is at one moment, in a different data directory. Appends continue
 * meanwhile.
 *
 * In the turn of the writer every segment gets a hard link in a staging directory. All else is done outside the turn:
 * ended segments get a second link in the checkpoint, or are copied if that is on a different file system. The last
 * segment is always copied, up to the end that the log had in that turn, because a writer writes to the last segment of
 * its log. Bytes before that end were durable and never change: whatever cuts the file of a segment first makes a copy
 * of it if it has another link (`truncation.ts`).
 */
import { basename, join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { systemCode, WalIoError } from '../../errors.ts'
import { logStartPath } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import { copyFile } from './copy-file.ts'
import { createLogStart } from './record-deletion.ts'
import { makeDirectory, withTemporaryDirectory } from './temporary-directory.ts'

/** A log at one moment, as links in a staging directory. */
export interface StagedLog {
  /** The names of its segments, oldest first. */
  readonly names: readonly string[]
  /** Where the last of them ends. */
  readonly lastEnd: number
  /** The offset in its log start; 0 if it needs none. */
  readonly start: number
  /** The log end offset. */
  readonly nextOffset: number
}

/** A checkpoint to make. */
interface Order {
  readonly source: Partition
  readonly target: Partition
  /** Links the segments of the source into a directory. */
  readonly stage: (directory: string) => Promise<StagedLog>
}

/** Makes a checkpoint of a log. Resolves with the log end offset of the checkpoint. */
export async function makeCheckpoint(fs: FileSystem, { source, target, stage }: Order): Promise<bigint> {
  return makeDirectory(fs, target, 'make a checkpoint in', async (unfinished) => {
    const nextOffset = await withTemporaryDirectory(fs, source, async (staging) => {
      const staged = await stage(staging)
      await fill(fs, unfinished, { staging, staged })
      if (staged.start > 0) await createLogStart(fs, logStartPath(unfinished), { offset: staged.start, of: target })
      return staged.nextOffset
    })
    return BigInt(nextOffset)
  })
}

async function fill(
  fs: FileSystem,
  directory: string,
  { staging, staged: { names, lastEnd } }: { staging: string; staged: StagedLog },
): Promise<void> {
  const last = names.at(-1)
  for (const name of names) {
    const [from, to] = [join(staging, name), join(directory, name)]
    if (name === last) await copyFile(fs, { from, to, bytes: lastEnd })
    else if (!(await link(fs, from, to))) await copyFile(fs, { from, to })
  }
}

/**
 * The codes for a link to a different file system, for too many links to the file, and for a file system without links.
 */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  'EXDEV',
  'EMLINK',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
])

/** Links a segment, and resolves with false if it can only be copied. */
async function link(fs: FileSystem, from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to)
    return true
  } catch (error) {
    if (NO_LINK.has(systemCode(error))) return false
    throw new WalIoError(`link ${basename(from)} to`, to, error)
  }
}
