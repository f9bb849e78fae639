/**
 * The deletion of old segments, in steps, so that commits can be written between two of them. Each step describes one
 * segment that is not known yet, decides what to delete, or removes one segment.
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

/** What is to be deleted, oldest first. */
interface Plan {
  readonly cuts: number
  readonly segments: readonly { readonly segment: EndedSegment; readonly info: SegmentInfo }[]
}

/** One call of `deleteSegments`. */
export class SegmentDeletion {
  /** What it has deleted durably, oldest first. */
  readonly deleted: SegmentInfo[] = []
  readonly #log: ShrinkingLog
  readonly #policy: RetentionPolicy
  #judgement: Judgement | null = null
  #plan: Plan | null = null
  /** The number of segments of the plan that are gone. */
  #done = 0
  /** The removed segment that is not durably gone yet. */
  #removed: SegmentInfo | null = null
  /**
   * Only records before it may be deleted: those of the log as it was when the deletion began, and of these the ones
   * that no truncation or reset has dropped since. What is appended after that has the same offsets.
   */
  #end: number | null = null
  /** How often the log had been cut when `#end` was determined. */
  #cuts = 0

  constructor(log: ShrinkingLog, policy: RetentionPolicy) {
    this.#log = log
    this.#policy = policy
  }

  /** Begins the deletion, in the writer's turn, unless a step has: no later record is deleted. */
  begin(): void {
    const { ended } = this.#log
    this.#end = this.#end === null ? this.#log.nextOffset() : Math.min(this.#end, ended.lowestCutSince(this.#cuts))
    this.#cuts = ended.cuts
  }

  /** Does one step, in the writer's turn. Resolves with whether there is another one. Call `settle` after each. */
  async step(): Promise<boolean> {
    await this.#log.finishCut()
    this.begin()
    if (this.#plan?.cuts !== this.#cuts) {
      this.#plan = null
      this.#plan = await this.#decide()
      return this.#plan === null || this.#plan.segments.length > 0
    }
    return this.#removeNext(this.#plan)
  }

  /** Makes what the last step did durable. Commits can be written meanwhile. */
  async settle(): Promise<void> {
    await this.#log.directory.sync()
    if (this.#removed === null) return
    this.#log.meter.deleted(this.#removed)
    this.deleted.push(this.#removed)
    this.#removed = null
  }

  /** The plan; null after a segment was described, if it is not decided yet. */
  async #decide(): Promise<Plan | null> {
    const { directory, partition, ended } = this.#log
    const active = this.#log.active()
    await directory.checkLock()
    // The log may have been truncated, or have gone on in another segment, since the last step.
    const known = this.#judgement
    const isCurrent = known?.cuts === this.#cuts && known.active === active
    const judgement = isCurrent ? known : this.#judge()
    this.#judgement = judgement
    const asked = judgement.verdicts.next()
    if (asked.done !== true) {
      const segment = asked.value
      invariant(!(segment instanceof ActiveCandidate), 'the active segment is described')
      await directory.whileThere(() => ended.describe(segment, directory.fs, partition))
      return null
    }
    this.#judgement = null
    this.#done = 0
    const expired = asked.value.filter(({ keptBecause }) => keptBecause === null).map(({ segment }) => segment)
    if (expired.length > 0 && expired.length === judgement.segments.length) await this.#log.goOnInEmptySegment()
    const segments = expired.flatMap((info, at) => {
      const judged = judgement.segments[at]
      const segment = judged instanceof ActiveCandidate ? ended.last : judged
      return segment === undefined ? [] : [{ segment, info }]
    })
    return { cuts: this.#cuts, segments }
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
    invariant(this.#end !== null, 'a deletion has begun before it decides')
    const { keepFromOffset } = this.#policy
    const end = BigInt(this.#end)
    return {
      ...this.#policy,
      keepFromOffset: keepFromOffset !== undefined && keepFromOffset < end ? keepFromOffset : end,
    }
  }

  async #removeNext({ segments }: Plan): Promise<boolean> {
    const { directory, ended } = this.#log
    // Another call may have removed some of them.
    let next = segments[this.#done]
    while (next !== undefined && next.segment !== ended.first) next = segments[++this.#done]
    if (next === undefined) return false
    await directory.unlink(next.segment.path)
    ended.deleteFirst()
    this.#removed = next.info
    return ++this.#done < segments.length
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
