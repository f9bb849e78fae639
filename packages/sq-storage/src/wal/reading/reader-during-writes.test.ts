import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, OffsetOutOfRangeError, WalReader } from '../../index.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

describe('with a writer in the same process, read', () => {
  it('never returns a record before it is durable', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const hold = log.fs.faults.hold('sync', log.path(0))
    const pending = append(writer, 'c')
    await hold.reached
    expect(await log.file(log.path(0))).toHaveLength(120 + 3 * 72)
    expect(await log.outcome()).toEqual({ values: ['a', 'b'], error: null })
    expect((await log.outcome({ from: 3n })).error).toBeInstanceOf(OffsetOutOfRangeError)
    hold.release()
    await pending
    expect(await log.outcome()).toEqual({ values: ['a', 'b', 'c'], error: null })
  })

  it('never returns a rejected record, before and after the roll-over to a new segment', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    expect(await log.outcome()).toEqual({ values: ['a'], error: null })
    expect(await log.outcome({ from: 1n })).toEqual({ values: [], error: null })
    await append(writer, 'b')
    expect(await log.outcome()).toEqual({ values: ['a', 'b'], error: null })
  })

  it('ends with what was durable when it began, even if the writer appends more', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const values: string[] = []
    for await (const { value } of (await WalReader.open(log.fs, log.config, 'orders', 0)).read()) {
      values.push(String(value))
      await append(writer, 'later')
      await writer.closeActiveSegment()
    }
    expect(values).toEqual(['a', 'b'])
    expect((await log.outcome()).values).toEqual(['a', 'b', 'later', 'later'])
  })

  it('never returns a record before it is durable, even if it began before the writer was opened', async () => {
    await log.makeSegments(new SegmentBytes().records('a'))
    const iteration = (await WalReader.open(log.fs, log.config, 'orders', 0)).read()
    expect((await iteration.next()).value?.offset).toBe(0n)
    const writer = await log.open()
    await append(writer, 'b')
    await writer.closeActiveSegment()
    await append(writer, 'c')
    const hold = log.fs.faults.hold('sync', log.path(2))
    const pending = append(writer, 'd')
    await hold.reached
    const offsets: bigint[] = []
    for await (const { offset } of iteration) offsets.push(offset)
    expect(offsets).toEqual([1n, 2n])
    hold.release()
    await pending
  })

  it('finds the writer however the path is spelled', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const hold = log.fs.faults.hold('sync', log.path(0))
    const pending = append(writer, 'b')
    await hold.reached
    const reader = await WalReader.open(log.fs, { dataDir: '/other/../data/' }, 'orders', 0)
    const offsets: bigint[] = []
    for await (const { offset } of reader.read()) offsets.push(offset)
    expect(offsets).toEqual([0n])
    hold.release()
    await pending
  })

  it('reports damage if acknowledged bytes are gone, even if nothing in the file confirms them', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const content = await log.file(log.path(0))
    await log.overwrite(log.path(0), content.subarray(0, -72))
    const { values, error } = await log.outcome()
    expect(values).toEqual(['a'])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(0), firstOffset: 1n, lastOffset: 1n })
  })
})

describe('after a writer in another process, read', () => {
  it('returns the last whole commit, acknowledged or not, and nothing of one that is torn', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const hold = log.fs.faults.hold('sync', log.path(0))
    append(writer, 'b').catch(() => {})
    await hold.reached
    log.fs.kill()
    expect(await log.outcome()).toEqual({ values: ['a', 'b'], error: null })
    const content = await log.file(log.path(0))
    await log.overwrite(log.path(0), content.subarray(0, -1))
    expect(await log.outcome()).toEqual({ values: ['a'], error: null })
  })

  it('is not bound by a writer of the same path in another file system', async () => {
    const other = new LogFixture({}, new InMemoryFileSystem())
    await other.open()
    await log.makeSegments(new SegmentBytes().records('a'))
    expect(await log.outcome()).toEqual({ values: ['a'], error: null })
  })
})
