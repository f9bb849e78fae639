/** Copies files of a log, in bounded memory. */
import type { FileSystem } from '@sq/sim'
import { WalIoError } from '../../errors.ts'
import { LogFile } from '../segments/log-file.ts'

const CHUNK_BYTES = 256 * 1024

/**
 * Copies the first `bytes` of a file, or all of it, to a new one with the owner and mode of `like`. The bytes of the
 * copy are durable when this resolves, its name is not. Rejects with `WalIoError`, also if the file ends before that.
 */
export async function copyFile(
  fs: FileSystem,
  { from, to, like, bytes = Infinity }: { from: string; to: string; like?: string; bytes?: number },
): Promise<void> {
  const source = await LogFile.open(fs, from, 'read')
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
    throw new WalIoError('copy', source.path, new Error(`it ends at ${position}, expected ${bytes} bytes or more`))
  }
}
