/**
 * First commits without a log: the system calls that a writer makes for its first segment and its first commit, on as
 * many directories, all at once.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fs } from '../filled-log.ts'
import { timeOf } from '../measure.ts'

const HEAD = Buffer.alloc(120, 'head ')

/** Resolves with the time in milliseconds until all of them are durable. */
export async function writeBareFiles(
  directory: string,
  { files, commitBytes }: { files: number; commitBytes: number },
): Promise<number> {
  const directories = Array.from({ length: files }, (_, at) => join(directory, String(at)))
  for (const path of directories) {
    await fs.mkdir(path)
    await writeFile(join(path, 'lock'), '')
  }
  const commit = Buffer.alloc(commitBytes, 'value ')
  return timeOf(async () => void (await Promise.all(directories.map((path) => writeFirst(path, commit)))))
}

async function writeFirst(directory: string, commit: Buffer): Promise<void> {
  const [lock, temporary] = [join(directory, 'lock'), join(directory, 'next.tmp')]
  await fs.stat(lock)
  await fs.unlink(temporary).catch(() => {}) // it is not there
  const file = await fs.open(temporary, 'create')
  await file.writeDurable([HEAD], 0)
  await fs.stat(lock)
  await fs.rename(temporary, join(directory, `${'0'.repeat(20)}.wal`))
  await fs.syncDirectory(directory)
  await file.writeDurable([commit], HEAD.length)
}
