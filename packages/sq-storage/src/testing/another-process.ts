/**
 * A file system as another process sees it: the same files, but nothing of what the writer's process tells its readers.
 * Each operation may take a turn of the event loop, in which the writer goes on.
 */
import { setImmediate } from 'node:timers/promises'
import type { FileHandle, FileSystem, Random } from '@sq/sim'

export function inAnotherProcess(fs: FileSystem, random: Random): FileSystem {
  return inTurns(fs, random, 'elsewhere ')
}

/** The file system of the writer's own process, each operation in a turn of its own, or not. */
export function inTurns(fs: FileSystem, random: Random, identityPrefix = ''): FileSystem {
  const turn = async (): Promise<void> => {
    if (random.chance(0.4)) await setImmediate()
  }
  const slow = (handle: FileHandle): FileHandle => ({
    read: (buffer, position) => turn().then(() => handle.read(buffer, position)),
    size: () => turn().then(() => handle.size()),
    identity: () => turn().then(async () => `${identityPrefix}${await handle.identity()}`),
    write: (buffers, position) => handle.write(buffers, position),
    writeDurable: (buffers, position) => handle.writeDurable(buffers, position),
    sync: () => handle.sync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    close: () => handle.close(),
  })
  return {
    open: (path, mode) => turn().then(async () => slow(await fs.open(path, mode))),
    readdir: (path) => turn().then(() => fs.readdir(path)),
    async stat(path) {
      const stat = await fs.stat(path)
      return { ...stat, identity: `${identityPrefix}${stat.identity}` }
    },
    mkdir: (path) => fs.mkdir(path),
    unlink: (path) => fs.unlink(path),
    rename: (from, to) => fs.rename(from, to),
    syncDirectory: (path) => fs.syncDirectory(path),
    watch: (directory, onChange) => fs.watch(directory, onChange),
    lock: (path) => fs.lock(path),
  }
}
