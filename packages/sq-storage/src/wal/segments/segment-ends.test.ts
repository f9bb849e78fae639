/** A segment is described by its bytes alone as the listing of its log describes it. */
import { describe, expect, test } from 'vitest'
import { listSegments, readSegmentEnds, readSegmentStart } from '../../index.ts'
import type { SegmentBytes } from '../../index.ts'
import { bytes, LogFixture } from '../../testing/log-fixture.ts'

/** The first `length` bytes of a file, and the sizes of the reads. */
async function contentOf(log: LogFixture, path: string, length: number): Promise<SegmentBytes & { reads: number[] }> {
  const content = (await log.file(path)).subarray(0, length)
  const reads: number[] = []
  const read = async (buffer: Uint8Array, position: number): Promise<number> => {
    reads.push(buffer.length)
    const part = content.subarray(position, position + buffer.length)
    buffer.set(part)
    return part.length
  }
  return { path, bytes: length, read, reads }
}

/** A log of three ended segments; the second is abandoned. */
async function logOfThree(valueBytes = 3): Promise<LogFixture> {
  const log = new LogFixture()
  const writer = await log.open()
  const value = Buffer.alloc(valueBytes, 'x')
  await writer.append({ value })
  await writer.closeActiveSegment()
  await writer.append({ value })
  log.fs.faults.failNext('sync', 'EIO')
  await expect(writer.append({ value: bytes('rejected') })).rejects.toThrow('EIO')
  await writer.append({ value })
  await writer.closeActiveSegment()
  await writer.append({ value: bytes('active') })
  return log
}

test('both ends of sealed and abandoned segments are those that the listing states', async () => {
  const log = await logOfThree()
  const segments = (await listSegments(log.fs, log.config, 'orders', 0)).slice(0, 3)
  expect(segments.map(({ state }) => state)).toEqual(['sealed', 'abandoned', 'sealed'])
  let previous = null
  for (const { path, bytes: length, baseOffset, nextOffset, link, createdMs, state } of segments) {
    const content = await contentOf(log, path, length)
    const start = { topic: 'orders', partition: 0, baseOffset, previous, createdMs }
    expect(await readSegmentStart(content)).toMatchObject(start)
    const ends = { ...start, nextOffset, link, isSealed: state === 'sealed' }
    expect(await readSegmentEnds(content)).toMatchObject(ends)
    previous = link
  }
})

test('the ends of a sealed segment take two small reads, also if it is large', async () => {
  const log = await logOfThree(1_000_000)
  const [sealed] = await listSegments(log.fs, log.config, 'orders', 0)
  const content = await contentOf(log, sealed?.path ?? '', sealed?.bytes ?? 0)
  await readSegmentEnds(content)
  expect(content.reads).toEqual([512, 4096])
})

test('the ends of a segment whose SEAL is longer than the last read take one more', async () => {
  const log = new LogFixture({ maxSegmentBytes: 64 * 1024 * 1024 })
  const writer = await log.open()
  const value = Buffer.alloc(66_000)
  for (let count = 0; count < 260; count++) await writer.append({ value })
  const closed = await writer.closeActiveSegment()
  const content = await contentOf(log, closed?.path ?? '', closed?.bytes ?? 0)
  expect(await readSegmentEnds(content)).toMatchObject({ nextOffset: 260n, link: closed?.link })
  expect(content.reads).toEqual([512, 4096, 40])
})

describe('the ends are refused', () => {
  test.each([
    ['that is cut', 1, -8],
    ['with an ignored tail', 1, 8],
    ['that is cut within its head', 0, -Infinity],
  ])('of a segment %s', async (_, index, change) => {
    const log = await logOfThree()
    const segment = (await listSegments(log.fs, log.config, 'orders', 0))[index]
    const content = await contentOf(log, segment?.path ?? '', Math.max(40, (segment?.bytes ?? 0) + change))
    await expect(readSegmentEnds(content)).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', path: segment?.path })
  })

  test('of a sealed segment that ends with the SEAL of another', async () => {
    const log = await logOfThree()
    const [first, , third] = await listSegments(log.fs, log.config, 'orders', 0)
    const [a, b] = [await log.file(first?.path ?? ''), await log.file(third?.path ?? '')]
    const mixed = Buffer.concat([a.subarray(0, 4096), b.subarray(4096)])
    const read = async (buffer: Uint8Array, position: number): Promise<number> =>
      mixed.copy(buffer, 0, position, position + buffer.length)
    const rejection = await readSegmentEnds({ path: 'mixed', bytes: mixed.length, read }).catch(
      (error: unknown) => error,
    )
    expect(rejection).toMatchObject({ code: 'SQ_WAL_CORRUPT', path: 'mixed', from: 4096 })
  })

  test('of a segment over 2^32 - 1 bytes', async () => {
    const large = { path: 'large', bytes: 2 ** 32, read: async () => 0 }
    await expect(readSegmentStart(large)).rejects.toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path: 'large' })
  })
})
