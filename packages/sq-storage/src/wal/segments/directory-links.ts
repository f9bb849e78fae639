/**
 * Refuses symbolic links inside the data directory. A link could lead to files that the user who made the link has no
 * access to. The data directory and its parents may be links.
 */
import { dirname } from 'node:path'
import type { FileStat, FileSystem } from '@sq/sim'
import { systemCode, WalIoError } from '../../errors.ts'

/**
 * Rejects with a `WalIoError` if the directory of the partition or of its topic is a symbolic link. Otherwise resolves
 * with what the partition's directory is, or null if it does not exist. Another process may create a link there later,
 * which cannot be detected by path.
 */
export async function refuseLinks(fs: FileSystem, directory: string): Promise<FileStat | null> {
  await statUnlessLink(fs, dirname(directory))
  return statUnlessLink(fs, directory)
}

/** What is at a path, or null if nothing is. Rejects with a `WalIoError` if it is a symbolic link. */
export async function statUnlessLink(fs: FileSystem, path: string): Promise<FileStat | null> {
  try {
    const stat = await fs.stat(path)
    if (stat.kind === 'link') throw linkError(path)
    return stat
  } catch (error) {
    if (error instanceof WalIoError) throw error
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new WalIoError('look at', path, error)
  }
}

/** The error for a link in place of a directory of the log; its cause has the code `ELOOP`. */
export function linkError(path: string): WalIoError {
  const text =
    'it is a symbolic link, and links are not followed inside the data directory; ' +
    'move the directory that it leads to here, or make the data directory itself the link'
  return new WalIoError('use', path, Object.assign(new Error(`ELOOP: ${text}`), { code: 'ELOOP', path }))
}
