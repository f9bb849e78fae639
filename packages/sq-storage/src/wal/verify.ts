/**
 * Checks every byte of a log and changes nothing. A reader stops at the first damage. `verify` continues after it, and
 * lists the possible repairs, which `repair.ts` performs. `checking/` has the checks. It is loaded by the first call:
 * few processes that write or read a log ever check one.
 */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import type { LogReport } from './checking/report.ts'
import { locatePartition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import { sharedLog } from './shared/shared-log.ts'

/**
 * Reads every byte of a partition's log, checks everything that can be checked, and reports every problem with the
 * possible repairs. It opens nothing for writing and takes no lock. A writer may be at work: a write in progress is not
 * a problem, and segments that change in the meantime are checked again. The report covers the segments that existed at
 * the beginning and have not been deleted since; in the writer's thread, up to the high watermark at the beginning.
 *
 * Memory: one frame at a time, or 1 MiB, and the report. Rejects with a `TypeError` or `RangeError` for a bad config,
 * topic or partition, with `LogNotFoundError` if no writer ever opened this log, and with `WalIoError`. Damage is in
 * the report and never a rejection, and so is a read that fails with `EIO`.
 *
 * @example
 * ```ts
 * const report = await verify(fs, config, 'orders', 0)
 * console.log(report.records, report.problems.length) // 3 0
 * ```
 */
export async function verify(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<LogReport> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  const { checkLog } = await import('./checking/log-check.ts')
  const { describeLog } = await import('./checking/log-description.ts')
  return describeLog(await checkLog(fs, located, () => sharedLog(identity).highWatermark))
}
