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
  #notices: fs.FSWatcher | undefined
  #path: PathWatch | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(directory: string, onChange: () => void) {
    this.#directory = directory
    this.#onChange = onChange
    try {
      this.#notices = fs.watch(directory, onChange)
    } catch (error) {
      // Everything else says that the system has no watch for us: used up, or not supported.
      if (['ENOENT', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error
    }
    // No notice comes after an error. Whatever the reason, whoever looks at the directory finds it out.
    this.#notices?.on('error', () => this.#startTimer())
    if (!this.#notices || !NOTICES_SUFFICE) this.#startTimer()
  }

  /** Also tells when the path comes to lead elsewhere. A timer that looks at everything tells that, too. */
  async followPath(): Promise<void> {
    if (this.#timer !== undefined) return
    this.#path = new PathWatch(this.#directory, this.#onChange)
    await this.#path.start()
  }

  close(): void {
    this.#closed = true
    this.#path?.close()
    this.#notices?.close()
    clearInterval(this.#timer)
  }

  #startTimer(): void {
    if (!this.#closed) this.#timer ??= setInterval(this.#onChange, INTERVAL_MS)
  }
}
