/** A log with segments of every kind, for tests of operations on whole logs. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { InMemoryFileSystemOptions } from '@sq/sim/memory'
import { LogFixture } from './log-fixture.ts'
import { SegmentBytes } from './segment-bytes.ts'

/** The values of the mixed log, by offset. */
export const MIXED_VALUES: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']

/** The base offsets of its segments: sealed; abandoned, with a rejected commit after its end; sealed; active. */
export const MIXED_BASES: readonly number[] = [0, 2, 6, 8]

/** Creates the log, all of it durable, in a file system of its own. */
export async function mixedLog(options: InMemoryFileSystemOptions = {}): Promise<LogFixture> {
  const log = new LogFixture({}, new InMemoryFileSystem(options))
  const sealed = new SegmentBytes().records('a').records('b').seal()
  const abandoned = new SegmentBytes({ baseOffset: 2, previous: sealed.link, segmentId: 2n })
  abandoned.records('c', 'd', 'e').records('f')
  const { link } = abandoned
  abandoned.records('rejected')
  const third = new SegmentBytes({ baseOffset: 6, previous: link, segmentId: 3n }).records('g').records('h').seal()
  const active = new SegmentBytes({ baseOffset: 8, previous: third.link, segmentId: 4n }).records('i').records('j', 'k')
  await log.makeSegments(sealed, abandoned, third, active)
  return log
}
