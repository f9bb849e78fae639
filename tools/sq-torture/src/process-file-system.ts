/**
 * A file system as one process sees it. When the process dies, everything that it waits for never settles, so its code
 * stops like that of a killed process.
 */
import type { FileHandle, FileLock, FileStat, FileSystem, FileSystemSpace, OpenMode, OpenOptions, Watch } from '@sq/sim'

export class ProcessFileSystem implements FileSystem {
  readonly #fs: FileSystem
  readonly #name: string
  #dead = false
  /** Functions that release its handles, locks and watches. */
  readonly #has = new Set<() => Promise<void>>()
  #diedAlone = false
  #failures = 0

  /** `name` identifies the process: file systems with the same name share in-process state, others do not. */
  constructor(fs: FileSystem, name = '') {
    this.#fs = fs
    this.#name = name
  }

  /** From now on no call settles, including earlier ones. */
  die(): void {
    this.#dead = true
  }

  /**
   * Dies alone, while it changes nothing. The kernel releases its handles, locks and watches, and other processes
   * continue.
   */
  async dieAlone(): Promise<void> {
    this.die()
    this.#diedAlone = true
    await Promise.all([...this.#has].map(ignoringFailure))
    this.#has.clear()
  }

  get dead(): boolean {
    return this.#dead
  }

  /** The number of its handles, locks and watches. */
  get held(): number {
    return this.#has.size
  }

  /** The number of its calls that have failed, also those that look for a file that is gone. */
  get failures(): number {
    return this.#failures
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    const { got: handle, giveUp } = await this.#take(
      () => this.#fs.open(path, mode, options),
      (opened) => opened.close(),
    )
    return {
      read: (buffer, position) => this.whileAlive(() => handle.read(buffer, position)),
      write: (buffers, position) => this.whileAlive(() => handle.write(buffers, position)),
      sync: () => this.whileAlive(() => handle.sync()),
      writeDurable: (buffers, position) => this.whileAlive(() => handle.writeDurable(buffers, position)),
      truncate: (sizeBytes) => this.whileAlive(() => handle.truncate(sizeBytes)),
      size: () => this.whileAlive(() => handle.size()),
      identity: () => this.whileAlive(async () => `${this.#name}${await handle.identity()}`),
      close: () => this.whileAlive(giveUp),
    }
  }

  mkdir(path: string): Promise<void> {
    return this.whileAlive(() => this.#fs.mkdir(path))
  }

  readdir(path: string): Promise<string[]> {
    return this.whileAlive(() => this.#fs.readdir(path))
  }

  async stat(path: string): Promise<FileStat> {
    const stat = await this.whileAlive(() => this.#fs.stat(path))
    return { ...stat, identity: `${this.#name}${stat.identity}` }
  }

  unlink(path: string): Promise<void> {
    return this.whileAlive(() => this.#fs.unlink(path))
  }

  rmdir(path: string): Promise<void> {
    return this.whileAlive(() => this.#fs.rmdir(path))
  }

  link(existing: string, path: string): Promise<void> {
    return this.whileAlive(() => this.#fs.link(existing, path))
  }

  space(path: string): Promise<FileSystemSpace> {
    return this.whileAlive(() => this.#fs.space(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.whileAlive(() => this.#fs.rename(from, to))
  }

  syncDirectory(path: string): Promise<void> {
    return this.whileAlive(() => this.#fs.syncDirectory(path))
  }

  async lock(path: string): Promise<FileLock> {
    const { got: lock, giveUp } = await this.#take(
      () => this.#fs.lock(path),
      (taken) => taken.release(),
    )
    const identity = lock.identity === undefined ? {} : { identity: `${this.#name}${lock.identity}` }
    return { ...identity, release: () => this.whileAlive(giveUp) }
  }

  async watch(directory: string, onChange: () => void): Promise<Watch> {
    const onChangeWhileAlive = (): void => {
      if (!this.#dead) onChange()
    }
    const { giveUp } = await this.#take(
      () => this.#fs.watch(directory, onChangeWhileAlive),
      async (watch) => watch.close(),
    )
    return { close: () => void giveUp() }
  }

  /** Acquires something that the kernel releases when the process dies alone. */
  async #take<T>(
    get: () => Promise<T>,
    giveBack: (got: T) => Promise<void>,
  ): Promise<{ got: T; giveUp: () => Promise<void> }> {
    return this.whileAlive(async () => {
      const got = await get()
      const giveUp = (): Promise<void> => {
        this.#has.delete(giveUp)
        return giveBack(got)
      }
      if (this.#diedAlone) await ignoringFailure(giveUp)
      else this.#has.add(giveUp)
      return { got, giveUp }
    })
  }

  /** Makes a call of the process. It never settles if the process has died by then. */
  async whileAlive<T>(call: () => Promise<T>): Promise<T> {
    if (this.#dead) return never()
    try {
      const result = await call()
      return this.#dead ? await never() : result
    } catch (error) {
      if (this.#dead) return never()
      this.#failures++
      throw error
    }
  }
}

/** No process is left that could get the error. */
async function ignoringFailure(giveUp: () => Promise<void>): Promise<void> {
  await giveUp().catch(() => {})
}

function never<T>(): Promise<T> {
  return new Promise(() => {})
}
