/** Copies files of a log, in bounded memory. */
import type { FileSystem } from '@sq/sim'
import { WalIoError } from '../../errors.ts'
import { LogFile } from '../segments/log-file.ts'

/** Each write to the copy waits for the disk, so small ones would take several times as long. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** A file to copy. */
interface Copy {
  readonly from: string
  /** Where `from` is, if it is in a different file system than `to`. */
  readonly source?: FileSystem
  readonly to: string
  /** The file whose owner and mode the copy gets. */
  readonly like?: string
  /** How many bytes to copy; all if not given. */
  readonly bytes?: number
}

/**
 * Copies the first bytes of a file, or all of it, to a new one. The bytes of the copy are durable when this resolves,
 * its name is not. Rejects with `WalIoError`, also if the file ends before that.
 */
export async function copyFile(
  fs: FileSystem,
  { from, source: sourceFs = fs, to, like, bytes = Infinity }: Copy,
): Promise<void> {
  const source = await LogFile.open(sourceFs, from, 'read')
  try {
    const target = await LogFile.open(fs, to, 'create', like === undefined ? {} : { like })
    try {
      await copyBytes(source, target, bytes)
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function copyBytes(source: LogFile, target: LogFile, bytes: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes))
  let position = 0
  while (position < bytes) {
    const wanted = chunk.subarray(0, Math.min(chunk.length, bytes - position))
    const bytesRead = await source.read(wanted, position)
    await target.write([wanted.subarray(0, bytesRead)], position)
    position += bytesRead
    if (bytesRead < wanted.length) break
  }
  if (position < bytes && bytes !== Infinity) {
    throw new WalIoError(
      'copy',
      source.path,
      new Error(`it ends at ${position}, expected ${bytes} bytes or more; verify the log`),
    )
  }
}
