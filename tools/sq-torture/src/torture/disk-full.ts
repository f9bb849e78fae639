/**
 * Fills small real disks: appends that do not fit are rejected, and no acknowledged record is lost. When there is space
 * again, the same writer continues where it was. So does a writer that opened the log while the disk was full.
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
/** The size of a file that is deleted to free space. */
const BALLAST_BYTES = 2 * 1024 * 1024
/** After this many rejected appends in a row, the disk is full to the last block. */
const FULL_AFTER = 10

/** Yields a line per kind of disk. Rejects with a `Violation`, or when aborted. No disk stays mounted. */
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
    // A disk cannot be unmounted while a file on it is open. Report the first error.
    if (log.isOpen) await log.close().catch(() => {})
  }
}

/** `ballast`: the path of a file that takes space until it is deleted. */
async function fillTwice(
  log: WitnessedLog,
  { ballast, signal }: { ballast: string; signal: AbortSignal },
): Promise<void> {
  await log.open()

  // The writer that met the full disk continues.
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

/** Appends until nothing fits, in the end one record at a time. */
async function fill(log: WitnessedLog, signal: AbortSignal): Promise<void> {
  for (let rejected = false; !rejected;) {
    signal.throwIfAborted()
    const told = await Promise.all(Array.from({ length: 20 }, () => append(log, 20)))
    rejected = told.includes(false)
  }
  for (let inARow = 0; inARow < FULL_AFTER;) inARow = (await append(log, 1)) ? 0 : inARow + 1
}

/** With free space on the disk, every append succeeds. */
async function mustAppend(log: WitnessedLog): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const offset = log.writer.nextOffset
    if (!(await append(log, 3)))
      throw new Violation(`6: the append at offset ${offset} was rejected, although the disk has space again`)
  }
  await log.check()
}

/** False if the disk was full. Any other error is passed on. */
async function append(log: WitnessedLog, count: number): Promise<boolean> {
  const error = await log.append(count)
  if (error === null) return true
  if (isDiskFull(error)) return false
  throw new Error(`a full disk was reported as: ${error.message}`, { cause: error })
}

/** Closes the log. The durability marker at its end may not fit; then closing rejects. */
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
