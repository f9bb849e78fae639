/**
 * Group commit: appends that are made while a commit is being written share the next one. This class holds the queue at
 * the end of a log, commits and other work, and does one at a time, in order. It limits the backlog and settles the
 * callers.
 */
import { clearImmediate, setImmediate } from 'node:timers'
import type { Clock } from '@sq/sim'
import type { ResolvedWalConfig } from '../../config.ts'
import { AppendFailedError, invariant, OffsetMismatchError } from '../../errors.ts'
import { leadBytes } from '../format/batch-body.ts'
import { frameBytes } from '../format/frame.ts'
import type { CheckedRecord } from '../format/record.ts'
import { MAX_HEAD_BYTES } from '../segment.ts'
import { wallClockMs } from '../segments/wall-clock.ts'
import type { WrittenFrames } from '../shared/recent-frames.ts'
import type { SharedLog } from '../shared/shared-log.ts'
import { APPEND_ALLOWANCE_BYTES, Backlog } from './backlog.ts'
import type { CheckedBatches } from './checked-batches.ts'
import { checkBodyBytes, checkOpaque } from './checked-metadata.ts'
import type { OpaqueBatch } from './checked-metadata.ts'
import { checkLimits } from './checked-record.ts'
import { Commit } from './commit.ts'
import type { Waiter } from './commit.ts'
import type { CommitReason } from './diagnostics.ts'
import type { LogTail } from './log-tail.ts'
import type { SharedLimits } from './shared-limits.ts'
import type { WriterMeter } from './writer-meter.ts'

/** A disk takes about as long to move this many bytes as it takes to sync. */
const LARGE_COMMIT_BYTES = 128 * 1024

/** Something other than a commit that waits for its turn. It must not reject. */
type Task = () => Promise<void>

/** What a group commit needs. */
interface GroupContext {
  /** The directory of the log. */
  readonly path: string
  /** Its options may change. */
  readonly config: ResolvedWalConfig
  readonly clock: Clock
  readonly meter: WriterMeter
  readonly tail: Pick<LogTail, 'nextOffset' | 'write'>
  readonly shared: SharedLog
  readonly limits: SharedLimits
}

export class GroupCommit {
  readonly #context: GroupContext
  /** What waits to become durable. */
  readonly backlog: Backlog
  /** Commits that wait or still take records, and other work between them. */
  #waiting: (Commit | Task)[] = []
  /** Whether something is being done. */
  #busy = false
  /** Whether the event loop has turned since the last work was begun. */
  #turned = true
  #nextTurn: NodeJS.Immediate | undefined
  /** Bytes of the last commit and of what waited then: a caller that waits for one append often appends again. */
  #expectedBytes = 0
  #pendingRecords = 0
  /** Called when the next commit has succeeded or failed. */
  #onSettled: (() => void)[] = []

  constructor(context: GroupContext) {
    this.#context = context
    this.backlog = new Backlog(context.config, context.limits)
  }

  get pendingRecords(): number {
    return this.#pendingRecords
  }

  /**
   * Copies checked records into the open commit, and makes sure that it is written. Returns what the records count for
   * in `maxPendingBytes`. Throws, with nothing changed, if the records are over a limit or the backlog is full.
   */
  append(records: readonly CheckedRecord[], waiter: Waiter): number {
    const { meter } = this.#context
    const bytes = this.#encodedBytes(records)
    const cost = this.#costOf(bytes)
    const commit = this.#commitFor((last) => last.bytesWith(bytes))
    commit.add(records, bytes, meter.appending(waiter, { records: records.length, bytes }))
    this.#added(commit, { records: records.length, cost })
    return cost
  }

  /** The same with metadata, as a frame of its own. */
  appendWithMetadata(records: readonly CheckedRecord[], metadata: Uint8Array, waiter: Waiter): void {
    const bytes = this.#encodedBytes(records)
    const bodyBytes = leadBytes({ metadata, isOpaque: false }) + bytes
    checkBodyBytes(bodyBytes)
    const cost = this.#costOf(bodyBytes)
    const commit = this.#commitFor((last) => last.bytes + frameBytes(bodyBytes))
    const told = this.#context.meter.appending(waiter, { records: records.length, bytes: bodyBytes })
    commit.addWithMetadata(records, bytes, metadata, told)
    this.#added(commit, { records: records.length, cost })
  }

  /** Copies an opaque batch as a frame of its own. Throws as `append`. */
  appendOpaque(batch: OpaqueBatch, waiter: Waiter): void {
    const body = checkOpaque(batch, this.#context.config, this.#latestMs)
    const { recordCount: records } = body
    this.#checkOffsets(records)
    const bytes = body.lead.length + body.bytes.length
    const cost = this.#costOf(bytes)
    const commit = this.#commitFor((last) => last.bytes + frameBytes(bytes))
    commit.addBody(body)
    commit.addWaiter(this.#context.meter.appending(waiter, { records, bytes }), records)
    this.#added(commit, { records, cost })
  }

  /**
   * Queues a commit to which records were added. Nothing here throws: a commit is queued exactly if it holds records.
   */
  #added(commit: Commit, { records, cost }: { records: number; cost: number }): void {
    const { meter } = this.#context
    if (commit !== this.#last) {
      commit.grouped = meter.writing
      this.#waiting.push(commit)
    }
    commit.pendingBytes += cost
    this.backlog.add(cost)
    this.#pendingRecords += records
    this.#start()
  }

  /**
   * Copies checked batches into commits of their own, which are written if the log ends, in their turn, where the first
   * batch begins. If it does not, the waiter gets an `OffsetMismatchError`. Throws, with nothing changed, if the
   * backlog is full, or if a batch has changed since its checksum was made.
   */
  appendEncoded(batches: CheckedBatches, waiter: Waiter): void {
    const { meter } = this.#context
    const { baseOffset, nextOffset, encodedBytes, bodyBytes } = batches
    const cost = this.#costOf(encodedBytes)
    const commits = this.#commitsOf(batches)
    const records = nextOffset - baseOffset
    const told = meter.appending(waiter, { records, bytes: bodyBytes })
    // Nothing below throws.
    const last = commits.at(-1)
    last?.addWaiter(told, records)
    for (const commit of commits) {
      commit.grouped = meter.writing
      commit.pendingBytes = commit.bytes + (commit === last ? APPEND_ALLOWANCE_BYTES : 0)
      this.#waiting.push(commit)
    }
    this.backlog.add(cost)
    this.#pendingRecords += records
    this.#start()
  }

  /** Does something else after all that waits, and settles as that does. */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await action())
        } catch (error) {
          reject(error)
        }
      })
      this.#start()
    })
  }

  /** Resolves when the next commit has succeeded or failed, after its callers were told. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#onSettled.push(resolve))
  }

  /** What an append of this many bytes counts for in `maxPendingBytes`. Throws if the backlog is full. */
  #costOf(bytes: number): number {
    const cost = this.backlog.costOf(bytes)
    invariant(
      this.backlog.bytes === 0 || this.#busy || this.#waiting.length > 0,
      'no bytes are pending if nothing waits',
    )
    return cost
  }

  /** Commits with these batches and nothing else, each as large as a commit may be. */
  #commitsOf(batches: CheckedBatches): Commit[] {
    const limit = this.#commitLimit
    const commits: Commit[] = []
    let { baseOffset } = batches
    let commit: Commit | null = null
    for (const body of batches.bodies) {
      if (commit === null || commit.bytes + frameBytes(body.bytes.length) > limit) {
        commit = new Commit(Math.min(batches.encodedBytes, limit))
        commit.stated = { baseOffset, append: batches }
        commits.push(commit)
      }
      if (commit.addBody(body) !== body.checksum) {
        throw new RangeError(`the bytes of the batch at offset ${baseOffset} have changed since it was checked`)
      }
      baseOffset += body.recordCount
    }
    return commits
  }

  /** Bytes that checked records take in a frame. Throws if they are more, or fewer, than may be appended at once. */
  #encodedBytes(records: readonly CheckedRecord[]): number {
    const bytes = checkLimits(records, this.#context.config, this.#latestMs)
    this.#checkOffsets(records.length)
    return bytes
  }

  /** The latest timestamp that may be appended now. */
  get #latestMs(): number {
    const { config, clock } = this.#context
    const { maxTimestampAheadMs } = config
    return maxTimestampAheadMs === Infinity ? Infinity : wallClockMs(clock) + maxTimestampAheadMs
  }

  #checkOffsets(records: number): void {
    if (this.#context.tail.nextOffset + this.#pendingRecords + records > Number.MAX_SAFE_INTEGER) {
      throw new RangeError('the offsets of this partition are used up: the last is 2^53 - 2')
    }
  }

  /** The commit that would take further records; null if nothing waits, or if something else waits last. */
  get #last(): Commit | null {
    const last = this.#waiting.at(-1)
    return last instanceof Commit && last.stated === null ? last : null
  }

  get #commitLimit(): number {
    const { maxCommitBytes, maxSegmentBytes } = this.#context.config
    return Math.min(maxCommitBytes, maxSegmentBytes - MAX_HEAD_BYTES)
  }

  /** The commit that takes the next records: the last one that waits, if they fit, or an empty one. */
  #commitFor(bytesIn: (last: Commit) => number): Commit {
    const last = this.#last
    if (last !== null && bytesIn(last) <= this.#commitLimit) return last
    return new Commit(Math.min(this.#expectedBytes, this.#commitLimit))
  }

  /**
   * Makes sure that what waits is done. Before each work the event loop turns, so that all callers that were just told,
   * and all input that has come in meanwhile, share the next commit. A large commit goes to the disk while they run.
   */
  #start(): void {
    const [next] = this.#waiting
    if (this.#busy || next === undefined) return
    if (this.#turned && this.#isLarge(next)) return this.#next()
    this.#nextTurn ??= setImmediate(() => this.#next())
  }

  /**
   * Whether to write a commit without waiting for more records: when it holds as much as is expected, or half of that
   * if that is very much. Encoding the other half during the write then gains more than sharing a sync.
   */
  #isLarge(waiting: Commit | Task): boolean {
    const bytes = bytesOf(waiting)
    const expected = this.#expectedBytes
    return bytes >= LARGE_COMMIT_BYTES && bytes >= (expected < 4 * LARGE_COMMIT_BYTES ? expected : expected / 2)
  }

  #next(): void {
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#busy = true
    this.#turned = false
    setImmediate(() => {
      this.#turned = true
    })
    void this.#do(next)
  }

  async #do(work: Commit | Task): Promise<void> {
    const bytes = bytesOf(work)
    let baseOffset: number | null = null
    try {
      if (work instanceof Commit) baseOffset = await this.#write(work)
      else await work()
    } finally {
      this.#busy = false
      this.#expectedBytes = this.#waiting.reduce((sum, waiting) => sum + bytesOf(waiting), bytes)
      this.#start()
    }
    // A large commit that waited is on its way to the disk by now, while the callers of this one run.
    if (baseOffset !== null && work instanceof Commit) this.#acknowledge(work, baseOffset)
  }

  /** Writes a commit. Resolves with its base offset if it is durable; with null if not, after its callers were told. */
  async #write(commit: Commit): Promise<number | null> {
    const { meter, tail, shared } = this.#context
    const baseOffset = tail.nextOffset
    if (commit.stated !== null && commit.stated.baseOffset !== baseOffset) {
      this.#refuse(commit.stated, commit)
      return null
    }
    const [records, bytes] = [commit.recordCount, commit.bytes]
    let written: WrittenFrames
    let ended: ((error: Error | null) => void) | null = null
    try {
      ended = meter.committing({ baseOffset, records, bytes, reason: this.#reasonFor(commit) })
      written = await tail.write(commit)
      invariant(tail.nextOffset === baseOffset + records, 'the log ends where its last commit does')
    } catch (cause) {
      const error = new AppendFailedError(BigInt(baseOffset), cause)
      this.#rejectAll(commit, error)
      ended?.(error)
      return null
    }
    // It is durable. Nothing from here on can throw, so all callers are settled.
    this.#settle(commit)
    shared.committed(written)
    ended(null)
    return baseOffset
  }

  /** Why a commit whose turn has come takes no more records. */
  #reasonFor(commit: Commit): CommitReason {
    if (this.#isLarge(commit) || this.#waiting[0] instanceof Commit) return 'full'
    return commit.grouped ? 'grouped' : 'idle'
  }

  #acknowledge(commit: Commit, baseOffset: number): void {
    commit.resolve(baseOffset)
    this.#tellSettled()
    commit.release()
  }

  /** Rejects an append whose first commit states an offset other than the log end offset. Nothing of it is written. */
  #refuse({ baseOffset, append }: { baseOffset: number; append: object }, first: Commit): void {
    const commits = [first]
    for (let [next] = this.#waiting; next instanceof Commit && next.stated?.append === append; [next] = this.#waiting) {
      this.#waiting.shift()
      commits.push(next)
    }
    const { path, tail } = this.#context
    const error = new OffsetMismatchError({ path, expected: BigInt(tail.nextOffset), found: BigInt(baseOffset) })
    this.#reject(commits, error)
  }

  /**
   * Rejects a commit and all that wait behind it: appends made later must not succeed before the callers see the
   * failure.
   */
  #rejectAll(failed: Commit, error: AppendFailedError): void {
    const behind = this.#waiting.filter((waiting) => waiting instanceof Commit)
    this.#waiting = this.#waiting.filter((waiting) => !(waiting instanceof Commit))
    this.#reject([failed, ...behind], error)
  }

  #reject(commits: readonly Commit[], error: Error): void {
    for (const commit of commits) {
      this.#settle(commit)
      commit.reject(error)
    }
    this.#tellSettled()
  }

  #settle(commit: Commit): void {
    this.backlog.remove(commit.pendingBytes)
    this.#pendingRecords -= commit.recordCount
  }

  #tellSettled(): void {
    for (const told of this.#onSettled.splice(0)) told()
  }
}

function bytesOf(waiting: Commit | Task): number {
  return waiting instanceof Commit ? waiting.bytes : 0
}
