/** Commits made at the worst moment for who reads beside the writer: when the place for them has just been read. */
import type { FileHandle, FileSystem } from '@sq/sim'

/** A file system of another process in which the first read at a position sees what was there before `act`. */
export function actingAfterReadAt(position: number, fs: FileSystem, act: () => Promise<unknown>): FileSystem {
  let isDone = false
  const acting = (handle: FileHandle): FileHandle => ({
    async read(buffer, at) {
      const bytesRead = await handle.read(buffer, at)
      if (at === position && !isDone) {
        isDone = true
        await act()
      }
      return bytesRead
    },
    size: () => handle.size(),
    identity: async () => `elsewhere ${await handle.identity()}`,
    write: (buffers, at) => handle.write(buffers, at),
    writeDurable: (buffers, at) => handle.writeDurable(buffers, at),
    sync: () => handle.sync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    close: () => handle.close(),
  })
  return {
    open: async (path, mode) => acting(await fs.open(path, mode)),
    readdir: (path) => fs.readdir(path),
    async stat(path) {
      const stat = await fs.stat(path)
      return { ...stat, identity: `elsewhere ${stat.identity}` }
    },
    mkdir: (path) => fs.mkdir(path),
    unlink: (path) => fs.unlink(path),
    rename: (from, to) => fs.rename(from, to),
    syncDirectory: (path) => fs.syncDirectory(path),
    watch: (directory, onChange) => fs.watch(directory, onChange),
    lock: (path) => fs.lock(path),
  }
}
