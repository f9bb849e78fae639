/**
 * Tells when a path may have come to lead elsewhere: each name on the way to a directory, and each symbolic link, is
 * watched in the directory that holds it. Linux only, where the system's notices can be relied on.
 */
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { codeOf } from './system-error.ts'

/** As the kernel: enough for anybody, and an end where links go round. */
const MAX_LINKS = 40

/** How often the path is looked at where one of its directories cannot be watched. */
const INTERVAL_MS = 100

export class PathWatch {
  readonly #path: string
  readonly #onChange: () => void
  readonly #onWalked: () => void
  /** The directories on the way, with the names in them that matter. */
  #watched = new Map<string, DirectoryOnTheWay>()
  #timer: NodeJS.Timeout | undefined
  /** Where the path led when the timer looked last. */
  #identity: string | null = null
  /** Counts the walks: only the latest one counts. */
  #walks = 0
  #closed = false

  /** `onWalked` is called after each change, when the new way is watched and before that is told. */
  constructor(path: string, { onChange, onWalked }: { onChange: () => void; onWalked: () => void }) {
    this.#path = resolve(path)
    this.#onChange = onChange
    this.#onWalked = onWalked
  }

  /** From when this resolves, changes are told. Never rejects: what cannot be watched is looked at by a timer. */
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

  /** Goes down the path, each directory watched before the name in it is looked at: no change falls in between. */
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
        // Without a name it may be any.
        if (changed === null || names.has(changed)) this.#changed(watched)
      })
      watcher.on('error', () => this.#startTimer())
      watched.set(directory, { names, watcher })
    } catch (error) {
      // Gone by now, which the directory above it tells. All else means that there is no watch for us.
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') this.#startTimer()
    }
  }

  #changed(watched: Map<string, DirectoryOnTheWay>): void {
    if (this.#closed || watched !== this.#watched) return
    this.#onChange()
    // Told again once the new way is watched: it may have changed before.
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

/** What a path leads to; null where that is nothing, or nobody can tell. */
function identityAt(path: string): string | null {
  try {
    const { dev, ino } = fs.statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}
