/** Where the demo's log goes. The demo writes only into an empty place, and removes only what it made itself. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { messageOf } from '../message-of.ts'
import { UsageError } from '../usage-error.ts'
import { topic } from './log.ts'

export interface DataDirectory {
  readonly path: string
  /** Removes the log, and the directories made for it. One that was there before stays. */
  readonly remove: () => Promise<void>
}

/** Makes a fresh temporary directory, or takes the one given: made if missing, refused unless empty. */
export async function makeDataDirectory(given: string | undefined): Promise<DataDirectory> {
  try {
    const [path, made] = given === undefined ? await makeTemporary() : await makeGiven(resolve(given))
    return { path, remove: () => removeLog(path, made) }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`no place for the log: ${messageOf(error)}`)
  }
}

/** A directory, and those that had to be made for it, outermost first. */
type Made = readonly [path: string, made: readonly string[]]

async function makeTemporary(): Promise<Made> {
  const path = await mkdtemp(join(tmpdir(), 'sq-wal-demo-'))
  return [path, [path]]
}

async function makeGiven(path: string): Promise<Made> {
  const made: string[] = []
  for (let missing = path; !existsSync(missing); missing = dirname(missing)) made.unshift(missing)
  for (const directory of made) await mkdir(directory)
  if ((await readdir(path)).length > 0) throw new UsageError(`${path} is not empty: the log needs a place of its own`)
  return [path, made]
}

async function removeLog(path: string, made: readonly string[]): Promise<void> {
  await rm(join(path, topic), { recursive: true, force: true })
  for (const directory of made.toReversed()) {
    // What somebody else has put there meanwhile is not ours to remove.
    if ((await readdir(directory)).length > 0) return
    await rmdir(directory)
  }
}
