/**
 * Does one repair that the caller chose from a report of `verify`, and nothing else. What it removes from the log is
 * kept in quarantined files. If it is interrupted, the log still has the problem, or no longer has it.
 */
import { join } from 'node:path'
import { Random, SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { checkOptions, resolveConfig, show } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ProblemChangedError } from '../errors.ts'
import type { ConfirmedProblem, LogFindings } from './checking/log-description.ts'
import type { LogProblem, PossibleRepair, RepairKind } from './checking/report.ts'
import { isQuarantinedName, quarantinedName } from './segment.ts'
import { io, LogFile } from './segments/log-file.ts'
import { logStartPath } from './segments/log-start.ts'
import { locatePartition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import type { SegmentMaker } from './writing/active-segment.ts'
import { copyFile } from './writing/copy-file.ts'
import { PartitionLock, SegmentDirectory } from './writing/partition-directory.ts'
import { truncateLog } from './writing/truncation.ts'

/** A problem from a report, and the repair to do. */
export interface ChosenRepair {
  readonly problem: LogProblem
  readonly repair: RepairKind
}

/** The clock and random numbers of a repair, for tests. */
export interface RepairOptions {
  /** The clocks; the machine's clocks if not given. */
  readonly clock?: Clock
  /** The source of segment ids; unpredictable if not given. */
  readonly random?: Random
}

const OPTIONS: ReadonlySet<string> = new Set<keyof RepairOptions>(['clock', 'random'])

/** The result of a repair. */
export interface Repaired {
  /**
   * The paths of the files that hold what was removed from the log: whole segments, unchanged. Readers and writers
   * ignore them. You may delete them.
   */
  readonly quarantined: readonly string[]
}

/**
 * Does one repair that a report of `verify` offers. It takes the partition's lock, verifies the log again, and
 * continues only if the problem and the cost of the repair are as reported. Before it removes or cuts a segment, it
 * keeps the segment as `{baseOffset}.wal.quarantined-{n}` in the same directory, durably.
 *
 * Rejects with a `TypeError` or `RangeError` for a bad config, topic, partition or option, or for a repair that the
 * problem does not offer; with `LogNotFoundError`; with `LockedError` while a writer has the partition open; with
 * `ProblemChangedError`. The log is unchanged in all these cases. `WalIoError` and `LockLostError` are possible at any
 * point: the problem is then still there or gone, and a new report says which.
 *
 * @example
 * ```ts
 * const { problems } = await verify(fs, config, 'orders', 0)
 * const problem = problems.find(({ repairs }) => repairs.some(({ kind }) => kind === 'restore'))
 * if (problem !== undefined) await repair(fs, config, 'orders', 0, { problem, repair: 'restore' })
 * ```
 */
export async function repair(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  chosen: ChosenRepair,
  options: RepairOptions = {},
): Promise<Repaired> {
  checkOptions('repair', options, OPTIONS)
  const { dataDir } = resolveConfig(config)
  const located = locatePartition(dataDir, topic, partition)
  const promised = offerOf(chosen.problem, chosen.repair)
  if (promised === undefined)
    throw new RangeError(`cannot do the repair ${show(chosen.repair)}: the problem does not offer it`)
  await statDirectory(fs, located.directory)
  const { clock = new SystemClock(), random = Random.fromEntropy() } = options
  const lock = await PartitionLock.take(fs, dataDir, located, { create: false })
  try {
    const directory = new SegmentDirectory(fs, located.directory, lock)
    const { checkLog } = await import('./checking/log-check.ts')
    const { confirmProblem } = await import('./checking/log-description.ts')
    const findings = await checkLog(fs, located, () => Infinity)
    const problem = unchanged(confirmProblem(findings, chosen.problem), chosen, promised)
    const maker = { directory, partition: located, clock, random }
    const quarantined = await REPAIRS[chosen.repair](maker, {
      findings,
      problem,
      offset: Number(chosen.problem.firstOffset),
    })
    return { quarantined }
  } finally {
    await lock.release()
  }
}

/** Throws unless the problem was found again as it was reported, and the repair costs what the report said. */
function unchanged(
  found: ConfirmedProblem | null,
  { problem, repair: kind }: ChosenRepair,
  promised: PossibleRepair,
): ConfirmedProblem {
  const offer = found === null ? undefined : offerOf(found, kind)
  const isAsSaid = offer !== undefined && COSTS.every((field) => offer[field] === promised[field])
  if (found !== null && isAsSaid) return found
  throw new ProblemChangedError({ path: problem.path, kind: problem.kind, repair: kind })
}

const COSTS = ['firstOffset', 'nextOffset', 'readableRecordsLost'] as const

function offerOf({ repairs }: Pick<LogProblem, 'repairs'>, repairKind: RepairKind): PossibleRepair | undefined {
  return repairs.find(({ kind }) => kind === repairKind)
}

/** A confirmed repair: the log, the problem, and its first offset. */
interface Order {
  readonly findings: LogFindings
  readonly problem: ConfirmedProblem
  readonly offset: number
}

/** How each repair is done. Each returns the paths of the files that it quarantined. */
const REPAIRS: Record<RepairKind, (maker: SegmentMaker, order: Order) => Promise<string[]>> = {
  restore,
  'drop-from': dropFrom,
  'drop-through': dropThrough,
  'remove-log-start': removeLogStart,
}

/** Overwrites damaged bytes with bytes that a checksum has confirmed. */
async function restore({ directory }: SegmentMaker, { problem: { segment, restoration } }: Order): Promise<string[]> {
  if (segment === null || restoration === null) return []
  const { path } = segment
  await directory.checkLock()
  const handle = await LogFile.open(directory.fs, path, 'read-write')
  try {
    await handle.writeDurable([restoration.bytes], restoration.position)
  } finally {
    await handle.close()
  }
  return []
}

/** Oldest first, so that what remains is always the end of the log. */
async function dropThrough({ directory }: SegmentMaker, { findings, problem }: Order): Promise<string[]> {
  const quarantined: string[] = []
  const quarantine = await Quarantine.open(directory)
  for (const { segment } of findings.segments) {
    if (segment.baseOffset <= (problem.segment?.baseOffset ?? -1)) quarantined.push(await quarantine.move(segment))
  }
  return quarantined
}

/**
 * First copies all segments that hold records after the offset: truncation cuts some of them and removes the others.
 */
async function dropFrom(maker: SegmentMaker, { findings, offset }: Order): Promise<string[]> {
  const quarantined: string[] = []
  const begin = async () => {
    const quarantine = await Quarantine.open(maker.directory)
    for (const { segment } of findings.segments) {
      const isWhollyBefore = segment.successor !== null && segment.successor.baseOffset <= offset
      if (!isWhollyBefore) quarantined.push(await quarantine.copy(segment))
    }
  }
  const nextOffset = findings.segments.at(-1)?.nextOffset ?? 0
  const { active } = await truncateLog(maker, { offset, nextOffset, begin })
  await active.close()
  return quarantined
}

/** The damaged file is not kept: it holds no record. */
async function removeLogStart({ directory }: SegmentMaker): Promise<string[]> {
  await directory.remove(logStartPath(directory.path))
  return []
}

/**
 * Keeps segments that a repair removes from a log, as files in the same directory that no reader or writer looks at.
 * Each step is durable before the next, and no earlier quarantined file is replaced. The caller holds the lock of the
 * log, so no other process creates such names meanwhile.
 */
class Quarantine {
  readonly #directory: SegmentDirectory
  /** The names of quarantined segments, old and new. */
  readonly #names: Set<string>

  private constructor(directory: SegmentDirectory, names: Set<string>) {
    this.#directory = directory
    this.#names = names
  }

  /** Lists the directory, once. Rejects with `WalIoError`. */
  static async open(directory: SegmentDirectory): Promise<Quarantine> {
    const { fs, path } = directory
    const names = await io('list', path, () => fs.readdir(path))
    return new Quarantine(directory, new Set(names.filter(isQuarantinedName)))
  }

  /** Renames a segment out of the log, whatever it holds, in one step. Returns its new path. */
  async move(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.quarantine(segment.path, path)
    return path
  }

  /**
   * Copies a segment, with owner and mode. Returns the path of the copy, which gets this name only when it is complete.
   */
  async copy(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.removeUnfinished()
    const { fs, unfinishedPath } = this.#directory
    await copyFile(fs, { from: segment.path, to: unfinishedPath, like: segment.path })
    await this.#directory.finish(path)
    return path
  }

  /** A path that is not in use. */
  #freePath({ baseOffset }: ListedSegment): string {
    let nth = 1
    while (this.#names.has(quarantinedName(baseOffset, nth))) nth++
    const name = quarantinedName(baseOffset, nth)
    this.#names.add(name)
    return join(this.#directory.path, name)
  }
}
