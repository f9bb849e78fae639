/** A log whose reset was interrupted. */
import { join } from 'node:path'
import { segmentName } from '../wal/segment.ts'
import type { LogFixture } from './log-fixture.ts'
import { mixedLog } from './mixed-log.ts'

/** What a promise resolves with, or the error with which it rejects. */
export function outcome(pending: Promise<unknown>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

/** A log whose reset to offset 1000 was interrupted by a crash before its first segment was removed. */
export async function interruptedReset(): Promise<LogFixture> {
  const log = await mixedLog()
  const writer = await log.open()
  const hold = log.fs.faults.hold('unlink', log.path(0))
  void outcome(writer.resetTo(1000n))
  await hold.reached
  log.fs.crash()
  return log
}

/** The segment that an interrupted reset leaves, with which the next writer completes it. */
export function resetIntent(log: LogFixture): string {
  return join(log.directory, `${segmentName(1000)}.reset`)
}
