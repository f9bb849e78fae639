/** Which segments each limit deletes, in what order, and what a failed deletion leaves. */
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, LogNotFoundError, WalReader } from '../../index.ts'
import type { LogRecord, RetentionPolicy, WalWriter } from '../../index.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { append, appendBatch, LogFixture } from '../../testing/log-fixture.ts'
import { appendSegment, deleted, left, sizeOf } from '../../testing/segment-deletion.ts'
import { listExpired } from '../listing.ts'
import { checkPolicy } from './retention.ts'

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = new LogFixture()
  log.clock.setNow(100)
  writer = await log.open()
})

async function read(): Promise<AsyncIterableIterator<LogRecord>> {
  return (await WalReader.open(log.fs, log.config, 'orders', 0)).read()
}

describe('deleteSegments', () => {
  beforeEach(async () => {
    await appendSegment(writer, 10, 30, 20)
    await appendSegment(writer, 15, 16)
    await appendSegment(writer, 40)
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
    expect(await deleted(writer, { belowOffset })).toEqual(expected)
    expect(await left(log)).toEqual([0, 3, 5, 6].slice(expected.length))
    expect(await log.values()).toHaveLength(7 - ([0, 3, 5, 6][expected.length] ?? 0))
  })

  it('deletes until the files take no more than allowed', async () => {
    const total = await sizeOf(log, 0, 3, 5, 6)
    expect(await deleted(writer, { maxTotalBytes: total })).toEqual([])
    expect(await deleted(writer, { maxTotalBytes: total - 1 })).toEqual([0])
    expect(await deleted(writer, { maxTotalBytes: await sizeOf(log, 6) })).toEqual([3, 5])
    expect(await deleted(writer, { maxTotalBytes: 0 })).toEqual([])
    expect(await left(log)).toEqual([6])
  })

  it('deletes by the largest timestamp, only with all that is older', async () => {
    log.clock.setNow(130)
    expect(await deleted(writer, { maxAgeMs: 100 })).toEqual([])
    log.clock.advance(1)
    expect(await deleted(writer, { maxAgeMs: 100 })).toEqual([0, 3])
    log.clock.advance(10)
    expect(await deleted(writer, { maxAgeMs: 100 })).toEqual([5])
  })

  it('deletes what any of several limits releases', async () => {
    log.clock.setNow(131)
    expect(await deleted(writer, { maxAgeMs: 100, belowOffset: 6n, maxTotalBytes: Number.MAX_SAFE_INTEGER })).toEqual([
      0, 3, 5,
    ])
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
    await deleted(writer, { belowOffset: 5n })
    const changes = trace.lines.filter((line) => /^(stat '.*lock'|unlink|syncDirectory)/.test(line))
    const lock = `stat '${log.directory}/lock'`
    const sync = `syncDirectory '${log.directory}'`
    // Once before it lists the segments, and once before each change.
    expect(changes).toEqual([lock, lock, `unlink '${log.path(0)}'`, sync, lock, `unlink '${log.path(3)}'`, sync])
  })

  it('waits for earlier appends, and later appends wait for it', async () => {
    const before = append(writer, 'before')
    const closing = writer.closeActiveSegment()
    const deleting = deleted(writer, { belowOffset: 8n })
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
    expect(await deleted(writer, policy)).toEqual(expected)
  })

  it('asks the file system nothing but the lock if it deletes nothing of what this writer wrote', async () => {
    const { lines } = log.fs.operations.trace()
    expect(await deleted(writer, { maxTotalBytes: 1e9, maxAgeMs: 1e9, belowOffset: 1n })).toEqual([])
    expect(lines).toEqual([expect.stringMatching(/^stat '.*lock'/)])
  })

  it('counts the files by their size, also what a failed write left in one', async () => {
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, Buffer.alloc(5000))).rejects.toThrow('EIO')
    await append(writer, 'after')
    const total = await sizeOf(log, 0, 3, 5, 6, 7)
    expect(await deleted(writer, { maxTotalBytes: total })).toEqual([])
    expect(await deleted(writer, { maxTotalBytes: total - 1 })).toEqual([0])
    await writer.truncate(4n)
    expect(await deleted(writer, { maxTotalBytes: await sizeOf(log, 3, 4) })).toEqual([])
    await writer.close()
    writer = await log.open()
    expect(await deleted(writer, { maxTotalBytes: await sizeOf(log, 3, 4) })).toEqual([])
    expect(await deleted(writer, { maxTotalBytes: (await sizeOf(log, 3, 4)) - 1 })).toEqual([3])
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
    expect(await left(log)).toEqual([0, 3, 5, 6, 7])
    await append(writer, 'next')
    const total = await sizeOf(log, ...(await left(log)))
    expect(await deleted(writer, { maxTotalBytes: total })).toEqual([])
    expect(await deleted(writer, { maxTotalBytes: total - 1 })).toEqual([0])
  })

  it('continues where it failed', async () => {
    await writer.close()
    writer = await log.open()
    for (const operation of ['stat', 'open', 'read', 'size', 'unlink', 'syncDirectory'] as const) {
      log.fs.faults.failNext(operation, 'EIO')
      await expect(deleted(writer, { belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    }
    expect(await deleted(writer, { belowOffset: 6n })).toEqual([0, 3, 5])
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
    await expect(deleted(writer, { belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    log.fs.unlink = unlink
    expect(await deleted(writer, { belowOffset: 6n })).toEqual([0, 3, 5])
    expect(await left(log)).toEqual([6])
  })

  it('changes nothing once the lock is lost', async () => {
    await log.fs.unlink(`${log.directory}/lock`)
    await expect(deleted(writer, { belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    expect(await left(log)).toEqual([0, 3, 5, 6])
  })

  it('deletes nothing if a segment does not end as its successor states', async () => {
    await writer.close()
    writer = await log.open()
    const content = await log.file(log.path(3))
    await log.overwrite(log.path(3), flipped(content, 8 * (content.length - 60)))
    await expect(deleted(writer, { belowOffset: 6n })).rejects.toThrow(CorruptLogError)
    expect(await left(log)).toEqual([0, 3, 5, 6])
  })

  it('rejects on a closed writer', async () => {
    await writer.close()
    await expect(deleted(writer, { belowOffset: 6n })).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  })
})

describe('if every record is deleted, deleteSegments', () => {
  it('creates an empty segment first, and the offsets continue', async () => {
    await appendSegment(writer, 1, 2)
    const trace = log.fs.operations.trace()
    expect(await deleted(writer, { maxTotalBytes: 0 })).toEqual([0])
    const changes = trace.lines.filter((line) => /^(rename|unlink) /.test(line) && !line.includes('ENOENT'))
    expect(changes).toEqual([`rename '${log.directory}/next.tmp' -> '${log.path(2)}'`, `unlink '${log.path(0)}'`])
    expect(await log.values()).toEqual([])
    await writer.close()
    writer = await log.open()
    expect(writer.nextOffset).toBe(2n)
    expect(await append(writer, 'c')).toBe(2n)
  })

  it('creates no segment if one is left, or if there is none', async () => {
    expect(await deleted(writer, { maxTotalBytes: 0 })).toEqual([])
    expect(await left(log)).toEqual([])
    await appendSegment(writer, 1)
    await appendSegment(writer, 2)
    expect(await deleted(writer, { belowOffset: 1n })).toEqual([0])
    expect(await left(log)).toEqual([1])
  })

  it('keeps an abandoned active segment', async () => {
    await appendSegment(writer, 1)
    await append(writer, 'b')
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    // The rollover fails after the rename of the new segment, which is visible but maybe not durable.
    const rule = log.fs.faults.add({ on: 'syncDirectory', fault: { error: 'EIO' } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    expect([rule.hits, await left(log)]).toEqual([1, [0, 1, 2]])
    expect(await deleted(writer, { belowOffset: 2n })).toEqual([0])
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
      await appendSegment(writer, 10, 30, 20)
      await appendSegment(writer, 40)
      if (isActive) await append(writer, 'active')
      const before = await left(log)
      const expired = await listExpired(fs, config, 'orders', 0, { policy, nowMs: clock.now() })
      expect(await left(log)).toEqual(before)
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
    await appendSegment(writer, 1, 2)
    await appendSegment(writer, 3)
    await append(writer, 'active')
    const values: string[] = []
    for await (const { value } of await read()) {
      values.push(String(value))
      if (values.length === 1) expect(await deleted(writer, { belowOffset: 2n })).toEqual([0])
    }
    expect(values).toEqual(['at 1', 'at 2', 'at 3', 'active'])
  })

  it('gets the first offset left if it begins before that', async () => {
    await appendSegment(writer, 1)
    await append(writer, 'active')
    await deleted(writer, { belowOffset: 1n })
    expect(await log.outcome({ from: 0n })).toMatchObject({
      values: [],
      error: { code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: 0n, firstOffset: 1n, nextOffset: 2n },
    })
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
