/** What helps where a failed sync has made the file system read-only: nothing but to start the machine again. */
import { WalIoError } from '@sq/storage'
import type { LogUnderTest } from './log-under-test.ts'

/** Does something to a log. If its file system turns out to be read-only, starts the machine and opens the log. */
export async function untilReadOnly(log: LogUnderTest, work: () => Promise<unknown>): Promise<void> {
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
