/** A log with segments of every kind, for what changes whole logs. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { InMemoryFileSystemOptions } from '@sq/sim/memory'
import { LogFixture } from './log-fixture.ts'
import { SegmentBytes } from './segment-bytes.ts'

/** What the mixed log holds, by offset. */
export const MIXED_VALUES: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']

/** The base offsets of its segments: sealed; healed, with a rejected commit behind its end; sealed; active. */
export const MIXED_BASES: readonly number[] = [0, 2, 6, 8]

/** Makes it, all of it durable, in a file system of its own. */
export async function mixedLog(options: InMemoryFileSystemOptions = {}): Promise<LogFixture> {
  const log = new LogFixture({}, new InMemoryFileSystem(options))
  const sealed = new SegmentBytes().records('a').records('b').seal()
  const healed = new SegmentBytes({ baseOffset: 2, previous: sealed.link, segmentId: 2n })
  healed.records('c', 'd', 'e').records('f')
  const { link } = healed
  healed.records('rejected')
  const third = new SegmentBytes({ baseOffset: 6, previous: link, segmentId: 3n }).records('g').records('h').seal()
  const active = new SegmentBytes({ baseOffset: 8, previous: third.link, segmentId: 4n }).records('i').records('j', 'k')
  await log.makeSegments(sealed, healed, third, active)
  return log
}
