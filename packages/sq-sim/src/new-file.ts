/**
 * Creates files and directories with the owner of the directory that they are in. So what an administrator's command
 * creates in the directory of a server belongs to the server.
 */
import * as fs from 'node:fs'
import * as paths from 'node:path'
import { closeDescriptor, descriptorStat, fsyncDescriptor, openDescriptor, rethrow, settleVoid } from './descriptor.ts'
import { codeOf } from './system-error.ts'

const { O_RDONLY, O_CREAT, O_EXCL } = fs.constants
const optional: Readonly<Partial<typeof fs.constants>> = fs.constants
const ONLY_DIRECTORY = (optional.O_DIRECTORY ?? 0) | (optional.O_NOFOLLOW ?? 0)

/** The codes for a process that may not change an owner or a mode. */
const NOT_ALLOWED: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'EACCES',
  'EINVAL',
  'ENOSYS',
  'ENOTSUP',
  'ERR_ACCESS_DENIED',
])

/** How a new file differs from what its directory says. */
export interface FileModel {
  /** The mode, minus the umask. */
  readonly mode?: number
  /** The path of a file whose owner, group and mode are used, whatever the umask. */
  readonly like?: string
}

/**
 * Creates a file with the owner and group of its directory, and with its mode, without execute permission and minus the
 * umask. If the owner had to be changed, that is durable. Rejects with `EEXIST`.
 */
export async function makeFile(path: string, flags: number, { mode, like }: FileModel = {}): Promise<number> {
  const model = await (like === undefined ? fs.promises.stat(paths.dirname(path)) : fs.promises.lstat(like)).catch(
    rethrow,
  )
  const wanted = mode ?? (like === undefined ? (model.mode & 0o666) | 0o600 : model.mode & 0o777)
  const descriptor = await openDescriptor(path, flags | O_CREAT | O_EXCL, wanted)
  try {
    const isOwned = await give(descriptor, path, model)
    // Only together with the owner: the group of a different owner is a different group.
    if (like !== undefined && isOwned) await setMode(descriptor, path, wanted)
    return descriptor
  } catch (error) {
    await closeDescriptor(descriptor, path)
    throw error
  }
}

/**
 * Creates a directory with the owner and group of its parent, and with its mode minus the umask. Does nothing if the
 * path exists. Not durable, except for the owner if that had to be changed.
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
 * Gives a new file or directory the owner and group of `model`, durably. If that is not allowed, only the group, as a
 * member of the group may. Returns whether owner and group are now those of `model`.
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

/** False if the system does not allow it. */
async function allowed(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (NOT_ALLOWED.has(codeOf(error))) return false
    throw error
  }
}
