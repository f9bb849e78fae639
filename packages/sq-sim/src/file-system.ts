/**
 * The file system interface of a log: few methods, absolute positions, and for each method a promise about what a power
 * cut leaves. `NodeFileSystem` and `InMemoryFileSystem` keep these promises; `@sq/sim/testing` checks them.
 */

/**
 * How a file is opened.
 *
 * - `read`: it must exist. Every writing call on the handle rejects with `EBADF`.
 * - `read-write`: it must exist.
 * - `create`: it must not exist (`EEXIST`). It is empty, and open for reading and writing.
 */
export type OpenMode = 'read' | 'read-write' | 'create'

/** Properties of a new file. */
export interface OpenOptions {
  /**
   * With mode `create`: the path of a file whose owner, group and mode the new file takes, as far as the system allows.
   * If not given, it takes those of its directory.
   */
  readonly like?: string
}

/** What is at a path. `link`: a symbolic link, even one to nothing. `other`: a FIFO, a socket or a device. */
export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  /** Size in bytes; meaningless for a directory. */
  readonly sizeBytes: number
  /** The number of names of the file: over 1 if it has hard links. Meaningless for a directory. */
  readonly links: number
  /**
   * Two paths have the same string, in this process, exactly if they lead to the same file or directory. It identifies
   * a file however its path is spelled. It may be reused after the file was removed.
   */
  readonly identity: string
}

/**
 * The space of a file system, in bytes, as the file system reports it. How much of it a file takes depends on the file
 * system.
 */
export interface FileSystemSpace {
  /** What this process may still use. */
  readonly freeBytes: number
  readonly totalBytes: number
}

/**
 * File names and files. Calls may overlap. Failures reject with an `Error` whose `code` is the name that the system
 * uses (`ENOENT`, `EIO`, `ENOSPC`, ...).
 */
export interface FileSystem {
  /**
   * Opens a regular file, and nothing else. It does not follow a symbolic link at the end of the path, and never waits,
   * as opening a FIFO would. The name of a new file is durable only after `syncDirectory` of its directory. A new file
   * gets the owner and group of its directory and is not accessible to more users.
   *
   * Rejects with `ENOENT` or `EEXIST` according to the mode, with `EACCES` and `EMFILE`, with `ELOOP` for a symbolic
   * link, with `EISDIR` for a directory, and with `EFTYPE` for a FIFO, a socket or a device.
   */
  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle>

  /**
   * Creates a directory and its missing parents, outermost first, each durable before the next is created. If it
   * creates any, the outermost existing parent is made durable too, even if another process created it. If the
   * directory exists, it does nothing and syncs nothing. A new directory gets the owner and group of its parent and is
   * not accessible to more users.
   *
   * Rejects with `ENOTDIR` or `EEXIST` if a file is in the way, and with `ENOENT` if a parent is removed meanwhile.
   * After a rejection, or if the process dies half-way, a directory may exist that is not durable, and a second call
   * would not sync it: use `syncDirectory` on its parent.
   */
  mkdir(path: string): Promise<void>

  /** The names in a directory, without `.` and `..`, in any order. Rejects with `ENOENT` and `ENOTDIR`. */
  readdir(path: string): Promise<string[]>

  /** Follows symbolic links in the path, but not one at its end. Rejects with `ENOENT`. */
  stat(path: string): Promise<FileStat>

  /**
   * Removes the name of a file. Its other names stay, and open handles stay valid. Durable only after
   * `syncDirectory`. Rejects with `ENOENT`.
   */
  unlink(path: string): Promise<void>

  /**
   * Removes an empty directory. Durable only after `syncDirectory` of its parent: until then a crash may leave it, with
   * or without the names whose removal was not synced.
   *
   * Rejects with `ENOENT`, with `ENOTEMPTY` if there is a name in it, and with `ENOTDIR` for anything but a directory.
   */
  rmdir(path: string): Promise<void>

  /**
   * Gives a regular file a second name, a hard link: both are the same file, with the same bytes, identity and handles,
   * until one is removed or replaced. Durable only after `syncDirectory` of the directory of the new name. It makes
   * nothing in the file durable.
   *
   * Rejects with `ENOENT`, with `EEXIST` if anything has the new name, with `EXDEV` if the new name is in another file
   * system, with `EPERM` for a directory or where the file system has no hard links, with `EMLINK` if the file has as
   * many names as it may, and with `ELOOP` or `EFTYPE` for what `open` refuses with these.
   */
  link(existing: string, path: string): Promise<void>

  /** The space of the file system that holds a path, which must exist. Rejects with `ENOENT`. */
  space(path: string): Promise<FileSystemSpace>

  /**
   * Renames a file or directory in one step, and replaces a file or an empty directory that had the new name. If both
   * names are of the same file, nothing changes. A
   * directory moves with everything in it: what was durable there stays durable, and handles and watches move too.
   * After a crash either the old or the new state of the names is there; the new one for certain only after
   * `syncDirectory`.
   *
   * Rejects with `ENOENT` and `ENOTDIR`; with `EISDIR` for a file onto a directory, `ENOTDIR` for a directory onto a
   * file, `ENOTEMPTY` onto a directory that is not empty, `EINVAL` for a directory into itself, and `EXDEV` into
   * another file system.
   */
  rename(from: string, to: string): Promise<void>

  /**
   * Makes the names in a directory durable: those created, removed and renamed so far. Rejects, for example, with
   * `EIO`; then nothing is known about the names, and it must succeed before they are relied on.
   *
   * It does nothing if the platform cannot do it (Windows), or if this process may neither read nor change the
   * directory. In that case another process created the names in it, and is responsible for their durability.
   */
  syncDirectory(path: string): Promise<void>

  /**
   * Takes an exclusive lock on a file, which is created if missing and stays when the lock is released. The lock
   * excludes every other caller, in this process and others, until `release` or the death of the process. It never
   * waits. When this resolves, the path may already lead to a different file: `FileLock.identity` is that of the locked
   * one.
   *
   * Only the owner of the file may open it, because a process that may open a file may lock it. Another user gets
   * `EACCES`, and the message names the owner.
   *
   * Rejects with `ELOCKED` if another holds the lock, and with `ENOLOCK` if locks are unavailable; the message then
   * says why and what to do. Rejects with `ELOOP`, `EISDIR` or `EFTYPE` for anything but a regular file, as `open`
   * does, and with the code of the system for other failures.
   */
  lock(path: string): Promise<FileLock>

  /**
   * Calls back some time after every change in a directory, from the moment that this resolves: a change of its names,
   * or of the bytes or the size of a file in it, by this process or another. One call may report several changes, and
   * there may be calls without a change.
   *
   * It also calls back when the path may lead to a different directory or to none: when the directory, a parent, or a
   * symbolic link in the path is renamed, removed or replaced. The caller must then look, and watch again if the
   * directory there has another `FileStat.identity`, because changes in that one may not be reported. Changes in a
   * directory with the same identity are reported, even if it was removed and created again.
   *
   * `onChange` must not throw. A watch that is not closed keeps the process alive. Rejects with `ENOENT` and `ENOTDIR`.
   */
  watch(directory: string, onChange: () => void): Promise<Watch>
}

/**
 * An open file. Calls may overlap; two overlapping writes to the same bytes leave the bytes of either. After `close`,
 * and after a simulated crash, every call rejects with `EBADF`.
 */
export interface FileHandle {
  /**
   * Reads from a position until the buffer is full or the file ends, and resolves with the number of bytes read. It is
   * less than the length of the buffer only at the end of the file. A read error rejects; it never looks like the end
   * of the file.
   */
  read(buffer: Uint8Array, position: number): Promise<number>

  /**
   * Writes the buffers one after another from a position on: all bytes, or it rejects. Short and interrupted writes are
   * continued. Reads see the bytes immediately. They are durable only after `sync`, though they may be durable earlier.
   * After a rejection any part of the bytes may have been written.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>

  /**
   * Makes everything written through any handle of this file durable, including its size, but not its name. After a
   * rejection the state of the bytes that were not durable is unknown forever: a later `sync` that resolves says
   * nothing about them. Also makes `truncate` durable.
   */
  sync(): Promise<void>

  /**
   * Writes like `write`, and the bytes are durable when it resolves, with the size that is needed to read them. As
   * cheap as the platform allows (one system call). A rejection means what a rejected `write` and a rejected `sync`
   * mean together.
   */
  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void>

  /** Sets the size of the file. Bytes after it are gone; new bytes are zero. Durable only after `sync`. */
  truncate(sizeBytes: number): Promise<void>

  /** The size of the file in bytes. */
  size(): Promise<number>

  /**
   * The identity of the file, as `FileSystem.stat` returns it for a path. No other file has it while this one is open.
   */
  identity(): Promise<string>

  /** Closes the handle. Says nothing about durability. A second call does nothing. */
  close(): Promise<void>
}

/** A lock that `FileSystem.lock` took. */
export interface FileLock {
  /**
   * The identity of the locked file, as `FileSystem.stat` returns it for a path: the holder of the lock can check
   * whether the path still leads to that file. Undefined if the implementation cannot determine it.
   */
  readonly identity?: string
  /** Releases the lock. A second call does nothing. */
  release(): Promise<void>
}

/** A watch that `FileSystem.watch` started. */
export interface Watch {
  /** Ends the watch: no call comes after this. A second call does nothing. */
  close(): void
}
