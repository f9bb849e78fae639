/**
 * Fills real disks, small ones: what does not fit is rejected, nothing acknowledged is lost, and with room again the
 * very same writer goes on where it was; so does one that opened the log while the disk was full.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WalError } from '@sq/storage'
import { Violation } from '../history.ts'
import { formatCount } from '../progress.ts'
import { NoDiskError, onSmallDisk } from './small-disk.ts'
import type { DiskKind } from './small-disk.ts'
import { WitnessedLog } from './witnessed-log.ts'

const KINDS: readonly DiskKind[] = ['tmpfs', 'ext4']
/** What is deleted to make room. */
const BALLAST_BYTES = 2 * 1024 * 1024
/** As many appends in a row are rejected on a disk that is full to the last block. */
const FULL_AFTER = 10

/** A line for each kind of disk. Rejects with a `Violation`, or when aborted; no disk is left mounted. */
export async function* fillDisks(directory: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  for (const kind of KINDS) {
    try {
      const log = await onSmallDisk(kind, directory, (mountPoint) => fillDisk(mountPoint, signal))
      yield (
        `filled a disk of ${kind} twice: ${formatCount(log.acknowledged)} records acknowledged, ` +
        `${formatCount(log.rejected)} rejected, 0 lost, 0 violations`
      )
    } catch (error) {
      if (!(error instanceof NoDiskError)) throw error
      yield `skipped the full disk of ${kind}: ${error.message}`
    }
  }
}

async function fillDisk(disk: string, signal: AbortSignal): Promise<WitnessedLog> {
  const log = new WitnessedLog(join(disk, 'data'))
  try {
    await fillTwice(log, { ballast: join(disk, 'ballast'), signal })
    return log
  } finally {
    // Nothing can be unmounted while a file on it is open. Whatever went wrong before is what is told.
    if (log.isOpen) await log.close().catch(() => {})
  }
}

/** `ballast`: the path of a file that takes room, and gives it back. */
async function fillTwice(
  log: WitnessedLog,
  { ballast, signal }: { ballast: string; signal: AbortSignal },
): Promise<void> {
  await log.open()

  // The writer that met the full disk goes on.
  await writeFile(ballast, Buffer.alloc(BALLAST_BYTES))
  await fill(log, signal)
  await log.check()
  await rm(ballast)
  await mustAppend(log)
  await log.close()
  await log.open()

  // Closed, opened and closed again while the disk is full.
  await writeFile(ballast, Buffer.alloc(BALLAST_BYTES / 2))
  await fill(log, signal)
  await closeOnFullDisk(log)
  await log.open()
  await log.check()
  await append(log, 1)
  await closeOnFullDisk(log)
  await log.open()
  await rm(ballast)
  await mustAppend(log)
  await log.close()
  await log.open()
  await log.close()
}

/** Appends until nothing fits any more: at last a single record, time after time. */
async function fill(log: WitnessedLog, signal: AbortSignal): Promise<void> {
  for (let rejected = false; !rejected;) {
    signal.throwIfAborted()
    const told = await Promise.all(Array.from({ length: 20 }, () => append(log, 20)))
    rejected = told.includes(false)
  }
  for (let inARow = 0; inARow < FULL_AFTER;) inARow = (await append(log, 1)) ? 0 : inARow + 1
}

/** With room on the disk every append is taken. */
async function mustAppend(log: WitnessedLog): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const offset = log.writer.nextOffset
    if (!(await append(log, 3))) throw new Violation(`6: with room again the append at offset ${offset} was rejected`)
  }
  await log.check()
}

/** False where the disk was full. No other error will do. */
async function append(log: WitnessedLog, count: number): Promise<boolean> {
  const error = await log.append(count)
  if (error === null) return true
  if (isDiskFull(error)) return false
  throw new Error(`a full disk was reported as: ${error.message}`, { cause: error })
}

/** What proves the end of the log may not fit; then it says so. */
async function closeOnFullDisk(log: WitnessedLog): Promise<void> {
  try {
    await log.close()
  } catch (error) {
    if (!(error instanceof WalError && isDiskFull(error))) throw error
  }
}

function isDiskFull({ cause }: WalError): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC'
}
