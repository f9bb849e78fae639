/** Makes a log in a data directory in one step, from what a function appends. */
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { verify, WalWriter } from '@sq/storage'
import type { LogReport } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { catchInterruption } from '../interruption.ts'
import type { LogName } from '../log-name.ts'

/** Limits as large as the log allows: what another log held is accepted. */
const LIMITS = { maxRecordBytes: 2 ** 30, maxBatchBytes: 2 ** 30 }

/**
 * Fills a log under a temporary name in the data directory, verifies it, and gives it its name. Resolves with its report.
 * Rejects, and leaves nothing behind, if the log exists already, or if `fill` rejects.
 */
export async function makeLog(
  { config: { dataDir }, topic, partition }: LogName,
  firstOffset: bigint,
  fill: (writer: WalWriter, signal: AbortSignal) => Promise<void>,
): Promise<LogReport> {
  const fs = new NodeFileSystem()
  const directory = resolve(dataDir, topic, String(partition))
  await refuseLink(fs, dirname(directory))
  await refuseExisting(fs, directory)
  await fs.mkdir(resolve(dataDir))
  using interruption = catchInterruption()
  // No topic has a tilde in its name.
  const temporary = await mkdtemp(join(resolve(dataDir), '~sq-wal-'))
  const config = { dataDir: temporary, ...LIMITS }
  try {
    const writer = await WalWriter.open(fs, config, topic, partition, { firstOffset })
    try {
      await fill(writer, interruption.signal)
    } catch (error) {
      // What failed first says more than that the writer cannot write the rest.
      await writer.close().catch(() => {})
      throw error
    }
    await writer.close()
    const report = await verify(fs, config, topic, partition)
    const [problem] = report.problems
    if (problem !== undefined) throw new CommandError(`the new log does not verify: ${problem.reason}`)
    await fs.mkdir(dirname(directory))
    await refuseExisting(fs, directory)
    await fs.rename(join(temporary, topic, String(partition)), directory)
    await fs.syncDirectory(dirname(directory))
    return report
  } catch (error) {
    if (error === interruption.signal.reason) {
      throw new CommandError('interrupted; nothing was made', { exitStatus: interruption.exitStatus })
    }
    throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function refuseExisting(fs: NodeFileSystem, directory: string): Promise<void> {
  const found = await fs.stat(directory).catch(() => null)
  if (found !== null) throw new CommandError(`${directory} exists already; choose another directory or name`)
}

/** A link inside the data directory would lead out of it. */
export async function refuseLink(fs: NodeFileSystem, path: string): Promise<void> {
  const found = await fs.stat(path).catch(() => null)
  if (found?.kind !== 'link') return
  throw new CommandError(`${path} is a symbolic link, and links are not followed inside a data directory`)
}
