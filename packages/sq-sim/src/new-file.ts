/**
 * Makes files and directories that belong to whom the directory they are in belongs to. So what an administrator's
 * command makes in a server's directory is the server's.
 */
import * as fs from 'node:fs'
import * as paths from 'node:path'
import { closeDescriptor, descriptorStat, fsyncDescriptor, openDescriptor, rethrow, settleVoid } from './descriptor.ts'
import { codeOf } from './system-error.ts'

const { O_RDONLY, O_CREAT, O_EXCL } = fs.constants
const optional: Readonly<Partial<typeof fs.constants>> = fs.constants
const ONLY_DIRECTORY = (optional.O_DIRECTORY ?? 0) | (optional.O_NOFOLLOW ?? 0)

/** How the system says that this process, or any, may not give a file away or change its mode. */
const NOT_ALLOWED: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'EACCES',
  'EINVAL',
  'ENOSYS',
  'ENOTSUP',
  'ERR_ACCESS_DENIED',
])

/** How a file is made that differs from what its directory says. */
export interface FileModel {
  /** The mode, less the umask. */
  readonly mode?: number
  /** The path of a file: its owner, group and mode, whatever the umask. */
  readonly like?: string
}

/**
 * Makes a file, with the owner and the group of its directory and its mode without the right to execute, less the
 * umask. Where the owner had to be changed, the new one is durable. Rejects with `EEXIST`.
 */
export async function makeFile(path: string, flags: number, { mode, like }: FileModel = {}): Promise<number> {
  const model = await (like === undefined ? fs.promises.stat(paths.dirname(path)) : fs.promises.lstat(like)).catch(
    rethrow,
  )
  const wanted = mode ?? (like === undefined ? (model.mode & 0o666) | 0o600 : model.mode & 0o777)
  const descriptor = await openDescriptor(path, flags | O_CREAT | O_EXCL, wanted)
  try {
    const isOwned = await give(descriptor, path, model)
    // Only to whom it is meant for: the group of another owner is another group.
    if (like !== undefined && isOwned) await setMode(descriptor, path, wanted)
    return descriptor
  } catch (error) {
    await closeDescriptor(descriptor, path)
    throw error
  }
}

/**
 * Makes a directory, with the owner and the group of the one it is in and its mode less the umask. Does nothing where
 * something is. Not durable, except for its owner where that had to be changed.
 */
export async function makeDirectory(path: string): Promise<void> {
  const parent = await fs.promises.stat(paths.dirname(path)).catch(rethrow)
  try {
    await fs.promises.mkdir(path, (parent.mode & 0o777) | 0o700)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    rethrow(error)
  }
  if (parent.uid === process.geteuid?.() && parent.gid === process.getegid?.()) return
  const descriptor = await openDescriptor(path, O_RDONLY | ONLY_DIRECTORY)
  try {
    await give(descriptor, path, parent)
  } finally {
    await closeDescriptor(descriptor, path)
  }
}

/**
 * Gives what was just made to the owner and group of `model`, durably. Where that is not allowed, gives it to the group
 * alone, as a member of the group may. Returns whether owner and group are theirs.
 */
async function give(descriptor: number, path: string, { uid, gid }: fs.Stats): Promise<boolean> {
  const made = await descriptorStat(descriptor, path)
  if (made.uid === uid && made.gid === gid) return true
  const giveTo = (owner: number): Promise<boolean> =>
    allowed(settleVoid(path, (done) => fs.fchown(descriptor, owner, gid, done)))
  const isTheirs = await giveTo(uid)
  const isOfGroup = isTheirs || (made.uid !== uid && made.gid !== gid && (await giveTo(made.uid)))
  if (isOfGroup) await fsyncDescriptor(descriptor, path)
  return isTheirs
}

async function setMode(descriptor: number, path: string, mode: number): Promise<void> {
  const made = await descriptorStat(descriptor, path)
  if ((made.mode & 0o777) === mode) return
  if (await allowed(settleVoid(path, (done) => fs.fchmod(descriptor, mode, done))))
    await fsyncDescriptor(descriptor, path)
}

/** False where the system does not allow it. */
async function allowed(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (NOT_ALLOWED.has(codeOf(error))) return false
    throw error
  }
}
