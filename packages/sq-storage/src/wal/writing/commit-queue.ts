/**
 * What waits to be done at a log's end, commits and other work, in order and one at a time; and when the next may begin.
 * `writer.ts` fills it.
 */
import { clearImmediate, setImmediate } from 'node:timers'
import { Commit } from './commit.ts'

/** Moving so many bytes takes a disk about as long as a sync does. */
const LARGE_COMMIT_BYTES = 128 * 1024

/** Something other than a commit that waits for its turn. It must not reject. */
type Turn = () => Promise<void>

/**
 * Writes a commit whose turn has come, and resolves, once that has succeeded or failed, with what tells its callers: it
 * is called when the next commit, if that is large, has been begun. It must not reject.
 */
type Write = (commit: Commit) => Promise<() => void>

export class CommitQueue {
  readonly #write: Write
  #waiting: (Commit | Turn)[] = []
  /** Whether something is under way. */
  #busy = false
  /** Whether the event loop has turned since the last one was begun. */
  #turned = true
  #nextTurn: NodeJS.Immediate | null = null
  /** Bytes of the commit that was written last and of what waited then: who waits for one often appends again. */
  #expectedBytes = 0

  constructor(write: Write) {
    this.#write = write
  }

  /** The commit that would take further records; null where something else comes last, or nothing waits. */
  get last(): Commit | null {
    const last = this.#waiting.at(-1)
    return last instanceof Commit ? last : null
  }

  /** Whether its size ended the gathering of a commit whose turn has come. */
  isFull(commit: Commit): boolean {
    return this.#isLarge(commit) || this.#waiting[0] instanceof Commit
  }

  /** Puts a commit last, to be written in its turn. It may be given more records until then; call `start` each time. */
  push(commit: Commit): void {
    this.#waiting.push(commit)
  }

  /** Does something else in its turn, and settles as that does. */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await action())
        } catch (error) {
          reject(error)
        }
      })
      this.start()
    })
  }

  /** Takes all commits out that wait; what else waits stays. */
  takeCommits(): Commit[] {
    const commits = this.#waiting.filter((waiting) => waiting instanceof Commit)
    this.#waiting = this.#waiting.filter((waiting) => !(waiting instanceof Commit))
    return commits
  }

  /**
   * Sees that what waits is done. Before each, everything that is ready to run does, so that all who were just
   * acknowledged, and all whose input has come in meanwhile, share the next commit; but where that is large, it goes to
   * the disk while they run. The event loop turns between any two.
   */
  start(): void {
    const [next] = this.#waiting
    if (this.#busy || next === undefined) return
    if (this.#turned && this.#isLarge(next)) return this.#next()
    this.#nextTurn ??= setImmediate(() => this.#next())
  }

  /**
   * Whether a commit is written without waiting for more: when as much is there as is to be expected; or half of it,
   * where that is so much that encoding the other half meanwhile gains more than sharing a sync.
   */
  #isLarge(waiting: Commit | Turn): boolean {
    const bytes = bytesOf(waiting)
    const expected = this.#expectedBytes
    return bytes >= LARGE_COMMIT_BYTES && bytes >= (expected < 4 * LARGE_COMMIT_BYTES ? expected : expected / 2)
  }

  #next(): void {
    if (this.#nextTurn !== null) clearImmediate(this.#nextTurn)
    this.#nextTurn = null
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#busy = true
    this.#turned = false
    setImmediate(() => {
      this.#turned = true
    })
    void this.#do(next)
  }

  async #do(next: Commit | Turn): Promise<void> {
    const bytes = bytesOf(next)
    let tell: (() => void) | void = undefined
    try {
      tell = await (next instanceof Commit ? this.#write(next) : next())
    } finally {
      this.#busy = false
      this.#expectedBytes = this.#waiting.reduce((sum, waiting) => sum + bytesOf(waiting), bytes)
      this.start()
    }
    tell?.()
  }
}

function bytesOf(waiting: Commit | Turn): number {
  return waiting instanceof Commit ? waiting.frameBytesWith(0) : 0
}
