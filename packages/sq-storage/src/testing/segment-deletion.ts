/** Segments for tests of their deletion, and which of them are left. */
import type { RetentionPolicy, WalWriter } from '../index.ts'
import type { LogFixture } from './log-fixture.ts'

/** Appends records with these timestamps, and ends their segment. */
export async function appendSegment(writer: WalWriter, ...timestampsMs: number[]): Promise<void> {
  for (const timestampMs of timestampsMs) await writer.append(null, Buffer.from(`at ${timestampMs}`), [], timestampMs)
  await writer.closeActiveSegment()
}

/** The base offsets of the segments that a policy deletes. */
export async function deleted(writer: WalWriter, policy: RetentionPolicy): Promise<number[]> {
  return (await writer.deleteSegments(policy)).map(({ baseOffset }) => Number(baseOffset))
}

/** The base offsets of the segments that the log has. */
export async function left(log: LogFixture): Promise<number[]> {
  return (await log.segmentNames()).map((name) => Number.parseInt(name, 10))
}

/** The sum of the sizes of these segment files. */
export async function sizeOf(log: LogFixture, ...bases: number[]): Promise<number> {
  let size = 0
  for (const base of bases) size += (await log.file(log.path(base))).length
  return size
}
