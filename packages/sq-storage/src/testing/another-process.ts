/**
 * A file system as another process sees it: the same files, but nothing of what readers in the writer's process share.
 * Each operation may take a turn of the event loop, in which the writer continues.
 */
import { setImmediate } from 'node:timers/promises'
import type { FileHandle, FileSystem, Random } from '@sq/sim'

const PREFIX = 'other process '

export function inAnotherProcess(fs: FileSystem, random: Random): FileSystem {
  return view(fs, { identityPrefix: PREFIX, before: someTurns(random) })
}

/** The file system of the process of the writer; each operation may take a turn of the event loop. */
export function inTurns(fs: FileSystem, random: Random): FileSystem {
  return view(fs, { identityPrefix: '', before: someTurns(random) })
}

/**
 * A view of another process in which the first read at a position returns what was there before `act`, but returns
 * after it.
 */
export function actingAfterReadAt(position: number, fs: FileSystem, act: () => Promise<unknown>): FileSystem {
  let isDone = false
  return view(fs, {
    identityPrefix: PREFIX,
    before: async () => {},
    async afterRead(at) {
      if (at !== position || isDone) return
      isDone = true
      await act()
    },
  })
}

/** A view of another process in which `act` runs before each of the first `times` opens. */
export function actingBeforeOpening(times: number, fs: FileSystem, act: () => Promise<unknown>): FileSystem {
  let left = times
  const otherProcess = view(fs, { identityPrefix: PREFIX, before: async () => {} })
  return {
    ...otherProcess,
    async open(path, mode) {
      if (left-- > 0) await act()
      return otherProcess.open(path, mode)
    },
  }
}

function someTurns(random: Random): () => Promise<void> {
  return async () => {
    if (random.chance(0.4)) await setImmediate()
  }
}

interface View {
  readonly identityPrefix: string
  /** Awaited before an operation that reads. */
  readonly before: () => Promise<void>
  /** Awaited after bytes were read and before they are returned. */
  readonly afterRead?: (position: number) => Promise<void>
}

function view(fs: FileSystem, { identityPrefix, before, afterRead }: View): FileSystem {
  const seen = (handle: FileHandle): FileHandle => ({
    async read(buffer, position) {
      await before()
      const bytesRead = await handle.read(buffer, position)
      await afterRead?.(position)
      return bytesRead
    },
    size: () => before().then(() => handle.size()),
    identity: () => before().then(async () => `${identityPrefix}${await handle.identity()}`),
    write: (buffers, position) => handle.write(buffers, position),
    writeDurable: (buffers, position) => handle.writeDurable(buffers, position),
    sync: () => handle.sync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    close: () => handle.close(),
  })
  return {
    open: (path, mode, options) => before().then(async () => seen(await fs.open(path, mode, options))),
    readdir: (path) => before().then(() => fs.readdir(path)),
    async stat(path) {
      const stat = await fs.stat(path)
      return { ...stat, identity: `${identityPrefix}${stat.identity}` }
    },
    mkdir: (path) => fs.mkdir(path),
    unlink: (path) => fs.unlink(path),
    rmdir: (path) => fs.rmdir(path),
    link: (existing, path) => fs.link(existing, path),
    space: (path) => fs.space(path),
    rename: (from, to) => fs.rename(from, to),
    syncDirectory: (path) => fs.syncDirectory(path),
    watch: (directory, onChange) => fs.watch(directory, onChange),
    async lock(path) {
      const lock = await fs.lock(path)
      const identity = lock.identity === undefined ? {} : { identity: `${identityPrefix}${lock.identity}` }
      return { ...identity, release: () => lock.release() }
    },
  }
}
