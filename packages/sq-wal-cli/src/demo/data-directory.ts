/** The directory of the demo's log. The demo writes only into an empty directory and removes only what it created. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { messageOf } from '../message-of.ts'
import { UsageError } from '../usage-error.ts'
import { topic } from './log.ts'

export interface DataDirectory {
  readonly path: string
  /** Removes the log and the directories that were created for it. A directory that existed before stays. */
  readonly remove: () => Promise<void>
}

/** Creates a temporary directory, or takes the one given: it is created if missing, and must be empty. */
export async function makeDataDirectory(given: string | undefined): Promise<DataDirectory> {
  try {
    const [path, made] = given === undefined ? await makeTemporary() : await makeGiven(resolve(given))
    return { path, remove: () => removeLog(path, made) }
  } catch (error) {
    throw error instanceof UsageError
      ? error
      : new UsageError(`cannot create the directory of the log: ${messageOf(error)}`)
  }
}

/** A directory, and the directories that were created for it, outermost first. */
type Made = readonly [path: string, made: readonly string[]]

async function makeTemporary(): Promise<Made> {
  const path = await mkdtemp(join(tmpdir(), 'sq-wal-demo-'))
  return [path, [path]]
}

async function makeGiven(path: string): Promise<Made> {
  const made: string[] = []
  for (let missing = path; !existsSync(missing); missing = dirname(missing)) made.unshift(missing)
  for (const directory of made) await mkdir(directory)
  if ((await readdir(path)).length > 0)
    throw new UsageError(`${path} is not empty; --dir takes an empty directory or one that does not exist`)
  return [path, made]
}

async function removeLog(path: string, made: readonly string[]): Promise<void> {
  for (const name of [topic, 'archive']) await rm(join(path, name), { recursive: true, force: true })
  for (const directory of made.toReversed()) {
    // Another process has put something there: leave it.
    if ((await readdir(directory)).length > 0) return
    await rmdir(directory)
  }
}
