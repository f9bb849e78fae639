/**
 * Mends a log that `verify` found a problem in: does one repair, which the caller chose from the report, and no more.
 * What it takes out of the log it keeps in files beside. Stopped anywhere, it leaves the problem, or a log without it.
 */
import { join } from 'node:path'
import { Random, SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { checkOptions, resolveConfig, show } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ProblemChangedError } from '../errors.ts'
import { confirmProblem } from './checking/log-description.ts'
import type { ConfirmedProblem, LogFindings } from './checking/log-description.ts'
import type { LogProblem, PossibleRepair, RepairKind } from './checking/report.ts'
import { isQuarantinedName, quarantinedName } from './segment.ts'
import { io, LogFile } from './segments/log-file.ts'
import { locatePartition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import { checkLog } from './verify.ts'
import type { SegmentMaker } from './writing/active-segment.ts'
import { PartitionLock, SegmentDirectory } from './writing/partition-directory.ts'
import { truncateLog } from './writing/truncation.ts'

/** A problem of a report, and which of its repairs is to be done. */
export interface ChosenRepair {
  readonly problem: LogProblem
  readonly repair: RepairKind
}

/** What a repair takes time and numbers from, for tests. */
export interface RepairOptions {
  /** The machine's clocks, if not given. */
  readonly clock?: Clock
  /** Where segment ids come from; unpredictable if not given. */
  readonly random?: Random
}

const OPTIONS: ReadonlySet<string> = new Set<keyof RepairOptions>(['clock', 'random'])

/** What a repair did. */
export interface Repaired {
  /** The files that hold what was taken out of the log, whole segments as they were. Nothing uses them; they may go. */
  readonly quarantined: readonly string[]
}

/**
 * Does one repair that a report of `verify` offers. Takes the partition's lock, verifies the log again, and goes on
 * only where the problem is there as it was reported and the repair costs what was said. Every segment that it removes
 * or cuts is kept as `{baseOffset}.wal.quarantined-{n}` in the same directory, durably, before that.
 *
 * Rejects with a `TypeError` or `RangeError` for a bad config, topic, partition or option, or a repair that the
 * problem does not offer; with `LogNotFoundError`; with `LockedError` while a writer has the partition; with `ProblemChangedError`;
 * each with the log unchanged. With `WalIoError` and `LockLostError` at any time: the problem is then still there, or
 * gone, and a new report says which.
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
  if (promised === undefined) throw new RangeError(`the problem does not offer the repair ${show(chosen.repair)}`)
  await statDirectory(fs, located.directory)
  const { clock = new SystemClock(), random = Random.fromEntropy() } = options
  const lock = await PartitionLock.take(fs, dataDir, located)
  try {
    const directory = new SegmentDirectory(fs, located.directory, lock)
    const findings = await checkLog(fs, located, () => Infinity)
    const problem = confirmed(findings, chosen, promised)
    const maker = { directory, partition: located, clock, random }
    const quarantined = await REPAIRS[chosen.repair](maker, { findings, problem, offset: Number(promised.nextOffset) })
    return { quarantined }
  } finally {
    await lock.release()
  }
}

/** Throws unless the problem is there as it was reported, and the repair costs what was said. */
function confirmed(
  findings: LogFindings,
  { problem, repair: kind }: ChosenRepair,
  promised: PossibleRepair,
): ConfirmedProblem {
  const found = confirmProblem(findings, problem)
  const offer = found === null ? undefined : offerOf(found, kind)
  const isAsSaid = offer !== undefined && COSTS.every((field) => offer[field] === promised[field])
  if (found !== null && isAsSaid) return found
  throw new ProblemChangedError({ path: problem.path, kind: problem.kind, repair: kind })
}

const COSTS = ['firstOffset', 'nextOffset', 'readableRecordsLost'] as const

function offerOf({ repairs }: Pick<LogProblem, 'repairs'>, repairKind: RepairKind): PossibleRepair | undefined {
  return repairs.find(({ kind }) => kind === repairKind)
}

/** A confirmed repair: in which log, of what, and the log's next offset afterwards. */
interface Order {
  readonly findings: LogFindings
  readonly problem: ConfirmedProblem
  readonly offset: number
}

/** How each repair is done; each returns the paths of what it kept. */
const REPAIRS: Record<RepairKind, (maker: SegmentMaker, order: Order) => Promise<string[]>> = {
  restore,
  'drop-from': dropFrom,
  'drop-through': dropThrough,
}

/** Writes bytes that a checksum confirmed over those that are damaged. */
async function restore({ directory }: SegmentMaker, { problem: { segment, restoration } }: Order): Promise<string[]> {
  if (restoration === null) return []
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

/** Oldest first, so that what is left is always the end of the log. */
async function dropThrough({ directory }: SegmentMaker, { findings, problem }: Order): Promise<string[]> {
  const quarantined: string[] = []
  const quarantine = await Quarantine.open(directory)
  for (const { segment } of findings.segments) {
    if (segment.baseOffset <= problem.segment.baseOffset) quarantined.push(await quarantine.move(segment))
  }
  return quarantined
}

/** All segments that hold something behind the offset are copied first: truncation cuts some and removes the others. */
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

const CHUNK_BYTES = 256 * 1024

/**
 * Keeps segments that are taken out of a log, as files beside it that no reader or writer looks at. Each step is
 * durable before the next, and no file that was kept before is replaced. The caller holds the log's lock, so nobody else
 * makes names of these files meanwhile.
 */
class Quarantine {
  readonly #directory: SegmentDirectory
  /** The names of kept segments, those that were there before and those made since. */
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

  /** Takes a segment out of the log, whatever it holds, in one step. Returns the path that it has now. */
  async move(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.quarantine(segment.path, path)
    return path
  }

  /** Copies a segment, with owner and mode. Returns the path of the copy, which has this name only when it is whole. */
  async copy(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.removeUnfinished()
    await copySegment(this.#directory, segment.path)
    await this.#directory.finish(path)
    return path
  }

  /** A path that no file has. */
  #freePath({ baseOffset }: ListedSegment): string {
    let nth = 1
    while (this.#names.has(quarantinedName(baseOffset, nth))) nth++
    const name = quarantinedName(baseOffset, nth)
    this.#names.add(name)
    return join(this.#directory.path, name)
  }
}

async function copySegment({ fs, unfinishedPath }: SegmentDirectory, from: string): Promise<void> {
  const source = await LogFile.open(fs, from, 'read')
  try {
    const target = await LogFile.open(fs, unfinishedPath, 'create', { like: from })
    try {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      for (let at = 0, bytesRead = CHUNK_BYTES; bytesRead === CHUNK_BYTES; at += bytesRead) {
        bytesRead = await source.read(chunk, at)
        await target.write([chunk.subarray(0, bytesRead)], at)
      }
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
