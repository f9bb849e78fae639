/** Handles a file system that a failed sync has made read-only: only a restart of the machine helps. */
import { WalIoError } from '@sq/storage'
import type { LogUnderTest } from './log/log-under-test.ts'

/** Runs an action on a log or several. If the file system has become read-only, restarts the machine and opens them. */
export async function untilReadOnly(
  log: Pick<LogUnderTest, 'die' | 'fs'> & { open(): Promise<unknown> },
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof WalIoError) || systemCode(error.cause) !== 'EROFS') throw error
    log.die()
    log.fs.crash()
    await log.open()
  }
}

function systemCode(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
