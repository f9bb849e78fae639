/**
 * Tells when something changes in a real directory, for `NodeFileSystem.watch`: by the system's own notices, and by a
 * timer where those are not to be had or come too late.
 */
import * as fs from 'node:fs'
import type { Watch } from './file-system.ts'
import { PathWatch } from './path-watch.ts'
import { codeOf, systemError } from './system-error.ts'

/** Soon enough for a person not to notice, seldom enough that looking at a directory each time costs nothing. */
const INTERVAL_MS = 100

/**
 * Elsewhere a notice may be lost between the call and its taking effect (macOS), or come only when the file that grows
 * is closed (Windows).
 */
const NOTICES_SUFFICE = process.platform === 'linux'

/** What `NodeFileSystem.watch` promises. */
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
  /** Of the directory that was there first, whatever its name is by now, and of the one that is there instead. */
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

  /** Also tells when the path comes to lead elsewhere. A timer that looks at everything tells that, too. */
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
      // Everything else says that the system has no watch for us: used up, or not supported.
      if (['ENOENT', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error
    }
    // No notice comes after an error. Whatever the reason, whoever looks at the directory finds it out.
    notices?.on('error', () => this.#startTimer())
    return notices
  }

  /**
   * A directory that is made in the place of a removed one may get its inode number, as on ext4: whoever looks sees the
   * same directory then, does not watch again, and would wait for ever.
   */
  #watchInstead(): void {
    if (this.#closed) return
    this.#noticesInstead?.close()
    this.#noticesInstead = undefined
    try {
      this.#noticesInstead = this.#watchDirectory()
      if (this.#noticesInstead === undefined) this.#startTimer()
    } catch {
      // Nothing is there that may be watched: whoever is called back now finds it out.
    }
  }

  #startTimer(): void {
    if (!this.#closed) this.#timer ??= setInterval(this.#onChange, INTERVAL_MS)
  }
}
