/** Copies of files that are smaller and larger than what is held in memory at a time. */
import { Random } from '@sq/sim'
import type { FileSystem, OpenOptions } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { MeasuredFiles } from '../../testing/measured-files.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { copyFile } from './copy-file.ts'

const CHUNK_BYTES = 4 * 1024 * 1024
const FROM = '/data/from'
const TO = '/data/to'

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir('/data')
})

/** Makes the file to copy, with bytes that differ from place to place. */
async function make(sizeBytes: number): Promise<Buffer> {
  const content = new Random(sizeBytes).bytes(sizeBytes)
  await log.make(FROM, content)
  return Buffer.from(content)
}

/** What a crash leaves of the copy once its name is durable. */
async function copied(): Promise<Buffer> {
  await log.fs.syncDirectory('/data')
  log.fs.crash()
  return log.file(TO)
}

const SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5]

describe('a copy', () => {
  it.each(SIZES)('of a file of %d bytes has the same bytes, durably', async (sizeBytes) => {
    const content = await make(sizeBytes)
    await copyFile(log.fs, { from: FROM, to: TO })
    expect(log.fs.openHandles).toBe(0)
    expect((await copied()).equals(content)).toBe(true)
  })

  it.each(SIZES)('of the first %d bytes of a longer file has no byte more', async (bytes) => {
    const content = await make(4 * CHUNK_BYTES)
    await copyFile(log.fs, { from: FROM, to: TO, bytes })
    expect((await copied()).equals(content.subarray(0, bytes))).toBe(true)
  })

  it('holds no more than a chunk of the file in memory, however large the file is', async () => {
    await make(4 * CHUNK_BYTES)
    const files = new MeasuredFiles(log.fs)
    await copyFile(files.fs, { from: FROM, to: TO })
    expect(files.largestRead).toBe(CHUNK_BYTES)
  })

  it.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])(
    'of more bytes than a file of %d bytes has is refused with both sizes, and leaves nothing open',
    async (sizeBytes) => {
      await make(sizeBytes)
      const refused = copyFile(log.fs, { from: FROM, to: TO, bytes: sizeBytes + 1 })
      await expect(refused).rejects.toMatchObject({
        code: 'SQ_WAL_IO',
        path: FROM,
        cause: { message: `it ends at ${sizeBytes}, expected ${sizeBytes + 1} bytes or more; verify the log` },
      })
      expect(log.fs.openHandles).toBe(0)
    },
  )

  it('gets the owner and mode of the file that `like` names, and those of a new file without it', async () => {
    await make(1)
    const options: (OpenOptions | undefined)[] = []
    const fs: FileSystem = {
      ...new MeasuredFiles(log.fs).fs,
      open(path, mode, given) {
        if (mode === 'create') options.push(given)
        return log.fs.open(path, mode)
      },
    }
    await copyFile(fs, { from: FROM, to: TO, like: FROM })
    await copyFile(fs, { from: FROM, to: `${TO}2` })
    expect(options).toStrictEqual([{ like: FROM }, {}])
  })

  it.each(['open', 'create', 'read', 'write', 'sync'] as const)(
    'whose %s fails rejects, and leaves nothing open',
    async (operation) => {
      await make(CHUNK_BYTES + 1)
      log.fs.faults.failNext(operation, 'EIO')
      await expect(copyFile(log.fs, { from: FROM, to: TO })).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
      expect(log.fs.openHandles).toBe(0)
    },
  )
})
