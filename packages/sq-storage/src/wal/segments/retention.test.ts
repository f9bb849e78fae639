import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, LogNotFoundError, WalReader } from '../../index.ts'
import type { LogRecord, RetentionPolicy, WalWriter } from '../../index.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { append, appendBatch, appendEach, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { listExpired } from '../listing.ts'
import { checkPolicy } from './retention.ts'

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = new LogFixture()
  log.clock.setNow(100)
  writer = await log.open()
})

/** Appends records with these timestamps, and ends their segment. */
async function appendSegment(...timestampsMs: number[]): Promise<void> {
  for (const timestampMs of timestampsMs) await writer.append(null, Buffer.from(`at ${timestampMs}`), [], timestampMs)
  await writer.closeActiveSegment()
}

async function sizeOf(...bases: number[]): Promise<number> {
  let size = 0
  for (const base of bases) size += (await log.file(log.path(base))).length
  return size
}

/** The base offsets of the segments that a policy deleted. */
async function deleted(policy: RetentionPolicy): Promise<number[]> {
  return (await writer.deleteSegments(policy)).map(({ baseOffset }) => Number(baseOffset))
}

async function read(): Promise<AsyncIterableIterator<LogRecord>> {
  return (await WalReader.open(log.fs, log.config, 'orders', 0)).read()
}

async function left(): Promise<number[]> {
  return (await log.segmentNames()).map((name) => Number.parseInt(name, 10))
}

describe('deleteSegments', () => {
  beforeEach(async () => {
    await appendSegment(10, 30, 20)
    await appendSegment(15, 16)
    await appendSegment(40)
    await append(writer, 'active')
  })

  it.each([
    [0n, []],
    [2n, []],
    [3n, [0]],
    [4n, [0]],
    [5n, [0, 3]],
    [6n, [0, 3, 5]],
    [7n, [0, 3, 5]],
    [1000n, [0, 3, 5]],
  ])('deletes what holds only offsets below %d, and never the active one', async (belowOffset, expected) => {
    expect(await deleted({ belowOffset })).toEqual(expected)
    expect(await left()).toEqual([0, 3, 5, 6].slice(expected.length))
    expect(await log.values()).toHaveLength(7 - ([0, 3, 5, 6][expected.length] ?? 0))
  })

  it('deletes until the files take no more than allowed', async () => {
    const total = await sizeOf(0, 3, 5, 6)
    expect(await deleted({ maxTotalBytes: total })).toEqual([])
    expect(await deleted({ maxTotalBytes: total - 1 })).toEqual([0])
    expect(await deleted({ maxTotalBytes: await sizeOf(6) })).toEqual([3, 5])
    expect(await deleted({ maxTotalBytes: 0 })).toEqual([])
    expect(await left()).toEqual([6])
  })

  it('deletes by the largest timestamp, only with all that is older', async () => {
    log.clock.setNow(130)
    expect(await deleted({ maxAgeMs: 100 })).toEqual([])
    log.clock.advance(1)
    expect(await deleted({ maxAgeMs: 100 })).toEqual([0, 3])
    log.clock.advance(10)
    expect(await deleted({ maxAgeMs: 100 })).toEqual([5])
  })

  it('deletes what any of several limits releases', async () => {
    log.clock.setNow(131)
    expect(await deleted({ maxAgeMs: 100, belowOffset: 6n, maxTotalBytes: Number.MAX_SAFE_INTEGER })).toEqual([0, 3, 5])
  })

  it('resolves with what the segments were, and does not report them closed again', async () => {
    const closed = [...log.closed]
    const [first] = await writer.deleteSegments({ belowOffset: 3n })
    expect(first).toEqual({
      path: log.path(0),
      topic: 'orders',
      partition: 0,
      createdMs: 100,
      baseOffset: 0n,
      nextOffset: 3n,
      lastOffset: 2n,
      records: 3,
      bytes: closed[0]?.bytes,
      minTimestampMs: 10,
      maxTimestampMs: 30,
      state: 'sealed',
      link: closed[0]?.link,
    })
    expect(log.closed).toEqual(closed)
  })

  it('removes one name at a time, each durably, once it has the lock', async () => {
    const trace = log.fs.operations.trace()
    await deleted({ belowOffset: 5n })
    const changes = trace.lines.filter((line) => /^(stat '.*lock'|unlink|syncDirectory)/.test(line))
    const lock = `stat '${log.directory}/lock'`
    const sync = `syncDirectory '${log.directory}'`
    // Once before it lists the segments, and once before each change.
    expect(changes).toEqual([lock, lock, `unlink '${log.path(0)}'`, sync, lock, `unlink '${log.path(3)}'`, sync])
  })

  it('waits for earlier appends, and later appends wait for it', async () => {
    const before = append(writer, 'before')
    const closing = writer.closeActiveSegment()
    const deleting = deleted({ belowOffset: 8n })
    const after = append(writer, 'after')
    const settled = await Promise.all([before, closing, deleting, after])
    expect(settled).toMatchObject([7n, { baseOffset: 6n }, [0, 3, 5, 6], 8n])
    expect(await log.values()).toEqual(['after'])
  })

  it.each([
    [0n, []],
    [2n, []],
    [3n, [0]],
    [4n, [0]],
    [5n, [0, 3]],
    [1000n, [0, 3, 5]],
  ])('keeps what holds offset %d or a later one, whatever the limits release', async (keepFromOffset, expected) => {
    log.clock.setNow(1000)
    const policy = { belowOffset: 1000n, maxTotalBytes: 0, maxAgeMs: 959, keepFromOffset }
    const { fs, config } = log
    const expired = await listExpired(fs, config, 'orders', 0, { policy, nowMs: 1000 })
    expect(expired.map(({ baseOffset }) => Number(baseOffset))).toEqual(expected)
    expect(await deleted(policy)).toEqual(expected)
  })

  it('asks the file system nothing but the lock if it deletes nothing of what this writer wrote', async () => {
    const { lines } = log.fs.operations.trace()
    expect(await deleted({ maxTotalBytes: 1e9, maxAgeMs: 1e9, belowOffset: 1n })).toEqual([])
    expect(lines).toEqual([expect.stringMatching(/^stat '.*lock'/)])
  })

  it('counts the files by their size, also what a failed write left in one', async () => {
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, Buffer.alloc(5000))).rejects.toThrow('EIO')
    await append(writer, 'after')
    const total = await sizeOf(0, 3, 5, 6, 7)
    expect(await deleted({ maxTotalBytes: total })).toEqual([])
    expect(await deleted({ maxTotalBytes: total - 1 })).toEqual([0])
    await writer.truncate(4n)
    expect(await deleted({ maxTotalBytes: await sizeOf(3, 4) })).toEqual([])
    await writer.close()
    writer = await log.open()
    expect(await deleted({ maxTotalBytes: await sizeOf(3, 4) })).toEqual([])
    expect(await deleted({ maxTotalBytes: (await sizeOf(3, 4)) - 1 })).toEqual([3])
  })

  it('counts the files by their size, also that of a segment which a failed truncation has cut', async () => {
    await appendBatch(writer, ['a', 'b'])
    await append(writer, 'dropped'.repeat(1000))
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    await append(writer, 'after')
    // The new segment has its name, and the directory with this name is not durable yet.
    log.fs.faults.add({ on: 'syncDirectory', when: { nth: 2 }, fault: { error: 'EIO' } })
    await expect(writer.truncate(8n)).rejects.toThrow('EIO')
    expect(await left()).toEqual([0, 3, 5, 6, 7])
    await append(writer, 'next')
    const total = await sizeOf(...(await left()))
    expect(await deleted({ maxTotalBytes: total })).toEqual([])
    expect(await deleted({ maxTotalBytes: total - 1 })).toEqual([0])
  })

  it('continues where it failed', async () => {
    await writer.close()
    writer = await log.open()
    for (const operation of ['stat', 'open', 'read', 'size', 'unlink', 'syncDirectory'] as const) {
      log.fs.faults.failNext(operation, 'EIO')
      await expect(deleted({ belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    }
    expect(await deleted({ belowOffset: 6n })).toEqual([0, 3, 5])
    expect(await append(writer, 'next')).toBe(7n)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('goes on if a removal that failed has removed the file', async () => {
    const unlink = log.fs.unlink.bind(log.fs)
    log.fs.unlink = async (path) => {
      await unlink(path)
      throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    await expect(deleted({ belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    log.fs.unlink = unlink
    expect(await deleted({ belowOffset: 6n })).toEqual([0, 3, 5])
    expect(await left()).toEqual([6])
  })

  it('changes nothing once the lock is lost', async () => {
    await log.fs.unlink(`${log.directory}/lock`)
    await expect(deleted({ belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    expect(await left()).toEqual([0, 3, 5, 6])
  })

  it('deletes nothing if a segment does not end as its successor states', async () => {
    await writer.close()
    writer = await log.open()
    const content = await log.file(log.path(3))
    await log.overwrite(log.path(3), flipped(content, 8 * (content.length - 60)))
    await expect(deleted({ belowOffset: 6n })).rejects.toThrow(CorruptLogError)
    expect(await left()).toEqual([0, 3, 5, 6])
  })

  it('rejects on a closed writer', async () => {
    await writer.close()
    await expect(deleted({ belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  })
})

describe('if every record is deleted, deleteSegments', () => {
  it('creates an empty segment first, and the offsets continue', async () => {
    await appendSegment(1, 2)
    const trace = log.fs.operations.trace()
    expect(await deleted({ maxTotalBytes: 0 })).toEqual([0])
    const changes = trace.lines.filter((line) => /^(rename|unlink) /.test(line) && !line.includes('ENOENT'))
    expect(changes).toEqual([`rename '${log.directory}/next.tmp' -> '${log.path(2)}'`, `unlink '${log.path(0)}'`])
    expect(await log.values()).toEqual([])
    await writer.close()
    writer = await log.open()
    expect(writer.nextOffset).toBe(2n)
    expect(await append(writer, 'c')).toBe(2n)
  })

  it('creates no segment if one is left, or if there is none', async () => {
    expect(await deleted({ maxTotalBytes: 0 })).toEqual([])
    expect(await left()).toEqual([])
    await appendSegment(1)
    await appendSegment(2)
    expect(await deleted({ belowOffset: 1n })).toEqual([0])
    expect(await left()).toEqual([1])
  })

  it('keeps an abandoned active segment', async () => {
    await appendSegment(1)
    await append(writer, 'b')
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    // The rollover fails after the rename of the new segment, which is visible but maybe not durable.
    const rule = log.fs.faults.add({ on: 'syncDirectory', fault: { error: 'EIO' } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    expect([rule.hits, await left()]).toEqual([1, [0, 1, 2]])
    expect(await deleted({ belowOffset: 2n })).toEqual([0])
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['b', 'c'])
  })
})

describe('listExpired', () => {
  const policies = [
    { belowOffset: 4n },
    { belowOffset: 1000n },
    { maxTotalBytes: 0 },
    { maxAgeMs: 101 },
    { maxAgeMs: 1e9 },
  ]

  it.each(policies)('lists what %o would delete, and deletes nothing', async (policy) => {
    const { fs, config, clock } = log
    clock.setNow(141)
    for (const isActive of [true, false]) {
      await appendSegment(10, 30, 20)
      await appendSegment(40)
      if (isActive) await append(writer, 'active')
      const before = await left()
      const expired = await listExpired(fs, config, 'orders', 0, { policy, nowMs: clock.now() })
      expect(await left()).toEqual(before)
      expect(await writer.deleteSegments(policy)).toEqual(expired)
    }
  })

  it('lists nothing of an empty log, and rejects where there is none, and for a bad policy', async () => {
    const { fs, config } = log
    const policy = { belowOffset: 1n }
    expect(await listExpired(fs, config, 'orders', 0, { policy, nowMs: 1 })).toEqual([])
    await expect(listExpired(fs, config, 'orders', 1, { policy, nowMs: 1 })).rejects.toThrow(LogNotFoundError)
    await expect(listExpired(fs, config, 'orders', 0, { policy: {}, nowMs: 1 })).rejects.toThrow(TypeError)
  })
})

describe('a reader inside a segment that is deleted', () => {
  it('continues in it, and then in the next', async () => {
    await appendSegment(1, 2)
    await appendSegment(3)
    await append(writer, 'active')
    const values: string[] = []
    for await (const { value } of await read()) {
      values.push(String(value))
      if (values.length === 1) expect(await deleted({ belowOffset: 2n })).toEqual([0])
    }
    expect(values).toEqual(['at 1', 'at 2', 'at 3', 'active'])
  })

  it('gets the first offset left if it begins before that', async () => {
    await appendSegment(1)
    await append(writer, 'active')
    await deleted({ belowOffset: 1n })
    expect(await log.outcome({ from: 0n })).toMatchObject({
      values: [],
      error: { code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: 0n, firstOffset: 1n, nextOffset: 2n },
    })
  })
})

describe('while segments are deleted', () => {
  beforeEach(async () => {
    log.clock.setNow(TIMESTAMP_MS)
    await appendSegment(1, 2)
    await appendSegment(3)
    await appendSegment(4, 5)
    await append(writer, 'active')
  })

  test('an append waits neither for a removal nor for that to be durable', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const durable = log.fs.faults.hold('syncDirectory')
    const deleting = deleted({ belowOffset: 5n })
    await first.reached
    expect(await append(writer, 'during')).toBe(6n)
    expect(await left()).toEqual([0, 2, 3, 5])
    first.release()
    await durable.reached
    expect(await append(writer, 'after')).toBe(7n)
    expect(await left()).toEqual([2, 3, 5])
    durable.release()
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'during', 'after'])
  })

  test('an append does not wait until a segment that an earlier writer ended is read', async () => {
    await writer.close()
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted({ belowOffset: 5n })
    await reading.reached
    expect(await append(writer, 'during')).toBe(6n)
    reading.release()
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'during'])
  })

  test('the log begins at the first segment until that is removed', async () => {
    const { segments, diskBytes } = writer.stats()
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted({ belowOffset: 2n })
    await first.reached
    expect([writer.logStartOffset, writer.stats()]).toMatchObject([0n, { segments, diskBytes }])
    const firstBytes = await sizeOf(0)
    first.release()
    await deleting
    expect([writer.logStartOffset, writer.stats()]).toMatchObject([
      2n,
      { segments: segments - 1, diskBytes: diskBytes - firstBytes },
    ])
  })

  test('a segment that could not be removed stays in the log', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    log.fs.faults.failNext('unlink', 'EIO', log.path(0))
    const deleting = deleted({ belowOffset: 5n })
    await first.reached
    expect(await append(writer, 'during')).toBe(6n)
    const rotating = writer.closeActiveSegment()
    first.release()
    await expect(deleting).rejects.toThrow('EIO')
    await rotating
    expect(writer.logStartOffset).toBe(0n)
    expect(await log.values()).toEqual(['at 1', 'at 2', 'at 3', 'at 4', 'at 5', 'active', 'during'])
    expect(await deleted({ belowOffset: 5n })).toEqual([0, 2, 3])
  })

  test('another call begins once those before it have ended', async () => {
    const durable = log.fs.faults.hold('syncDirectory')
    const { lines } = log.fs.operations.trace()
    const both = [deleted({ belowOffset: 2n }), deleted({ belowOffset: 5n })]
    await durable.reached
    // Both have had their turns.
    await append(writer, 'during')
    await append(writer, 'after')
    expect(lines.filter((line) => line.startsWith('unlink'))).toEqual([`unlink '${log.path(0)}'`])
    durable.release()
    expect(await Promise.all(both)).toEqual([[0], [2, 3]])
  })

  test('a new segment gets its name once the removal is durable', async () => {
    const durable = log.fs.faults.hold('syncDirectory')
    const deleting = deleted({ belowOffset: 2n })
    await durable.reached
    const { lines } = log.fs.operations.trace()
    const rotating = writer.closeActiveSegment().then(() => append(writer, 'next'))
    durable.release()
    await Promise.all([deleting, rotating])
    const names = lines.filter((line) => /^(rename|syncDirectory)/.test(line))
    expect(names.findIndex((line) => line.startsWith('syncDirectory'))).toBeLessThan(
      names.findIndex((line) => line.startsWith('rename')),
    )
  })

  test('a truncation is seen: less is deleted if the log is smaller by then', async () => {
    const maxTotalBytes = await sizeOf(2, 5)
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted({ maxTotalBytes })
    await first.reached
    const truncating = writer.truncate(3n)
    first.release()
    await truncating
    expect(await deleting).toEqual([0])
    expect(await left()).toEqual([2, 3])
    expect(await append(writer, 'next')).toBe(3n)
    expect(await log.values()).toEqual(['at 3', 'next'])
  })

  test('a truncation may take segments that were to be deleted', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted({ belowOffset: 5n })
    await first.reached
    const truncating = writer.truncate(2n)
    first.release()
    await truncating
    expect(await deleting).toEqual([0])
    expect(await left()).toEqual([2])
    expect(await append(writer, 'next')).toBe(2n)
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['next'])
  })

  test('a truncation that fails is completed first', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted({ belowOffset: 3n })
    await first.reached
    const truncating = writer.truncate(4n)
    log.fs.faults.failNext('rename', 'EIO')
    first.release()
    await expect(truncating).rejects.toThrow('EIO')
    expect(await deleting).toEqual([0, 2])
    expect(await left()).toEqual([3, 4])
    expect(await log.values()).toEqual(['at 4'])
  })

  test('another call deletes what is left, and each resolves with what it deleted', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted({ belowOffset: 5n })
    await first.reached
    const other = deleted({ belowOffset: 5n })
    first.release()
    const both = [...(await one), ...(await other)].toSorted((a, b) => a - b)
    expect(both).toEqual([0, 2, 3])
    expect(await left()).toEqual([5])
  })

  test('another call may delete less, and leaves the rest to it', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted({ belowOffset: 3n })
    await first.reached
    const other = deleted({ belowOffset: 5n })
    first.release()
    expect([await one, await other]).toEqual([[0, 2], [3]])
    expect(await left()).toEqual([5])
  })

  test('another call that fails does not end it', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted({ belowOffset: 5n })
    await first.reached
    const other = deleted({ belowOffset: 5n })
    const rule = log.fs.faults.add({ on: 'unlink', path: log.path(2), fault: { error: 'EIO' } })
    first.release()
    const outcomes = await Promise.allSettled([one, other])
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(rule.hits)
    rule.remove()
    await deleted({ belowOffset: 5n })
    expect(await left()).toEqual([5])
  })

  test('closing waits until all of them are', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted({ belowOffset: 5n })
    await first.reached
    const closing = writer.close()
    await expect(append(writer, 'late')).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    first.release()
    await closing
    expect(await left()).toEqual([5])
    expect(await deleting).toEqual([0, 2, 3])
    expect(log.fs.openHandles).toBe(0)
  })

  test('closing after a deletion that fails closes the writer', async () => {
    log.fs.faults.failNext('unlink', 'EIO')
    const deleting = deleted({ belowOffset: 5n })
    const closing = writer.close()
    await expect(deleting).rejects.toThrow('EIO')
    await closing
    expect(log.fs.openHandles).toBe(0)
  })

  test('an active segment that is written again is not deleted by the age that it had', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS + 10)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted({ maxAgeMs: 5, trustClock: true })
    await reading.reached
    const appending = writer.append(null, Buffer.from('young'), [], TIMESTAMP_MS + 9)
    reading.release()
    expect(await appending).toBe(6n)
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'young'])
  })

  test('an active segment that is ended meanwhile is judged as what it is then', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS + 10)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted({ maxAgeMs: 5, trustClock: true })
    await reading.reached
    const ending = writer.closeActiveSegment()
    const appending = writer.append(null, Buffer.from('young'), [], TIMESTAMP_MS + 9)
    reading.release()
    expect(await ending).toMatchObject({ baseOffset: 5n })
    expect(await appending).toBe(6n)
    expect(await deleting).toEqual([0, 2, 3, 5])
    expect(await log.values()).toEqual(['young'])
  })

  test('age counts until the decision began, however long the segments take to be read', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(2))
    const deleting = deleted({ maxAgeMs: TIMESTAMP_MS - 3, trustClock: true })
    await reading.reached
    log.clock.advance(1000)
    reading.release()
    expect(await deleting).toEqual([0])
  })

  test('a crash anywhere leaves the end of the log, with all that was acknowledged meanwhile', async () => {
    const images = new CrashImages()
    const deleting = deleted({ belowOffset: 5n })
    images.collect(log.fs)
    const meanwhile: string[] = []
    const acknowledged: number[] = []
    for (let nth = 0; nth < 6; nth++) {
      await append(writer, `meanwhile ${nth}`)
      meanwhile.push(`meanwhile ${nth}`)
      if (nth === 2) await writer.closeActiveSegment()
    }
    expect(await deleting).toEqual([0, 2, 3])
    const all = ['at 1', 'at 2', 'at 3', 'at 4', 'at 5', 'active', ...meanwhile]
    for (const after of images.logs()) {
      const reopened = await after.open()
      const end = Number(reopened.nextOffset)
      const values = await after.values()
      expect(values).toEqual(all.slice(end - values.length, end))
      expect(values.slice(0, 6)).toContain('active')
      acknowledged.push(end)
    }
    expect(Math.min(...acknowledged)).toBe(6)
    expect(Math.max(...acknowledged)).toBe(12)
  })
})

/** A log of four segments: the last sealed or active, the second abandoned with a rejected commit after its end. */
async function fourSegments(fs: InMemoryFileSystem, last: 'sealed' | 'active'): Promise<LogFixture> {
  const fixture = new LogFixture({}, fs)
  fixture.clock.setNow(TIMESTAMP_MS)
  const opened = await fixture.open()
  await appendEach(opened, ['a', 'b'])
  await opened.closeActiveSegment()
  await append(opened, 'c')
  fs.faults.failNext('sync', 'EIO')
  await expect(append(opened, 'rejected')).rejects.toThrow('EIO')
  await append(opened, 'd')
  await opened.closeActiveSegment()
  await append(opened, 'e')
  if (last === 'sealed') await opened.closeActiveSegment()
  await opened.close()
  return fixture
}

/** A copy of a log, a minute later. */
function laterCopy({ fs }: LogFixture): LogFixture {
  const copy = new LogFixture({}, fs.clone())
  copy.clock.setNow(TIMESTAMP_MS + 60_000)
  return copy
}

const VALUES = ['a', 'b', 'c', 'd', 'e']
const CASES = [
  { failedSync: 'ext4', limit: 'their offsets', last: 'sealed', policy: { belowOffset: 5n } },
  { failedSync: 'btrfs', limit: 'their offsets', last: 'sealed', policy: { belowOffset: 5n } },
  { failedSync: 'ext4', limit: 'their age, the active segment too', last: 'active', policy: { maxAgeMs: 59_999 } },
  { failedSync: 'btrfs', limit: 'their age, the active segment too', last: 'active', policy: { maxAgeMs: 59_999 } },
] as const

describe.each(CASES)('on $failedSync, with every record let go by $limit', ({ failedSync, last, policy }) => {
  test.each([false, true])('a crash anywhere leaves the end of the log (names in any order: %s)', async (weakNames) => {
    const origin = await fourSegments(new InMemoryFileSystem({ failedSync, weakNames }), last)
    const copy = laterCopy(origin)
    const opened = await copy.open()
    const images = new CrashImages()
    images.collect(copy.fs)
    await opened.deleteSegments(policy)
    const seen = new Set<number>()
    for (const after of images.logs()) {
      const reopened = await after.open()
      const values = await after.values()
      expect(values).toEqual(VALUES.slice(VALUES.length - values.length))
      expect(await append(reopened, 'next')).toBe(5n)
      seen.add(values.length)
    }
    expect(seen).toEqual(new Set([0, 1, 2, 3, 5]))
  })

  test.each(['once', 'for good'] as const)('an operation that fails %s loses nothing', async (how) => {
    const origin = await fourSegments(new InMemoryFileSystem({ failedSync }), last)
    let nth = 1
    for (; ; nth++) {
      const copy = laterCopy(origin)
      const opened = await copy.open()
      const rule = failFrom(copy.fs, nth, how)
      const outcome = await opened.deleteSegments(policy).catch(() => null)
      if (rule.hits === 0) break
      const values = await copy.values().catch(() => null)
      if (values !== null) expect(values).toEqual(VALUES.slice(VALUES.length - values.length))
      rule.remove()
      if (outcome === null) await opened.deleteSegments(policy)
      expect(await append(opened, 'next')).toBe(5n)
      await opened.close()
      copy.fs.crash()
      await copy.open()
      expect(await copy.values()).toEqual(['next'])
    }
    expect(nth).toBeGreaterThan(30)
  })
})

test.each([
  [null, TypeError, /a policy must be an object, not null/],
  [{}, TypeError, /a policy must have one of belowOffset, maxTotalBytes, maxAgeMs/],
  [{ maxAge: 1 }, TypeError, /a policy has no option "maxAge"/],
  [{ belowOffset: 1 }, TypeError, /belowOffset must be a bigint, not 1/],
  [{ belowOffset: -1n }, RangeError, /belowOffset must be an offset from 0 to 2\^53 - 1: -1/],
  [{ belowOffset: 2n ** 53n }, RangeError, /belowOffset/],
  [{ maxTotalBytes: '1' }, TypeError, /maxTotalBytes must be a number, not "1"/],
  [{ maxTotalBytes: -1 }, RangeError, /maxTotalBytes must be a whole number from 0 to 2\^53 - 1: -1/],
  [{ maxAgeMs: 1.5 }, RangeError, /maxAgeMs must be a whole number from 0 to 2\^53 - 1: 1.5/],
  [{ maxAgeMs: null }, TypeError, /maxAgeMs must be a number, not null/],
  [{ trustClock: true }, TypeError, /a policy must have one of belowOffset, maxTotalBytes, maxAgeMs/],
  [{ keepFromOffset: 1n }, TypeError, /a policy must have one of belowOffset, maxTotalBytes, maxAgeMs/],
  [{ belowOffset: 1n, keepFromOffset: 1 }, TypeError, /keepFromOffset must be a bigint, not 1/],
  [{ belowOffset: 1n, keepFromOffset: -1n }, RangeError, /keepFromOffset must be an offset from 0 to 2\^53 - 1: -1/],
  [{ maxAgeMs: 1, trustClock: 'yes' }, TypeError, /trustClock must be a boolean, not "yes"/],
])('the policy %o is refused, and nothing is touched', async (policy, kind, message) => {
  expect(() => checkPolicy(policy as RetentionPolicy)).toThrow(kind)
  log.fs.operations.resetCounts()
  await expect(writer.deleteSegments(policy as RetentionPolicy)).rejects.toThrow(message)
  expect(log.fs.operations.count()).toBe(0)
})
