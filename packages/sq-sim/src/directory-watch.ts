/**
 * Tells when something changes in a real directory, for `NodeFileSystem.watch`: by the system's own notices, and by a
 * timer where those are not to be had or come too late.
 */
import * as fs from 'node:fs'
import type { Watch } from './file-system.ts'
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
  return new DirectoryWatch(directory, onChange)
}

class DirectoryWatch implements Watch {
  readonly #onChange: () => void
  #notices: fs.FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(directory: string, onChange: () => void) {
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

  close(): void {
    this.#closed = true
    this.#notices?.close()
    clearInterval(this.#timer)
  }

  #startTimer(): void {
    if (!this.#closed) this.#timer ??= setInterval(this.#onChange, INTERVAL_MS)
  }
}
