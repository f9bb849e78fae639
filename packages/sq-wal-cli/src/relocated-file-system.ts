/** Shows a directory of segments, or one segment file, as the directory of its log, whatever its path. For reading only. */
import { basename, dirname, join } from 'node:path'
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, Watch } from '@sq/sim'

/** Where the log is, and where it is shown. */
export interface Relocation {
  /** The directory of the segments, or the segment file. */
  readonly path: string
  /** The name under which the segment file is shown; null for a directory. */
  readonly segmentName: string | null
  /** The directory as the log expects it: `{dataDir}/{topic}/{partition}`. */
  readonly shownAs: string
}

export class RelocatedFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #at: Relocation

  constructor(fs: FileSystem, at: Relocation) {
    this.#fs = fs
    this.#at = at
  }

  open(path: string, mode: OpenMode): Promise<FileHandle> {
    return mode === 'read' ? this.#fs.open(this.#real(path), 'read') : refused('open', path)
  }

  async readdir(path: string): Promise<string[]> {
    const { shownAs, segmentName } = this.#at
    return segmentName !== null && path === shownAs ? [segmentName] : this.#fs.readdir(this.#real(path))
  }

  stat(path: string): Promise<FileStat> {
    return this.#fs.stat(this.#real(path))
  }

  space(path: string): Promise<FileSystemSpace> {
    return this.#fs.space(this.#real(path))
  }

  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#fs.watch(this.#real(directory), onChange)
  }

  mkdir(path: string): Promise<void> {
    return refused('mkdir', path)
  }

  unlink(path: string): Promise<void> {
    return refused('unlink', path)
  }

  rmdir(path: string): Promise<void> {
    return refused('rmdir', path)
  }

  link(_existing: string, path: string): Promise<void> {
    return refused('link', path)
  }

  rename(from: string): Promise<void> {
    return refused('rename', from)
  }

  syncDirectory(path: string): Promise<void> {
    return refused('sync', path)
  }

  lock(path: string): Promise<FileLock> {
    return refused('lock', path)
  }

  #real(path: string): string {
    const { path: real, segmentName, shownAs } = this.#at
    const directory = segmentName === null ? real : dirname(real)
    // The directory of the topic does not exist.
    if (path === shownAs || path === dirname(shownAs)) return directory
    if (dirname(path) !== shownAs) return path
    return basename(path) === segmentName ? real : join(directory, basename(path))
  }
}

function refused(what: string, path: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(`EROFS: read-only file system, ${what} '${path}'`), { code: 'EROFS' }))
}
