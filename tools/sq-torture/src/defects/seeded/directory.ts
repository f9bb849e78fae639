/** Defects of the directory of a log, its names and its lock. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const DIRECTORY_DEFECTS: readonly Defect[] = [
  {
    name: 'the name of a new segment is not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: `    await this.#begin(change)
    await this.sync()`,
    replace: '    await this.#begin(change)',
  },
  {
    name: 'a failed directory sync counts as done',
    file: `${WAL}/writing/partition-directory.ts`,
    find: `    await syncDirectory(this.fs, this.path)
    this.#durableChanges = Math.max(this.#durableChanges, changes)`,
    replace: `    this.#durableChanges = Math.max(this.#durableChanges, changes)
    await syncDirectory(this.fs, this.path)`,
  },
  {
    name: 'names change while an earlier change is unsynced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '    await this.sync()\n    await this.checkLock()\n',
    replace: '    await this.checkLock()\n',
  },
  {
    name: 'a writer that lost its lock still names segments',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '    await this.sync()\n    await this.checkLock()\n',
    replace: '    await this.sync()\n',
  },
  {
    name: 'a segment is replaced by unlink and rename',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '() => this.fs.rename(this.unfinishedPath, path))',
    replace: `async () => {
      await this.fs.unlink(path).catch(() => {})
      await this.fs.rename(this.unfinishedPath, path)
    })`,
  },
  {
    name: 'the lock is released before the last write',
    file: `${WAL}/writer.ts`,
    find: '      await this.#tail.close()\n',
    replace: `      await this.#held.lock.release()
      await this.#tail.close()\n`,
  },
  {
    name: 'a failed open keeps the lock',
    file: `${WAL}/writer.ts`,
    find: '      await lock.release()\n      throw error',
    replace: '      throw error',
  },
  {
    name: 'no lock is taken',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'return await fs.lock(path)',
    replace: 'return { release: () => Promise.resolve() }',
  },
  {
    name: 'the locked file is identified by its path, not by its descriptor',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'const identity = lock.identity ?? (',
    replace: 'const identity = (',
  },
  {
    name: 'the directories above a partition are not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'for (const path of [join(dataDir, topic), dataDir, dirname(dataDir)])',
    replace: 'for (const path of [dirname(dataDir)])',
  },
  {
    name: 'the parent of the data directory is not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'dataDir, dirname(dataDir)])',
    replace: 'dataDir])',
  },
  {
    name: 'recovery assumes that the directory is synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '  #changes = 1\n',
    replace: '  #changes = 0\n',
  },
  {
    name: 'recovery changes a log whose directory has replaced the locked one',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '  async removeUnfinished(): Promise<void> {\n    await this.checkLock()\n',
    replace: '  async removeUnfinished(): Promise<void> {\n',
  },
  {
    name: 'a relative data directory changes with the working directory',
    file: 'sq-storage/src/config.ts',
    find: 'return resolve(path)',
    replace: 'return path',
  },
  {
    name: 'a partition is not created if its topic is removed at that moment',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'if (!isMissing(error) || attempt === MAX_ATTEMPTS) throw error',
    replace: 'throw error',
  },
  {
    name: 'a log is created although that is forbidden',
    file: `${WAL}/writer.ts`,
    find: '    if (!create) await requireLog(fs, located)\n',
    replace: '',
  },
]
