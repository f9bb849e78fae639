/** Follows several logs at once, also those that do not exist yet. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { LogNotFoundError, WalReader } from '@sq/storage'
import type { SelectedLog, Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { printNotice } from '../output.ts'
import { failureOf, printFailure } from './log-failure.ts'

/** How often to look for logs that do not exist yet. Requests to an archive cost money. */
const POLL_MS = { directory: 500, archive: 5000 }

/** What to do with a log that exists. */
interface Follower {
  readonly signal: AbortSignal
  /** Resolves or rejects when the log has ended. `isNew`: whether it did not exist at first. */
  follow(log: LocatedLog, isNew: boolean): Promise<void>
}

/**
 * Follows all selected logs until the signal of the follower. A named log that does not exist is waited for, and so
 * are logs that match a pattern later. If the only log fails, rejects with its error. If one of several fails, prints a
 * line on stderr, and goes on. Resolves with the exit status once all have failed.
 */
export async function followLogs(selection: Selection, follower: Follower): Promise<number> {
  const following = new Following(selection, follower)
  for (let isFirst = true; ; isFirst = false) {
    const isComplete = await following.begin(isFirst)
    if (isComplete && !selection.isOpen) break
    await wait(selection.isArchive ? POLL_MS.archive : POLL_MS.directory, undefined, { signal: follower.signal })
  }
  return following.end()
}

class Following {
  readonly #selection: Selection
  readonly #follower: Follower
  readonly #seen = new Set<string>()
  readonly #waited = new Set<string>()
  readonly #ends: Promise<void>[] = []
  #status = 0

  constructor(selection: Selection, follower: Follower) {
    this.#selection = selection
    this.#follower = follower
  }

  /** Begins with the logs that exist now. Resolves with whether every named one does. */
  async begin(isFirst: boolean): Promise<boolean> {
    let isComplete = true
    for (const log of await this.#selection.list({ mayMatchNone: true })) {
      const path = join(log.config.dataDir, log.topic, String(log.partition))
      if (this.#seen.has(path)) continue
      if (!(await exists(log))) {
        isComplete = false
        if (!this.#waited.has(path)) printNotice(`waiting for ${path}, which does not exist yet`)
        this.#waited.add(path)
        continue
      }
      this.#seen.add(path)
      this.#ends.push(this.#follow(log, !isFirst))
    }
    return isComplete
  }

  async end(): Promise<number> {
    await Promise.all(this.#ends)
    return this.#status
  }

  async #follow(log: SelectedLog, isNew: boolean): Promise<void> {
    try {
      if (log.error !== undefined) throw log.error
      await this.#follower.follow(log, isNew)
    } catch (error) {
      if (this.#follower.signal.aborted) return
      if (this.#selection.single !== null) throw error
      printFailure(failureOf(log, error))
      this.#status = 1
    }
  }
}

/** Whether a log exists. One that cannot be read does. */
async function exists(log: SelectedLog): Promise<boolean> {
  if (log.error !== undefined) return true
  try {
    const reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
    await reader.bounds()
    return true
  } catch (error) {
    return !(error instanceof LogNotFoundError)
  }
}
