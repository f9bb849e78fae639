/** What a reader with `durableOnly` returns, in the process of the writer and in a different one. */
import { Random } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, OffsetOutOfRangeError, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions, RecordBatch, WalWriter } from '../../index.ts'
import { actingAfterReadAt, inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendBatch, appendEach, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

const text = ({ value }: LogRecord): string => String(value)

/** A reader in another process than the writer. */
function openInAnotherProcess(): Promise<WalReader> {
  return WalReader.open(inAnotherProcess(log.fs, new Random(1)), log.config, 'orders', 0)
}

/** The values that a reader in another process gets with `durableOnly`, and the error that ended it. */
async function readInAnotherProcess(options: ReadOptions = {}): Promise<{ values: string[]; error: unknown }> {
  const values: string[] = []
  try {
    const reader = await openInAnotherProcess()
    for await (const record of reader.read({ durableOnly: true, ...options })) values.push(text(record))
    return { values, error: null }
  } catch (error) {
    return { values, error }
  }
}

async function shown(options: ReadOptions = {}): Promise<string[]> {
  const { values, error } = await readInAnotherProcess(options)
  if (error !== null) throw error
  return values
}

/** A tailing reader in another process, and the values seen so far. */
async function tailInAnotherProcess(): Promise<{ seen: string[]; stop(): Promise<void> }> {
  const iteration = (await openInAnotherProcess()).read({ durableOnly: true, follow: true })
  const seen: string[] = []
  const ended = (async () => {
    for await (const record of iteration) seen.push(text(record))
  })()
  return {
    seen,
    async stop() {
      await iteration.return?.()
      await ended
    },
  }
}

describe('in another process, a reader with durableOnly', () => {
  it('gets a commit once the next one, which confirms it, is written', async () => {
    const writer = await log.open()
    expect(await shown()).toEqual([])
    await append(writer, 'a')
    expect(await shown()).toEqual([])
    await appendBatch(writer, ['b', 'c'])
    expect(await shown()).toEqual(['a'])
    const hold = log.fs.faults.hold('sync', log.path(0))
    const pending = append(writer, 'd')
    await hold.reached
    expect(await shown()).toEqual(['a', 'b', 'c'])
    hold.release()
    await pending
    expect(await shown()).toEqual(['a', 'b', 'c'])
  })

  it('gets the frames of a write together, once the next write confirms them', async () => {
    const segment = new SegmentBytes().records('a').write(['b'], ['c'], ['d'])
    await log.makeSegments(segment)
    expect(await shown()).toEqual(['a'])
    await log.overwrite(log.path(0), segment.records('e').bytes)
    expect(await shown()).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each<[string, (writer: WalWriter) => Promise<unknown>]>([
    ['the end of its segment', (writer) => writer.closeActiveSegment()],
    ['the closing of the writer', (writer) => writer.close()],
  ])('gets the last commit at %s', async (_, end) => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    expect(await shown()).toEqual(['a'])
    await end(writer)
    expect(await shown()).toEqual(['a', 'b'])
  })

  it('gets all of a segment that has a successor, and not the commit in that one', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await writer.closeActiveSegment()
    await append(writer, 'c')
    expect(await shown()).toEqual(['a', 'b'])
  })

  it('never sees a rejected commit, neither before the roll-over to a new segment nor after it', async () => {
    const writer = await log.open()
    const tail = await tailInAnotherProcess()
    await appendEach(writer, ['a', 'b'])
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    await quiet()
    expect([await shown(), tail.seen]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    await append(writer, 'c')
    await quiet()
    expect([await shown(), tail.seen]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    await append(writer, 'd')
    await quiet()
    expect(tail.seen).toEqual(['a', 'b', 'c'])
    await tail.stop()
  })

  it('gets the last commit of an abandoned segment, which only the next segment confirms', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.add({ on: 'write', when: { nth: 1 }, fault: { error: 'EIO' } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    expect(await shown()).toEqual([])
    await append(writer, 'b')
    expect(await shown()).toEqual(['a'])
  })

  it('does not see what a killed process wrote but did not sync until the log is recovered', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const hold = log.fs.faults.hold('sync', log.path(0))
    append(writer, 'b').catch(() => {})
    await hold.reached
    log.fs.kill()
    expect(await shown()).toEqual(['a'])
    expect((await log.outcome()).values).toEqual(['a', 'b'])
    const again = await log.open()
    expect(await shown()).toEqual(['a', 'b'])
    await again.close()
  })

  it('is woken, if it tails, by what confirms a commit', async () => {
    const writer = await log.open()
    const tail = await tailInAnotherProcess()
    await append(writer, 'a')
    await quiet()
    expect(tail.seen).toEqual([])
    await append(writer, 'b')
    await quiet()
    expect(tail.seen).toEqual(['a'])
    await writer.closeActiveSegment()
    await quiet()
    expect(tail.seen).toEqual(['a', 'b'])
    await append(writer, 'c')
    await quiet()
    expect(tail.seen).toEqual(['a', 'b'])
    await writer.close()
    await quiet()
    expect(tail.seen).toEqual(['a', 'b', 'c'])
    await tail.stop()
    expect(log.fs.openHandles).toBe(0)
  })

  it('continues across a truncation inside a commit, which writes a part of the commit again', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await appendBatch(writer, ['b', 'c', 'd'])
    await writer.truncate(3n)
    expect(await shown()).toEqual(['a'])
    const tail = await tailInAnotherProcess()
    await append(writer, 'new')
    await quiet()
    expect([await shown(), tail.seen]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ])
    await tail.stop()
  })

  it('may begin at an offset of a commit that is left out, or after its last one', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await appendBatch(writer, ['b', 'c'])
    for (const from of [1n, 2n, 3n]) expect(await shown({ from })).toEqual([])
    const { error } = await readInAnotherProcess({ from: 4n })
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject({ offset: 4n, firstOffset: 0n, nextOffset: 3n })
    const iteration = (await openInAnotherProcess()).read({ durableOnly: true, follow: true, from: 2n })
    const next = iteration.next()
    await quiet()
    await append(writer, 'd')
    expect((await next).value).toMatchObject({ offset: 2n })
    await iteration.return?.()
  })

  it('ends at the limit that was asked for, in records and in commits', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c', 'd'])
    expect(await shown({ to: 2n })).toEqual(['a', 'b'])
    expect(await shown({ to: 4n })).toEqual(['a', 'b', 'c'])
    expect(await shown({ maxRecords: 2 })).toEqual(['a', 'b'])
    expect(await shown({ fromTimestampMs: TIMESTAMP_MS })).toEqual(['a', 'b', 'c'])
    expect(await shown({ fromTimestampMs: TIMESTAMP_MS + 1 })).toEqual([])
    const batches: RecordBatch[] = []
    for await (const batch of (await openInAnotherProcess()).readBatches({ durableOnly: true, from: 1n }))
      batches.push(batch)
    expect(batches.map(({ baseOffset }) => baseOffset)).toEqual([1n, 2n])
  })

  it('begins at a time that only a commit which is left out reaches, once that commit is confirmed', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await writer.append(null, Buffer.from('late'), [], TIMESTAMP_MS + 5)
    expect(await shown({ fromTimestampMs: TIMESTAMP_MS + 5 })).toEqual([])
    await append(writer, 'b')
    expect(await shown({ fromTimestampMs: TIMESTAMP_MS + 5 })).toEqual(['late'])
  })
})

/** Records, and a MARK that was made when only the first of them were durable. */
function markThatConfirmsLess(): SegmentBytes {
  const segment = new SegmentBytes().records('a').records('b')
  return segment.mark(0, segment.at(1).position)
}

describe('of frames built by hand, a reader with durableOnly', () => {
  it.each<[string, SegmentBytes, string[]]>([
    ['nothing', new SegmentBytes().records('a').records('b', 'c'), ['a']],
    ['a MARK', new SegmentBytes().records('a').records('b').mark(), ['a', 'b']],
    ['a SEAL', new SegmentBytes().records('a').records('b').seal(), ['a', 'b']],
    ['a MARK that confirms less', markThatConfirmsLess(), ['a']],
  ])('sees what is confirmed if %s is behind the last commits', async (_, segment, values) => {
    await log.makeSegments(segment)
    expect(await shown()).toEqual(values)
  })

  it('sees the records before damage, which the same later frame confirms', async () => {
    const segment = new SegmentBytes().records('a').records('b').mark().mark()
    const damaged = Buffer.from(segment.bytes)
    damaged[segment.at(1).position + 2] = 0xff
    await log.makeSegments({ baseOffset: 0, bytes: damaged })
    const { values, error } = await readInAnotherProcess()
    expect(values).toEqual(['a'])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ firstOffset: 1n, lastOffset: 1n })
  })

  it('does not see what is before a torn end, which confirms nothing', async () => {
    const { bytes } = new SegmentBytes().records('a').records('b').records('c')
    await log.makeSegments({ baseOffset: 0, bytes: bytes.subarray(0, -8) })
    expect(await shown()).toEqual(['a'])
  })
})

it('does not see a commit that a successor of the writer replaces before the bytes after it are read', async () => {
  const zeros = Buffer.alloc(4096)
  const lost = new SegmentBytes().records('a').records('lost')
  const replaced = new SegmentBytes().records('a').records('kept').records('b').records('c')
  const bytes = Buffer.concat([replaced.bytes, zeros])
  await log.makeSegments({ baseOffset: 0, bytes: Buffer.concat([lost.bytes, zeros]).subarray(0, bytes.length) })
  const fs = actingAfterReadAt(lost.headBytes, log.fs, () => log.overwrite(log.path(0), bytes))
  const reader = await WalReader.open(fs, log.config, 'orders', 0)
  const seen: string[] = []
  for await (const record of reader.read({ durableOnly: true })) seen.push(text(record))
  expect(seen).toEqual(['a', 'kept', 'b'])
})

describe("in the writer's thread, a reader with durableOnly", () => {
  it('gets what was left out before, once a writer is opened there', async () => {
    await log.makeSegments(new SegmentBytes().records('a').records('b'))
    const iteration = (await WalReader.open(log.fs, log.config, 'orders', 0)).read({ durableOnly: true, follow: true })
    expect(text((await iteration.next()).value as LogRecord)).toBe('a')
    const next = iteration.next()
    await quiet()
    const hold = log.fs.faults.hold('sync', log.path(0))
    const opening = log.open()
    await hold.reached
    await quiet()
    hold.release()
    const writer = await opening
    expect(text((await next).value as LogRecord)).toBe('b')
    await iteration.return?.()
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets everything durable, confirmed by the files or not', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    expect(await log.outcome({ durableOnly: true })).toEqual({ values: ['a', 'b'], error: null })
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const iteration = reader.read({ durableOnly: true, follow: true, from: 2n })
    const next = iteration.next()
    await append(writer, 'c')
    expect(text((await next).value as LogRecord)).toBe('c')
    await writer.close()
    const again = await log.open()
    await append(again, 'd')
    expect(text((await iteration.next()).value as LogRecord)).toBe('d')
    await iteration.return?.()
    await again.close()
  })
})
