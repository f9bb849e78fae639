/** Contents of objects, and the check of their checksum while they are copied. */
import { crc32 } from 'node:zlib'
import type { FileHandle, FileSystem } from '@sq/sim'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectSource } from './object-store.ts'

/** Each write of a part to a directory waits for the disk, so small ones would take several times as long. */
const PART_BYTES = 4 * 1024 * 1024

/** An object with these bytes. Do not change them afterwards. */
export function sourceOf(bytes: Uint8Array): ObjectSource {
  return {
    bytes: bytes.length,
    crc32: crc32(bytes),
    async read(buffer, position) {
      if (position + buffer.length > bytes.length) throw new RangeError('the source ends before the end of the buffer')
      buffer.set(bytes.subarray(position, position + buffer.length))
    },
  }
}

/** A file, or its first bytes, as the content of an object. Close it when the object is stored. */
export class FileSource implements ObjectSource {
  readonly bytes: number
  readonly crc32: number
  readonly #file: FileHandle

  private constructor(file: FileHandle, { bytes, crc32: sum }: { bytes: number; crc32: number }) {
    this.#file = file
    this.bytes = bytes
    this.crc32 = sum
  }

  /**
   * Opens the first `bytes` bytes of a file, for example the valid bytes of an ended segment, and reads them once for
   * their checksum. Rejects with a `RangeError` if the file is shorter, and with the errors of the file system.
   */
  static async open(fs: FileSystem, path: string, bytes: number): Promise<FileSource> {
    const file = await fs.open(path, 'read')
    try {
      let sum = 0
      const buffer = Buffer.allocUnsafeSlow(Math.min(PART_BYTES, bytes))
      for (let position = 0; position < bytes; position += buffer.length) {
        const part = buffer.subarray(0, Math.min(buffer.length, bytes - position))
        await fill(file, part, position)
        sum = crc32(part, sum)
      }
      return new FileSource(file, { bytes, crc32: sum })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async read(buffer: Uint8Array, position: number): Promise<void> {
    if (position + buffer.length > this.bytes) throw new RangeError('the source ends before the end of the buffer')
    await fill(this.#file, buffer, position)
  }

  /** Closes the file. A second call does nothing. */
  close(): Promise<void> {
    return this.#file.close()
  }
}

async function fill(file: FileHandle, buffer: Uint8Array, position: number): Promise<void> {
  const read = await file.read(buffer, position)
  if (read < buffer.length) {
    throw new RangeError(`the file ends at position ${position + read}, expected ${position + buffer.length} bytes`)
  }
}

/**
 * Reads a source from beginning to end in parts of up to 4 MiB, which are valid until the next one is asked for. Throws
 * a `bad-source` error after the last part if the checksum is not the stated one.
 */
export async function* partsOf(key: string, source: ObjectSource): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(PART_BYTES, source.bytes))
  let found = 0
  for (let position = 0; position < source.bytes; position += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, source.bytes - position))
    await source.read(part, position)
    found = crc32(part, found)
    yield part
  }
  checkSum(key, source, found)
}

/** Throws a `bad-source` error unless the checksum that was found is the one that the source states. */
export function checkSum(key: string, source: ObjectSource, found: number): void {
  if (found === source.crc32) return
  const sums = `checksum ${source.crc32} is stated, ${found} found`
  throw new ObjectStoreError('bad-source', `the content of ${JSON.stringify(key)} has changed: ${sums}`, { key })
}
