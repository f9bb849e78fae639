/**
 * Refuses symbolic links inside the data directory. What follows one may be led to files that whoever made the link may
 * not touch himself. The data directory, and what is above it, may be links.
 */
import { dirname } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { systemCode, WalIoError } from '../../errors.ts'

/**
 * Rejects with a `WalIoError` where the partition's directory or its topic's is a symbolic link. Nothing need be there.
 * Another process may put a link there later: no more than that can be found out by path.
 */
export async function refuseLinks(fs: FileSystem, directory: string): Promise<void> {
  for (const path of [dirname(directory), directory]) {
    try {
      const { kind } = await fs.stat(path)
      if (kind === 'link') throw linkError(path)
    } catch (error) {
      if (error instanceof WalIoError) throw error
      const code = systemCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw new WalIoError('look at', path, error)
    }
  }
}

/** What is told of a link where a directory of the log should be; its cause has the code `ELOOP`. */
export function linkError(path: string): WalIoError {
  const text =
    'it is a symbolic link, and none is followed inside the data directory; ' +
    'move what it leads to here, or make the data directory itself the link'
  return new WalIoError('use', path, Object.assign(new Error(`ELOOP: ${text}`), { code: 'ELOOP', path }))
}
