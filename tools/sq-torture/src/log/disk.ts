/** What is on the disk of a log under test. These looks at it are no operations: none is observed, and none fails. */
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { PlainFileSystem } from '../plain-file-system.ts'

export type Disk = InMemoryFileSystem | PlainFileSystem

/** The names in a directory; none if it does not exist. */
export function namesIn(fs: Disk, directory: string): string[] {
  if (fs instanceof PlainFileSystem) return fs.namesIn(directory)
  return fs.volume.existsSync(directory) ? fs.volume.readdirSync(directory).map(String) : []
}

/** The first offset of the log in a directory. */
export function firstOffsetIn(fs: Disk, directory: string): number {
  const names = namesIn(fs, directory)
  const bases = names.filter((name) => name.endsWith('.wal')).map((name) => Number.parseInt(name, 10))
  const start = names.includes('log-start') ? bytesOf(fs, `${directory}/log-start`) : null
  return Math.max(bases.length === 0 ? 0 : Math.min(...bases), Number(start?.readBigUInt64LE(8) ?? 0n))
}

function bytesOf(fs: Disk, path: string): Buffer {
  return Buffer.from(fs instanceof PlainFileSystem ? fs.bytesOf(path) : fs.volume.readFileSync(path))
}
