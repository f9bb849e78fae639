/**
 * Notices when a path may lead to another directory: each name in the path, and each symbolic link, is watched in the
 * directory that contains it. Linux only, where the notifications of the system are reliable.
 */
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { codeOf } from './system-error.ts'

/** The limit of the kernel, which also ends cycles of links. */
const MAX_LINKS = 40

/** How often the path is checked if one of its directories cannot be watched. */
const INTERVAL_MS = 100

export class PathWatch {
  readonly #path: string
  readonly #onChange: () => void
  readonly #onWalked: () => void
  /** The directories in the path, with the names in them that matter. */
  #watched = new Map<string, DirectoryOnTheWay>()
  #timer: NodeJS.Timeout | undefined
  /** Where the path led at the last check of the timer. */
  #identity: string | null = null
  /** Counts the walks; only the latest one counts. */
  #walks = 0
  #closed = false

  /** `onWalked` is called after each change, when the new path is watched and before the change is reported. */
  constructor(path: string, { onChange, onWalked }: { onChange: () => void; onWalked: () => void }) {
    this.#path = resolve(path)
    this.#onChange = onChange
    this.#onWalked = onWalked
  }

  /** Changes are reported from the moment that this resolves. Never rejects: a timer checks what cannot be watched. */
  async start(): Promise<void> {
    const walk = ++this.#walks
    const before = this.#watched
    const watched = new Map<string, DirectoryOnTheWay>()
    this.#watched = watched
    try {
      await this.#walk(watched, () => walk === this.#walks && !this.#closed)
    } finally {
      for (const { watcher } of before.values()) watcher.close()
    }
  }

  close(): void {
    this.#closed = true
    for (const { watcher } of this.#watched.values()) watcher.close()
    clearInterval(this.#timer)
  }

  /** Walks down the path and watches each directory before it looks at the name in it, so no change is missed. */
  async #walk(watched: Map<string, DirectoryOnTheWay>, goesOn: () => boolean): Promise<void> {
    let at = '/'
    const names = this.#path.split('/')
    for (let links = 0; names.length > 0 && links <= MAX_LINKS && goesOn();) {
      const name = names.shift() ?? ''
      if (name === '' || name === '.') continue
      if (name === '..') {
        at = join(at, name)
        continue
      }
      this.#watchFor(watched, at, name)
      const target = await fs.promises.readlink(join(at, name)).catch(() => null)
      if (target === null) {
        at = join(at, name)
        continue
      }
      links++
      if (target.startsWith('/')) at = '/'
      names.unshift(...target.split('/'))
    }
  }

  #watchFor(watched: Map<string, DirectoryOnTheWay>, directory: string, name: string): void {
    const known = watched.get(directory)
    if (known !== undefined) {
      known.names.add(name)
      return
    }
    const names = new Set([name])
    try {
      const watcher = fs.watch(directory, (_, changed) => {
        // Without a name it may be any file.
        if (changed === null || names.has(changed)) this.#changed(watched)
      })
      watcher.on('error', () => this.#startTimer())
      watched.set(directory, { names, watcher })
    } catch (error) {
      // It is gone, which the directory above reports. Any other error means that no watch is available.
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') this.#startTimer()
    }
  }

  #changed(watched: Map<string, DirectoryOnTheWay>): void {
    if (this.#closed || watched !== this.#watched) return
    this.#onChange()
    // Reported again once the new path is watched: it may have changed before.
    void this.#startAgain()
  }

  async #startAgain(): Promise<void> {
    await this.start()
    if (this.#closed) return
    this.#onWalked()
    this.#onChange()
  }

  #startTimer(): void {
    if (this.#closed || this.#timer !== undefined) return
    this.#identity = identityAt(this.#path)
    this.#timer = setInterval(() => {
      const identity = identityAt(this.#path)
      if (identity === this.#identity) return
      this.#identity = identity
      this.#changed(this.#watched)
    }, INTERVAL_MS)
  }
}

interface DirectoryOnTheWay {
  readonly names: Set<string>
  readonly watcher: fs.FSWatcher
}

/** What a path leads to; null if that is nothing or unknown. */
function identityAt(path: string): string | null {
  try {
    const { dev, ino } = fs.statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}
