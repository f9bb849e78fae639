/** Which process holds the lock of a log: asked of the kernel, without opening the lock file. */
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** `pid` is null if the process belongs to another user. `unknown` where the kernel does not tell. */
export type LockHolder =
  | { readonly state: 'free' | 'unknown' }
  | { readonly state: 'held'; readonly pid: number | null }

export async function lockHolder(path: string): Promise<LockHolder> {
  if (process.platform !== 'linux') return { state: 'unknown' }
  try {
    const [{ ino }, locks] = await Promise.all([stat(path), readFile('/proc/locks', 'utf8')])
    // `1: OFDLCK ADVISORY  WRITE -1 fe:00:2277457 0 EOF`. Overlays show other device numbers than `stat`.
    if (!new RegExp(`\\sWRITE\\s.*:${ino} `).test(locks)) return { state: 'free' }
    return { state: 'held', pid: await processWith(await realpath(path)) }
  } catch {
    return { state: 'unknown' }
  }
}

/** The process that has a file open. */
async function processWith(path: string): Promise<number | null> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of processes) {
    const files = await readdir(join('/proc', pid, 'fd')).catch(() => [])
    for (const file of files) {
      const target = await readlink(join('/proc', pid, 'fd', file)).catch(() => null)
      if (target === path) return Number(pid)
    }
  }
  return null
}
