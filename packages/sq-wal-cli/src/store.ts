/** Opens the object store that a user names: `s3://BUCKET/PREFIX`, or a directory. */
import { resolve } from 'node:path'
import { DirectoryObjectStore } from '@sq/archive'
import type { ObjectStore } from '@sq/archive'
import { NodeFileSystem } from '@sq/sim'
import { CommandError } from './command-error.ts'
import { isError, messageOf } from './message-of.ts'
import { UsageError } from './usage-error.ts'

/** Runs an action on a store. One that is only read must be there. */
export async function withStore<T>(
  place: string,
  { readOnly }: { readonly readOnly: boolean },
  action: (store: ObjectStore) => Promise<T>,
): Promise<T> {
  // With one slash or none, a bucket was meant. A directory of such a name can be given as ./NAME.
  if (!/^s3:|:\/\//i.test(place)) {
    const directory = resolve(place)
    await requireDirectory(directory, { mayBeMissing: !readOnly })
    return action(new DirectoryObjectStore(new NodeFileSystem(), directory))
  }
  if (!place.startsWith('s3://')) {
    throw new UsageError(`expected an archive as a directory or s3://BUCKET/PREFIX; found ${JSON.stringify(place)}`)
  }
  const { parseS3Url, S3ObjectStore } = await import('@sq/archive/s3')
  const store = await S3ObjectStore.open({ ...locationOf(place, parseS3Url), readOnly })
  try {
    return await action(store)
  } finally {
    store.close()
  }
}

function locationOf<T>(place: string, parse: (url: string) => T): T {
  try {
    return parse(place)
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  }
}

/** For one that reads, a directory that is not there is not an empty archive: its disk may not be mounted. */
async function requireDirectory(path: string, { mayBeMissing }: { readonly mayBeMissing: boolean }): Promise<void> {
  try {
    if ((await new NodeFileSystem().stat(path)).kind === 'directory') return
  } catch (error) {
    if (mayBeMissing && isError(error) && 'code' in error && error.code === 'ENOENT') return
    throw new CommandError(`cannot open the archive in ${path}: ${messageOf(error)}`, { cause: error })
  }
  throw new CommandError(`cannot open the archive in ${path}: it is not a directory`)
}
