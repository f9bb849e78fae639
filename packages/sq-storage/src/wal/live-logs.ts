/**
 * The logs this thread is writing, through this copy of the package, so that a reader beside the writer never returns a
 * record before it is durable. The key is the identity of the partition's directory, however its path was spelled.
 */

/** What a writer publishes. */
export interface LiveLog {
  /** The offset after the last durable record. */
  nextOffset: number
}

const liveLogs = new Map<string, LiveLog>()

export function publishLiveLog(directoryIdentity: string, log: LiveLog): void {
  liveLogs.set(directoryIdentity, log)
}

/** Withdraws a log, unless another writer has published its own since. */
export function withdrawLiveLog(directoryIdentity: string, log: LiveLog): void {
  if (liveLogs.get(directoryIdentity) === log) liveLogs.delete(directoryIdentity)
}

/**
 * The offset up to which a reader in this process may read: what is durable, where a writer in this process can tell,
 * else Infinity. What is durable by then is in the segments that are listed later. Where the answer is Infinity, a
 * writer may be opened later: to be asked again after the size of a file was read, for that may hold its commits.
 */
export function durableBound(directoryIdentity: string): number {
  return liveLogs.get(directoryIdentity)?.nextOffset ?? Infinity
}
