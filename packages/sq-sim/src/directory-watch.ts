/**
 * Watches a real directory, for `NodeFileSystem.watch`: by notifications of the system, and by a timer where those are
 * unavailable or late.
 */
import * as fs from 'node:fs'
import type { Watch } from './file-system.ts'
import { PathWatch } from './path-watch.ts'
import { codeOf, systemError } from './system-error.ts'

/** Short enough that people do not notice, long enough that looking at a directory costs nothing. */
const INTERVAL_MS = 100

/**
 * On other systems a notification may be lost between the call and its taking effect (macOS), or come only when the
 * growing file is closed (Windows).
 */
const NOTICES_SUFFICE = process.platform === 'linux'

/** Implements `NodeFileSystem.watch`. */
export async function watchDirectory(directory: string, onChange: () => void): Promise<Watch> {
  const stat = await fs.promises.stat(directory)
  if (!stat.isDirectory()) throw systemError('ENOTDIR', { syscall: 'watch', path: directory })
  const watch = new DirectoryWatch(directory, onChange)
  await watch.followPath()
  return watch
}

class DirectoryWatch implements Watch {
  readonly #onChange: () => void
  readonly #directory: string
  /** Watches the directory that was at the path first, even if it was renamed, and the one that is there now. */
  #notices: fs.FSWatcher | undefined
  #noticesInstead: fs.FSWatcher | undefined
  #path: PathWatch | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(directory: string, onChange: () => void) {
    this.#directory = directory
    this.#onChange = onChange
    this.#notices = this.#watchDirectory()
    if (!this.#notices || !NOTICES_SUFFICE) this.#startTimer()
  }

  /** Also notices when the path leads to a different directory. A timer that looks at everything notices that too. */
  async followPath(): Promise<void> {
    if (this.#timer !== undefined) return
    this.#path = new PathWatch(this.#directory, { onChange: this.#onChange, onWalked: () => this.#watchInstead() })
    await this.#path.start()
  }

  close(): void {
    this.#closed = true
    this.#path?.close()
    this.#notices?.close()
    this.#noticesInstead?.close()
    clearInterval(this.#timer)
  }

  #watchDirectory(): fs.FSWatcher | undefined {
    let notices: fs.FSWatcher | undefined
    try {
      notices = fs.watch(this.#directory, this.#onChange)
    } catch (error) {
      // Every other code means that the system has no watch left or does not support it.
      if (['ENOENT', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error
    }
    // No notification comes after an error. The caller looks at the directory and finds the reason.
    notices?.on('error', () => this.#startTimer())
    return notices
  }

  /**
   * A directory created in place of a removed one may get its inode number, as on ext4. The caller would see the same
   * directory, not watch again, and wait forever.
   */
  #watchInstead(): void {
    if (this.#closed) return
    this.#noticesInstead?.close()
    this.#noticesInstead = undefined
    try {
      this.#noticesInstead = this.#watchDirectory()
      if (this.#noticesInstead === undefined) this.#startTimer()
    } catch {
      // Nothing is there to watch: the caller, when called back, finds that out.
    }
  }

  #startTimer(): void {
    if (!this.#closed) this.#timer ??= setInterval(this.#onChange, INTERVAL_MS)
  }
}
