/** Lists the segments of a log. It opens nothing for writing and may run beside a writer. */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { frameEnd, FrameType, nextOffsetAfter } from './frame.ts'
import { sharedLog } from './shared-log.ts'
import { locatePartition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import { io, listSegmentFiles, openSegment, placeAfterHead, readHead, statDirectory, verifyLink } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'

/** A segment of a log as it stands. */
export interface SegmentInfo {
  readonly path: string
  readonly baseOffset: bigint
  /** The offset after its last record; equal to `baseOffset` where it holds none. */
  readonly nextOffset: bigint
  readonly records: number
  /** Valid bytes; a file may hold more, which mean nothing. */
  readonly bytes: number
  /** `active`: the last one, still written to; `sealed`: ended; `healed`: ended by its successor, after a failure. */
  readonly state: 'active' | 'sealed' | 'healed'
}

/**
 * The segments of a partition's log, oldest first. Reads a few bytes of each but the last, which it scans. Rejects as
 * `WalReader.open` and `read` do; an empty log has no segments. Damage inside a segment is not looked for.
 */
export async function listSegments(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
): Promise<SegmentInfo[]> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  const listed = await listSegmentFiles(fs, located.directory)
  const described: SegmentInfo[] = []
  for (const [at, segment] of listed.entries()) {
    const opened = await openSegment(fs, segment, { partition: located, mode: 'read' })
    try {
      const successor = listed[at + 1]
      described.push(
        successor === undefined
          ? await describeLast(opened, identity)
          : await describeEnded(opened, await readHead(fs, successor, located)),
      )
    } finally {
      await opened.handle.close()
    }
  }
  return described
}

/** A segment whose successor states where it ends. */
async function describeEnded(segment: OpenSegment, successor: SegmentHead): Promise<SegmentInfo> {
  const { path, baseOffset } = segment.head
  const { link, last } = await verifyLink(segment, successor)
  return {
    path,
    baseOffset: BigInt(baseOffset),
    nextOffset: BigInt(successor.baseOffset),
    records: successor.baseOffset - baseOffset,
    bytes: link.end,
    state: last.type === FrameType.SEAL ? 'sealed' : 'healed',
  }
}

/** The last segment: nothing but its own frames tells where it ends. */
async function describeLast({ handle, head }: OpenSegment, directoryIdentity: string): Promise<SegmentInfo> {
  const { path, baseOffset } = head
  const limit = await io('read the size of', path, () => handle.size())
  const bound = sharedLog(directoryIdentity).durableBound
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), path, limit })
  let last = { type: head.frame.type, end: frameEnd(head.frame), nextOffset: baseOffset }
  while (scanner.stop === null) {
    for (const { header } of await io('read', path, () => scanner.next())) {
      if (nextOffsetAfter(header) > bound) continue
      last = { type: header.type, end: frameEnd(header), nextOffset: nextOffsetAfter(header) }
    }
  }
  return {
    path,
    baseOffset: BigInt(baseOffset),
    nextOffset: BigInt(last.nextOffset),
    records: last.nextOffset - baseOffset,
    bytes: last.end,
    state: last.type === FrameType.SEAL ? 'sealed' : 'active',
  }
}
