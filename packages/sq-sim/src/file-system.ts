/**
 * The file system as a log needs it: few methods, absolute positions, and one promise each about what a power cut
 * leaves. `NodeFileSystem` and `InMemoryFileSystem` keep these promises; `@sq/sim/testing` checks them.
 */

/**
 * How a file is opened.
 *
 * - `read`: it must exist; every writing call on the handle rejects with `EBADF`.
 * - `read-write`: it must exist.
 * - `create`: it must not exist (`EEXIST`); empty, for reading and writing.
 */
export type OpenMode = 'read' | 'read-write' | 'create'

/** What a new file is like. */
export interface OpenOptions {
  /**
   * With mode `create`: the path of the file whose owner, group and mode the new one takes, as far as the system allows;
   * those of its directory, if not given.
   */
  readonly like?: string
}

/** What is at a path. `link`: a symbolic link, whatever it leads to; `other`: a FIFO, a socket, a device. */
export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  /** Size in bytes; of no meaning for a directory. */
  readonly sizeBytes: number
  /**
   * The same string for two paths, in this process, exactly when they lead to the same file or directory: of use to
   * know a thing again however its path was spelled. May be used again after the thing was removed.
   */
  readonly identity: string
}

/**
 * Names, and the files behind them. Calls may overlap. Failures reject with an `Error` whose `code` is the system's own
 * name for them (`ENOENT`, `EIO`, `ENOSPC`, ...).
 */
export interface FileSystem {
  /**
   * Opens a regular file, and nothing else: it follows no symbolic link that the path ends in, and never waits for what
   * is at the other end. The name of a new file is durable only after `syncDirectory` of the directory that holds it. A
   * new file belongs to the owner and group of its directory, and is not open to more people.
   *
   * Rejects with `ENOENT` or `EEXIST` as the mode says, `EACCES`, `EMFILE`; with `ELOOP` for a symbolic link, with
   * `EISDIR` for a directory, with `EFTYPE` for a FIFO, a socket or a device.
   */
  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle>

  /**
   * Makes a directory and those above it that are missing, outermost first, each one durable before the next is made.
   * Where it made any, the outermost that was already there is durable too, whoever made that one. One that exists is
   * not an error, and then nothing is synced. A new one belongs to the owner and group of the one it is in, and is not
   * open to more people.
   *
   * Rejects with `ENOTDIR` or `EEXIST` where a file stands in the way. After any rejection, and after a death half-way,
   * a directory may be there that is not durable, and a second call would not sync it: `syncDirectory` above it does.
   */
  mkdir(path: string): Promise<void>

  /** The names in a directory, without `.` and `..`, in no order. Rejects with `ENOENT`, `ENOTDIR`. */
  readdir(path: string): Promise<string[]>

  /** Follows symbolic links on the way, and not the one that a path ends in. Rejects with `ENOENT`. */
  stat(path: string): Promise<FileStat>

  /** Removes a file's name; handles open on it go on working. Durable only after `syncDirectory`. */
  unlink(path: string): Promise<void>

  /**
   * Gives a file or directory another name, in one step, replacing a file or an empty directory that had that name. A
   * directory moves with all that is in it: what was durable there stays so, and handles and watches go along. After a
   * crash either the old or the new state of the names is there; the new one for certain only after `syncDirectory`.
   *
   * Rejects with `ENOENT`, `ENOTDIR`; with `EISDIR` for a file onto a directory and `ENOTDIR` for a directory onto a
   * file, with `ENOTEMPTY` onto a directory that holds something, with `EINVAL` for a directory into itself.
   */
  rename(from: string, to: string): Promise<void>

  /**
   * Makes the names in a directory durable: those created, removed and renamed so far. Rejects with `EIO` and the like;
   * then nothing is known about them, and it must be called again before the names are relied on.
   *
   * Does nothing where the platform cannot do it (Windows), nor where this process may neither read the directory nor
   * change it: no name there is its own work then, and that they are durable is up to whoever made them.
   */
  syncDirectory(path: string): Promise<void>

  /**
   * Takes an exclusive lock on a file, which is made if missing and stays when the lock is released. It holds against
   * every other taker, in this process and in others, until `release` or the death of the process. It never waits.
   * The path may lead to another file by the time that this resolves: `FileLock.identity` tells which one is locked.
   *
   * Only the owner of the file may open it, for who may open a file may lock it: another user gets `EACCES`, and the
   * message names the owner.
   *
   * Rejects with `ELOCKED` if another holds it, and with `ENOLOCK` where locks are not to be had; the message then
   * says why and how to go on. Rejects with `ELOOP`, `EISDIR` or `EFTYPE` for what is no regular file, as `open` does,
   * and with the system's code where taking the lock fails for another reason.
   */
  lock(path: string): Promise<FileLock>

  /**
   * Calls back some time after every change in a directory from the moment that this resolves: of its names, and of the
   * bytes or the size of a file in it, by this process or another. Several changes may be told by one call, and a call
   * may come without a change. It also calls back when the path may have come to lead elsewhere or nowhere: when the
   * directory, one above it or a symbolic link on the way is renamed, removed or replaced. It is for the caller to look
   * then, and to watch again where the directory there has another `FileStat.identity`: its changes may not be told. Of
   * one that has the same, though it was removed and made again, they are.
   * `onChange` must not throw. A watch that is not closed keeps the process alive.
   *
   * Rejects with `ENOENT`, `ENOTDIR`.
   */
  watch(directory: string, onChange: () => void): Promise<Watch>
}

/**
 * An open file. Calls may overlap; two overlapping writes to the same bytes leave either's. After `close`, and after
 * a simulated crash, every call rejects with `EBADF`.
 */
export interface FileHandle {
  /**
   * Reads from a position until the buffer is full or the file ends, and resolves with the number of bytes read: fewer
   * than the buffer's length only at the end of the file. A read error rejects; it never looks like the end.
   */
  read(buffer: Uint8Array, position: number): Promise<number>

  /**
   * Writes the buffers one after another from a position on, all bytes or a rejection; short writes and interrupted
   * ones are carried on with inside. Reads see the bytes at once; they are durable only after `sync`, though they may
   * be so earlier. After a rejection any part of the bytes may have been written.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>

  /**
   * Makes everything written through any handle of this file, its size included, durable; not its name. After a
   * rejection the state of the bytes not yet durable is unknown for good: a later `sync` that resolves proves nothing
   * about them. Safe after `truncate` too.
   */
  sync(): Promise<void>

  /**
   * `write`, and durable when it resolves: the bytes and the size that reading them back needs. As cheap as the
   * platform allows (one system call). A rejection means what a rejected `write` and a rejected `sync` mean together.
   */
  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void>

  /** Sets the file's size; bytes past it are gone, new ones are zero. Durable only after `sync`. */
  truncate(sizeBytes: number): Promise<void>

  /** The file's size in bytes. */
  size(): Promise<number>

  /** The file's `identity`, as `FileSystem.stat` tells it of a path: no other file has it while this one is open. */
  identity(): Promise<string>

  /** Gives the handle up. Says nothing about durability. A second call does nothing. */
  close(): Promise<void>
}

/** A lock that `FileSystem.lock` took. */
export interface FileLock {
  /**
   * The `identity` of the locked file itself, as `FileSystem.stat` tells it of a path: whoever holds the lock can tell
   * whether the path still leads to that file. An implementation that cannot know it leaves it out.
   */
  readonly identity?: string
  /** Gives the lock up. A second call does nothing. */
  release(): Promise<void>
}

/** What `FileSystem.watch` began. */
export interface Watch {
  /** Ends it: no call comes after this. A second call does nothing. */
  close(): void
}
