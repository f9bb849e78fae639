/**
 * The deletion of old segments, in steps. Each step describes one segment that is not known yet, or removes one. It is
 * decided and begun in the writer's turn, and goes on outside of it, so commits do not wait for it. Everything else that
 * changes names or files of the log does (`LogTail`).
 */
import { invariant } from '../../errors.ts'
import type { SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import { judge } from '../segments/retention.ts'
import type { JudgedSegment, RetentionPolicy, RetentionVerdict } from '../segments/retention.ts'
import type { ActiveSegment } from './active-segment.ts'
import type { EndedSegment, EndedSegments } from './ended-segments.ts'
import type { SegmentDirectory } from './partition-directory.ts'
import type { WriterMeter } from './writer-meter.ts'

/** The log to delete from. */
export interface ShrinkingLog {
  readonly directory: SegmentDirectory
  readonly partition: Partition
  readonly meter: Pick<WriterMeter, 'deleted'>
  readonly ended: EndedSegments
  /** The log end offset. */
  nextOffset(): number
  active(): ActiveSegment | null
  /** The wall clock, and what it should show; null if unknown. */
  time(): { nowMs: number; expectedMs: number | null }
  /** Completes a truncation or reset that has failed. */
  finishCut(): Promise<void>
  /** A step has begun: nothing but commits may change the log until it has succeeded or failed. */
  stepBegun(step: Promise<void>): void
  /** The segments that were removed, but not durably yet as far as is known. */
  readonly removed: SegmentInfo[]
  /** The oldest segment was removed. Must not throw. */
  onRemoved(): void
  /** Ends the active segment, if there is one, and goes on in an empty one. */
  goOnInEmptySegment(): Promise<void>
}

/** A decision in progress, about the log as it was at its beginning. */
interface Judgement {
  readonly cuts: number
  readonly active: ActiveSegment | null
  readonly segments: readonly (EndedSegment | ActiveCandidate)[]
  readonly verdicts: Generator<EndedSegment | ActiveCandidate, RetentionVerdict[], undefined>
}

/** What is to be deleted. */
interface Plan {
  readonly cuts: number
  /** Oldest first. */
  readonly removals: Iterator<Removal, undefined>
}

interface Removal {
  readonly segment: EndedSegment
  readonly info: SegmentInfo
}

/** Does something in the writer's turn. */
type InTurn = <T>(action: () => Promise<T>) => Promise<T>

/** One call of `deleteSegments`. It is created in the writer's turn: no record that is appended later is deleted. */
export class SegmentDeletion {
  readonly #log: ShrinkingLog
  readonly #policy: RetentionPolicy
  readonly #deleted: SegmentInfo[] = []
  #judgement: Judgement | null = null
  #plan: Plan | null = null
  /**
   * Only records before it may be deleted: those of the log as it was when the deletion began, and of these the ones
   * that no truncation or reset has dropped since. What is appended after that has the same offsets.
   */
  #end: number
  /** How often the log had been cut when `#end` was determined. */
  #cuts: number

  constructor(log: ShrinkingLog, policy: RetentionPolicy) {
    this.#log = log
    this.#policy = policy
    this.#end = log.nextOffset()
    this.#cuts = log.ended.cuts
  }

  /**
   * Deletes, and resolves with what it has deleted, durably, oldest first. Call it outside of the writer's turn, and
   * while no other deletion of the log runs.
   */
  async run(inTurn: InTurn): Promise<SegmentInfo[]> {
    await this.#log.directory.checkLock()
    // An earlier deletion may have failed to.
    await this.#sync()
    for (;;) {
      const step = await inTurn(() => this.#beginStep())
      if (step === null) return this.#deleted
      await step.done
    }
  }

  /** Begins the next step, in the writer's turn. Null if there is none. */
  async #beginStep(): Promise<{ readonly done: Promise<void> } | null> {
    await this.#log.finishCut()
    const step = await this.#nextStep()
    if (step === null) return null
    const done = step()
    this.#log.stepBegun(done)
    return { done }
  }

  async #nextStep(): Promise<(() => Promise<void>) | null> {
    this.#seeCuts()
    while (this.#plan?.cuts !== this.#cuts) {
      const judgement = this.#currentJudgement()
      const asked = judgement.verdicts.next()
      if (asked.done !== true) return () => this.#describe(asked.value)
      this.#judgement = null
      this.#plan = await this.#planOf(judgement, asked.value)
    }
    const { value: next } = this.#plan.removals.next()
    return next === undefined ? null : () => this.#remove(next)
  }

  #seeCuts(): void {
    const { ended } = this.#log
    this.#end = Math.min(this.#end, ended.lowestCutSince(this.#cuts))
    this.#cuts = ended.cuts
  }

  /** The decision in progress, or a new one: the log may have been cut, or have gone on in another segment. */
  #currentJudgement(): Judgement {
    const known = this.#judgement
    const isCurrent = known?.cuts === this.#cuts && known.active === this.#log.active()
    this.#judgement = isCurrent ? known : this.#judge()
    return this.#judgement
  }

  async #planOf({ cuts, segments }: Judgement, verdicts: readonly RetentionVerdict[]): Promise<Plan> {
    const { ended } = this.#log
    const expired = verdicts.filter(({ keptBecause }) => keptBecause === null).map(({ segment }) => segment)
    if (expired.length > 0 && expired.length === segments.length) await this.#log.goOnInEmptySegment()
    const removals = expired.flatMap((info, at) => {
      const judged = segments[at]
      const segment = judged instanceof ActiveCandidate ? ended.last : judged
      return segment === undefined ? [] : [{ segment, info }]
    })
    return { cuts, removals: removals.values() }
  }

  async #describe(segment: EndedSegment | ActiveCandidate): Promise<void> {
    invariant(!(segment instanceof ActiveCandidate), 'the active segment is described')
    const { directory, partition, ended } = this.#log
    await directory.checkLock()
    await directory.whileThere(() => ended.describe(segment, directory.fs, partition))
  }

  async #remove({ segment, info }: Removal): Promise<void> {
    const { directory, ended, removed } = this.#log
    invariant(segment === ended.first, 'the oldest segment is removed first')
    await directory.unlink(segment.path)
    ended.deleteFirst()
    removed.push(info)
    this.#log.onRemoved()
    await this.#sync()
    this.#deleted.push(info)
  }

  /** Makes removals durable, and counts and publishes them. */
  async #sync(): Promise<void> {
    const { directory, removed, meter } = this.#log
    await directory.sync()
    for (const info of removed.splice(0)) meter.deleted(info)
  }

  #judge(): Judgement {
    const { directory, partition, ended } = this.#log
    const active = this.#log.active()
    const candidate = active === null ? [] : [new ActiveCandidate(active, partition)]
    const segments = [...ended, ...candidate]
    const newestCreatedMs = active?.createdMs ?? ended.last?.info?.createdMs ?? null
    const log = {
      directory: directory.path,
      policy: this.#boundedPolicy(),
      ...this.#log.time(),
      newestCreatedMs,
      segments,
    }
    return { cuts: this.#cuts, active, segments, verdicts: judge(log, { all: false }) }
  }

  /** The policy, for no record from the end of the deletion on. */
  #boundedPolicy(): RetentionPolicy {
    const { keepFromOffset } = this.#policy
    const end = BigInt(this.#end)
    return {
      ...this.#policy,
      keepFromOffset: keepFromOffset !== undefined && keepFromOffset < end ? keepFromOffset : end,
    }
  }
}

/** The active segment, as it is when it is judged. */
class ActiveCandidate implements JudgedSegment {
  readonly #active: ActiveSegment
  readonly #partition: Partition

  constructor(active: ActiveSegment, partition: Partition) {
    this.#active = active
    this.#partition = partition
  }

  get info(): SegmentInfo {
    return this.#active.info(this.#partition)
  }

  get fileBytes(): number {
    return this.#active.fileBytes
  }
}
