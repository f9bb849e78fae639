/**
 * A file system as one process sees it. When the process dies, whatever it still waits for never comes: its code goes no
 * further, as that of a process that was killed does not.
 */
import type { FileHandle, FileLock, FileStat, FileSystem, OpenMode, OpenOptions, Watch } from '@sq/sim'

export class ProcessFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #name: string
  #dead = false

  /** `name` tells processes apart: those of one name share what the processes of one machine do not. */
  constructor(fs: FileSystem, name = '') {
    this.#fs = fs
    this.#name = name
  }

  /** From now on no call settles, not even one that was made before. */
  die(): void {
    this.#dead = true
  }

  get dead(): boolean {
    return this.#dead
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const handle = await this.#whileAlive(() => this.#fs.open(path, mode, options))
    return {
      read: (buffer, position) => this.#whileAlive(() => handle.read(buffer, position)),
      write: (buffers, position) => this.#whileAlive(() => handle.write(buffers, position)),
      sync: () => this.#whileAlive(() => handle.sync()),
      writeDurable: (buffers, position) => this.#whileAlive(() => handle.writeDurable(buffers, position)),
      truncate: (sizeBytes) => this.#whileAlive(() => handle.truncate(sizeBytes)),
      size: () => this.#whileAlive(() => handle.size()),
      identity: () => this.#whileAlive(async () => `${this.#name}${await handle.identity()}`),
      close: () => this.#whileAlive(() => handle.close()),
    }
  }

  mkdir(path: string): Promise<void> {
    return this.#whileAlive(() => this.#fs.mkdir(path))
  }

  readdir(path: string): Promise<string[]> {
    return this.#whileAlive(() => this.#fs.readdir(path))
  }

  async stat(path: string): Promise<FileStat> {
    const stat = await this.#whileAlive(() => this.#fs.stat(path))
    return { ...stat, identity: `${this.#name}${stat.identity}` }
  }

  unlink(path: string): Promise<void> {
    return this.#whileAlive(() => this.#fs.unlink(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#whileAlive(() => this.#fs.rename(from, to))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#whileAlive(() => this.#fs.syncDirectory(path))
  }

  async lock(path: string): Promise<FileLock> {
    const lock = await this.#whileAlive(() => this.#fs.lock(path))
    return { ...lock, release: () => this.#whileAlive(() => lock.release()) }
  }

  watch(directory: string, onChange: () => void): Promise<Watch> {
    return this.#whileAlive(() =>
      this.#fs.watch(directory, () => {
        if (!this.#dead) onChange()
      }),
    )
  }

  async #whileAlive<T>(call: () => Promise<T>): Promise<T> {
    if (this.#dead) return never()
    try {
      const result = await call()
      return this.#dead ? await never() : result
    } catch (error) {
      if (this.#dead) return never()
      throw error
    }
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {})
}
