/** Lists the segments of a log. It opens nothing for writing and may run beside a writer. */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { frameEnd, FrameType, nextOffsetAfter } from './format/frame.ts'
import type { FrameHeader } from './format/frame.ts'
import { sharedLog } from './shared/shared-log.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { SegmentScanner } from './segments/scan.ts'
import { SummaryBuilder } from './format/seal.ts'
import type { SegmentSummary } from './format/seal.ts'
import { giveUp, io, openSegment, placeAfterHead, sizeOfLast, statDirectory, verifyLink } from './segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from './segments/segment-file.ts'
import { listSegmentFiles, whileListed } from './segments/segment-listing.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import { readSummary, summarize } from './segments/summary.ts'

/** A segment of a log as it stands. */
export interface SegmentInfo {
  readonly path: string
  /** When it was created, in milliseconds since 1970, by the wall clock of the process that created it. */
  readonly createdMs: number
  readonly baseOffset: bigint
  /** The offset after its last record; equal to `baseOffset` where it holds none. */
  readonly nextOffset: bigint
  readonly records: number
  /** Valid bytes; a file may hold more, which mean nothing. */
  readonly bytes: number
  /** Smallest and largest timestamp of its records, in milliseconds since 1970; null where it holds none. */
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
  /** `active`: the last one, still written to; `sealed`: ended; `healed`: ended by its successor, after a failure. */
  readonly state: 'active' | 'sealed' | 'healed'
}

/**
 * The segments of a partition's log, oldest first. Of those that have a SEAL and a successor it reads the ends; it scans
 * the others: the last one, and those that a failure ended. Rejects as `WalReader.open` and `read` do; an empty log has no segments.
 * Damage inside a segment is not looked for. While a truncation is under way it shows what stands on disk then.
 */
export async function listSegments(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
): Promise<SegmentInfo[]> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  const context = { partition: located, durableBound: () => sharedLog(identity).durableBound }
  return whileListed(
    () => listSegmentFiles(fs, located.directory),
    async (listed) => {
      const described: SegmentInfo[] = []
      for await (const segment of describeSegments(fs, listed, context)) described.push(segment)
      return described
    },
  )
}

/**
 * The segments of a listing, in order, each by its own frames or, where it has a successor, by what that one states of
 * its end. Every file is opened once, and at most two are open at a time.
 */
export async function* describeSegments(
  fs: FileSystem,
  listed: readonly ListedSegment[],
  { partition, durableBound }: { partition: Partition; durableBound: () => number },
): AsyncGenerator<SegmentInfo, void, undefined> {
  const open = (segment: ListedSegment): Promise<OpenSegment> => openSegment(fs, segment, { partition, mode: 'read' })
  let next: OpenSegment | null = null
  try {
    for (const segment of listed) {
      const opened: OpenSegment = next ?? (await open(segment))
      next = null
      try {
        next = segment.successor === null ? null : await open(segment.successor)
        yield await (next === null ? describeLast(opened, durableBound) : describeEnded(opened, next.head))
      } finally {
        await giveUp(opened.handle)
      }
    }
  } finally {
    if (next !== null) await giveUp(next.handle)
  }
}

/** A segment that has a successor. */
async function describeEnded(segment: OpenSegment, successor: SegmentHead): Promise<SegmentInfo> {
  const { last } = await verifyLink(segment, successor)
  return infoOf(segment.head, { last, summary: await readSummary(segment, last), state: 'healed' })
}

/** The last segment: nothing but its own frames tells where it ends. */
async function describeLast(segment: OpenSegment, bound: () => number): Promise<SegmentInfo> {
  const { handle, head } = segment
  const limit = await sizeOfLast(segment)
  const end = bound()
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), path: head.path, limit })
  const summary = new SummaryBuilder()
  let last = head.frame
  while (scanner.stop === null) {
    for (const frame of await io('read', head.path, () => scanner.next())) {
      if (nextOffsetAfter(frame.header) > end) continue
      summarize(frame, { summary, head })
      last = frame.header
    }
  }
  return infoOf(head, { last, summary, state: 'active' })
}

/** A segment that ends with the frame `last`, in that state unless this is a SEAL. */
function infoOf(
  { path, baseOffset, open }: SegmentHead,
  { last, summary, state }: { last: FrameHeader; summary: SegmentSummary; state: SegmentInfo['state'] },
): SegmentInfo {
  const records = nextOffsetAfter(last) - baseOffset
  return {
    path,
    createdMs: open.createdMs,
    baseOffset: BigInt(baseOffset),
    nextOffset: BigInt(nextOffsetAfter(last)),
    records,
    bytes: frameEnd(last),
    minTimestampMs: records > 0 ? summary.minTimestampMs : null,
    maxTimestampMs: records > 0 ? summary.maxTimestampMs : null,
    state: last.type === FrameType.SEAL ? 'sealed' : state,
  }
}
