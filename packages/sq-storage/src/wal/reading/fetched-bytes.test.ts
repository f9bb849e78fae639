/** What readers read from files, and what they keep in memory and open between two calls. */
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { OffsetOutOfRangeError } from '../../index.ts'
import type { WalReader } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { fetched, measuredLog, openReader } from '../../testing/fetching.ts'
import { append, appendBatch, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'
import { MeasuredFiles } from '../../testing/measured-files.ts'
import { quiet } from '../../testing/quiet.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

describe('what is read from files', () => {
  it('is nothing for a fetch or an iteration that begins at the end and is followed by a commit', async () => {
    const { writer, reader, files } = await measuredLog(log)
    const waiting = reader.fetch({ from: 500n, maxWaitMs: Infinity })
    const tailing = reader.read({ from: 500n, follow: true })
    const first = tailing.next()
    const reached = reader.waitFor(500n)
    await quiet()
    await append(writer, 'next')
    expect((await waiting).nextOffset).toBe(501n)
    expect((await first).value?.offset).toBe(500n)
    expect(await reached).toBe(true)
    expect([files.reads, files.bytesRead]).toEqual([0, 0])
    await tailing.return?.()
  })

  it.each([0n, 500n])('is nothing for a reader that tails an empty log from its start (%d)', async (start) => {
    const files = new MeasuredFiles(log.fs)
    const writer = await log.open()
    if (start > 0n) await writer.resetTo(start)
    const reader = await openReader(log, files.fs)
    const tailing = reader.read({ follow: true })
    const first = tailing.next()
    await quiet()
    await append(writer, 'first')
    expect((await first).value?.offset).toBe(start)
    await append(writer, 'second')
    expect((await tailing.next()).value?.offset).toBe(start + 1n)
    expect([files.reads, files.bytesRead]).toEqual([0, 0])
    await tailing.return?.()
  })

  it('of an empty log begins where the log does if its first records are deleted before it sees them', async () => {
    const writer = await log.open()
    const reader = await openReader(log)
    const first = reader.read({ follow: true }).next()
    await quiet()
    await appendBatch(writer, ['a', 'b', 'c'])
    await writer.deleteRecords(2n)
    expect((await first).value?.offset).toBe(2n)
  })

  it('is nothing for what was appended since a reader was there', async () => {
    const { writer, reader, files } = await measuredLog(log)
    await reader.fetch({ from: 500n })
    await appendBatch(writer, ['a', 'b', 'c'])
    await append(writer, 'd')
    expect(await fetched(reader, { from: 500n })).toMatchObject({ values: ['a', 'b', 'c', 'd'] })
    expect(await fetched(reader, { from: 501n })).toMatchObject({ values: ['b', 'c', 'd'] })
    const values: string[] = []
    for await (const { value } of reader.read({ from: 502n })) values.push(String(value))
    expect([values, files.bytesRead]).toEqual([['c', 'd'], 0])
  })

  it('is little for a fetch from the middle of the active segment, by the index of the writer', async () => {
    const { reader, files } = await measuredLog(log)
    expect((await reader.fetch({ from: 250n, maxBytes: 1 })).nextOffset).toBe(251n)
    expect(files.bytesRead).toBeLessThan(150_000)
  })

  it('is less than 1.2 times what fetches return that go on from each other', async () => {
    const { reader, files } = await measuredLog(log)
    let bytes = 0
    for (let from = 100n; from < 500n;) {
      const { batches, nextOffset } = await reader.fetch({ from, maxBytes: 50_000 })
      for (const batch of batches) bytes += batch.bytes.length
      from = nextOffset
    }
    expect(files.bytesRead).toBeLessThan(1.2 * bytes)
  })

  const views: [string, (fs: FileSystem) => FileSystem][] = [
    ['in the process of the writer', (fs) => fs],
    ['in another process', (fs) => inAnotherProcess(fs, new Random(1))],
  ]

  it.each(views)('is what a fetch of old data returns, and little more than the index says, %s', async (_, view) => {
    const { writer, files } = await measuredLog(log)
    await writer.closeActiveSegment()
    await append(writer, 'in the next segment')
    const reader = await openReader(log, view(files.fs))
    // The first one reads the index.
    await reader.fetch({ from: 9n, maxBytes: 1 })
    for (let from = 480n; from > 0n; from -= 9n) {
      const before = files.bytesRead
      const { batches } = await reader.fetch({ from, maxBytes: 50_000 })
      const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
      // The distance to the place that the index knows, and one read of the least size.
      expect(files.bytesRead - before).toBeLessThan(bytes + 65_536 + 16_384 + 4096)
    }
  })

  it.each(views)('is little more than the index says for fetches that go on from each other, %s', async (_, view) => {
    const { writer, files } = await measuredLog(log)
    await writer.closeActiveSegment()
    await append(writer, 'in the next segment')
    const reader = await openReader(log, view(files.fs))
    await reader.fetch({ from: 9n, maxBytes: 1 })
    let [bytes, fetches, before] = [0, 0, files.bytesRead]
    for (let from = 100n; from < 500n; fetches++) {
      const { batches, nextOffset } = await reader.fetch({ from, maxBytes: 50_000 })
      for (const batch of batches) bytes += batch.bytes.length
      from = nextOffset
    }
    expect(files.bytesRead - before).toBeLessThan(1.2 * bytes + 65_536 * fetches)
  })

  it('comes in few large reads for many small fetches that go on from each other', async () => {
    const { reader, files } = await measuredLog(log)
    for (let from = 0n; from < 400n; from++) await reader.fetch({ from, maxBytes: 1 })
    expect(files.reads).toBeLessThan(20)
  })

  it('is not a batch that does not fit into the answer', async () => {
    const { reader, files } = await measuredLog(log, { values: 100, valueBytes: 40_000 })
    for (const from of [20n, 60n, 40n]) {
      const before = files.bytesRead
      expect((await reader.fetch({ from, maxBytes: 60_000 })).nextOffset).toBe(from + 1n)
      expect(files.bytesRead - before).toBeLessThan(90_000)
    }
    // Unless it is cut.
    expect((await reader.fetch({ from: 50n, to: 52n, maxBytes: 90_000 })).nextOffset).toBe(52n)
  })

  it('is a batch that fits into the answer exactly', async () => {
    const { reader } = await measuredLog(log, { values: 50, valueBytes: 40_000 })
    const [first] = (await reader.fetch({ from: 20n, maxBytes: 1 })).batches
    const maxBytes = 2 * (first?.bytes.length ?? NaN)
    expect((await reader.fetch({ from: 30n, maxBytes })).nextOffset).toBe(32n)
    expect((await reader.fetch({ from: 40n, maxBytes: maxBytes - 1 })).nextOffset).toBe(41n)
  })

  it('is one batch for a fetch that gets one batch, however long', async () => {
    const { reader, files } = await measuredLog(log, { values: 10, valueBytes: 300_000 })
    expect((await reader.fetch({ from: 5n, maxBytes: 1 })).nextOffset).toBe(6n)
    expect(files.bytesRead).toBeLessThan(310_000)
  })
})

test('an iteration that begins among the commits in memory ends where the log ended when it began', async () => {
  const { writer, reader } = await measuredLog(log)
  await reader.fetch({ from: 500n })
  await append(writer, 'a')
  const records = reader.read({ from: 500n })
  expect(String((await records.next()).value?.value)).toBe('a')
  await append(writer, 'b')
  expect(await records.next()).toEqual({ done: true, value: undefined })
})

test('what was deleted is not read from memory', async () => {
  const writer = await log.open()
  const reader = await openReader(log)
  await reader.fetch({ from: 0n })
  await append(writer, 'a')
  await writer.closeActiveSegment()
  await append(writer, 'b')
  await writer.deleteSegments({ belowOffset: 1n })
  expect((await log.outcome({ from: 0n })).error).toBeInstanceOf(OffsetOutOfRangeError)
  expect(await log.outcome({ from: 1n })).toEqual({ values: ['b'], error: null })
})

/** A reader of a log of many segments: a fetch that ends inside one leaves its file open. */
async function longLog(): Promise<WalReader> {
  log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await appendEach(writer, numbered(150))
  await writer.closeActiveSegment()
  return openReader(log)
}

describe('the streams that a reader keeps between fetches', () => {
  it('are at most 8, of those that were used last', async () => {
    const reader = await longLog()
    const held = log.fs.openHandles
    const opens = () => log.fs.operations.count('open')
    // One fetch in each segment but the last, and one that continues it.
    const first = (await log.segmentNames()).slice(0, -1).map((name) => BigInt(Number.parseInt(name, 10)))
    expect(first.length).toBeGreaterThan(9)
    for (const from of first) await reader.fetch({ from, maxBytes: 1 })
    expect(log.fs.openHandles - held).toBe(8)
    const before = opens()
    for (const from of first.slice(-8)) await reader.fetch({ from: from + 1n, maxBytes: 1 })
    expect(opens()).toBe(before)
    await reader.fetch({ from: (first.at(-9) ?? 0n) + 1n, maxBytes: 1 })
    expect(opens()).toBeGreaterThan(before)
    await reader.close()
    expect(log.fs.openHandles).toBe(held)
  })

  it('are one for each offset, also if several fetches end there', async () => {
    const reader = await longLog()
    const held = log.fs.openHandles
    await Promise.all(Array.from({ length: 5 }, () => reader.fetch({ from: 10n, maxBytes: 1 })))
    expect(log.fs.openHandles - held).toBe(1)
    await reader.close()
    expect(log.fs.openHandles).toBe(held)
  })
})
