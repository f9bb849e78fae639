/** When commits begin: which appends share one, which do not wait, and that none starves. */
import * as timers from 'node:timers'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock, Random } from '@sq/sim'
import { resolveConfig } from '../../config.ts'
import type { WalConfig } from '../../config.ts'
import { AppendFailedError } from '../../errors.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { checksum } from '../format/frame.ts'
import { locatePartition } from '../segments/partition.ts'
import type { WrittenFrames } from '../shared/recent-frames.ts'
import { SharedLog } from '../shared/shared-log.ts'
import { recordOf } from './checked-record.ts'
import { Commit } from './commit.ts'
import type { Waiter } from './commit.ts'
import { GroupCommit } from './group-commit.ts'
import { LogTail } from './log-tail.ts'
import { PartitionLock, SegmentDirectory } from './partition-directory.ts'
import { recoverLog } from './recovery.ts'
import { SharedLimits } from './shared-limits.ts'
import { WriterMeter } from './writer-meter.ts'

const LARGE = Buffer.alloc(300_000, 1)

/** The writes to the segment and the acknowledgements, in order. */
function recorded(log: LogFixture): string[] {
  const events: string[] = []
  log.fs.operations.observe(({ operation, phase, path }) => {
    if (operation === 'write' && phase === 'start' && path.endsWith('.wal')) events.push('write')
  })
  return events
}

test('a large commit is started at once, and later records go into the next one', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  await setImmediate()
  const events = recorded(log)
  const appends = [append(writer, 'small'), append(writer, LARGE)]
  expect(events).toEqual(['write'])
  appends.push(append(writer, 'behind'))
  expect(await Promise.all(appends)).toEqual([1n, 2n, 3n])
  expect(writer.stats().commits).toBe(3)
  expect(events).toEqual(['write', 'write'])
})

test('small appends of one turn of the event loop share a commit, which is started after that turn', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const appends = [append(writer, 'a'), append(writer, 'b')]
  expect(events).toEqual([])
  await Promise.all(appends)
  expect(events).toEqual(['write'])
})

test('a large waiting commit starts before the callers of the commit before it are acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const hold = log.fs.faults.hold('sync', log.path(0))
  const first = append(writer, LARGE).then(() => events.push('first acknowledged'))
  await hold.reached
  const second = append(writer, LARGE).then(() => events.push('second acknowledged'))
  await setImmediate()
  hold.release()
  await Promise.all([first, second])
  expect(events).toEqual(['write', 'write', 'first acknowledged', 'second acknowledged'])
})

test('the event loop turns between commits of any size, even if the disk answers at once', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  let turning = timers.setImmediate(turn)
  function turn(): void {
    events.push('turn')
    turning = timers.setImmediate(turn)
  }
  for (let at = 0; at < 20; at++) await append(writer, LARGE)
  timers.clearImmediate(turning)
  expect(events.filter((event) => event === 'write')).toHaveLength(20)
  expect(events.join(' ')).not.toContain('write write')
})

test('a failed large commit rejects everything that waits behind it, large or small', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const hold = log.fs.faults.hold('sync', log.path(0))
  log.fs.faults.failNext('sync', 'EIO')
  const doomed = [append(writer, LARGE), append(writer, LARGE), append(writer, 'small')]
  const outcomes = Promise.allSettled(doomed)
  await hold.reached
  hold.release()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(writer.nextOffset).toBe(1n)
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['makes the segment', 'after'])
})

test('a clock that throws fails one commit, and later ones succeed', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'before')
  const thrown = vi.spyOn(log.clock, 'monotonic').mockImplementationOnce(() => {
    throw new Error('the clock is broken')
  })
  await expect(append(writer, 'fails')).rejects.toThrow('the clock is broken')
  thrown.mockRestore()
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['before', 'after'])
})

/** A group commit on a log tail that the test provides, so that its state can be inconsistent. */
function groupAt(tail: Pick<LogTail, 'nextOffset' | 'write'>, options: Partial<WalConfig> = {}): GroupCommit {
  const config = resolveConfig({ dataDir: '/data', ...options })
  const clock = new ManualClock()
  const meter = new WriterMeter(locatePartition('/data', 'orders', 0), clock)
  const limits = new SharedLimits({ maxPendingBytes: Number.MAX_SAFE_INTEGER })
  return new GroupCommit({ path: '/data/orders/0', config, clock, meter, tail, shared: new SharedLog(), limits })
}

/** Appends a value; a number is the length of one. A record takes 24 bytes more. */
function appendTo(group: GroupCommit, value: string | number): Promise<bigint> {
  const record = recordOf(null, typeof value === 'number' ? Buffer.alloc(value) : Buffer.from(value), [], 0)
  return told((waiter) => void group.append([record], waiter))
}

/** What the waiter of an append is told. */
function told(appendFor: (waiter: Waiter) => void): Promise<bigint> {
  return new Promise((resolve, reject) => appendFor({ resolve, reject }))
}

/** The end of a log; a test decides when each write ends. */
class HeldTail {
  nextOffset: number
  /** The length of the frame of each commit whose write was begun. */
  readonly begun: number[] = []
  /** The most writes that were in flight together. */
  mostInFlight = 0
  readonly #inFlight: ((error: Error | null) => void)[] = []

  constructor(nextOffset = 0) {
    this.nextOffset = nextOffset
  }

  write(commit: Commit): Promise<WrittenFrames> {
    this.begun.push(commit.bytes)
    return new Promise((resolve, reject) => {
      this.#inFlight.push((error) => {
        if (error !== null) return reject(error)
        this.nextOffset += commit.recordCount
        resolve({ bytes: 0, copy: () => expect.unreachable('no reader is tailing') })
      })
      this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.length)
    })
  }

  /** Ends the write in flight, if there is one. */
  end(error: Error | null = null): void {
    this.#inFlight.shift()?.(error)
  }
}

const KIB = 1024

describe('a commit is written without waiting for a turn of the event loop', () => {
  test.each([
    [0, 128 * KIB - 8, false],
    [0, 128 * KIB, true],
    [256 * KIB, 256 * KIB - 8, false],
    [256 * KIB, 256 * KIB, true],
    [512 * KIB - 8, 512 * KIB - 16, false],
    [512 * KIB - 8, 512 * KIB - 8, true],
    [512 * KIB, 256 * KIB - 8, false],
    [512 * KIB, 256 * KIB, true],
  ])('after one of %d bytes, with %d bytes: %s', async (bytesBefore, bytes, atOnce) => {
    const tail = new HeldTail()
    const group = groupAt(tail)
    // A frame of one record adds 64 bytes to the value.
    const before = bytesBefore === 0 ? Promise.resolve(0n) : appendTo(group, bytesBefore - 64)
    if (bytesBefore > 0) {
      tail.end()
      await before
      await setImmediate()
    }
    tail.begun.length = 0
    const appended = appendTo(group, bytes - 64)
    expect(tail.begun).toEqual(atOnce ? [bytes] : [])
    await setImmediate()
    expect(tail.begun).toEqual([bytes])
    tail.end()
    await appended
  })

  test('if it is as large as the previous commit and the appends that waited behind that', async () => {
    const tail = new HeldTail()
    const group = groupAt(tail)
    const first = appendTo(group, 200 * KIB)
    const second = appendTo(group, 150 * KIB)
    await setImmediate()
    tail.end()
    await first
    expect(tail.begun).toHaveLength(1)
    await setImmediate()
    expect(tail.begun).toHaveLength(2)
    tail.end()
    await second
  })
})

describe('the frames of a commit leave room for the head of a segment', () => {
  const RECORD = recordOf(null, Buffer.alloc(666), [], 0)
  const FIRST = recordOf(null, Buffer.alloc(723), [], 0)

  /** Adds this many bytes to a group in which a frame of 792 bytes waits. */
  const second = {
    'a record': (group: GroupCommit, more: number) => appendTo(group, 725 + more),
    'a batch with metadata': (group: GroupCommit, more: number) =>
      told((waiter) => group.appendWithMetadata([RECORD], Buffer.alloc(10 + more), waiter)),
    'an opaque batch': (group: GroupCommit, more: number) => {
      const times = { minTimestampMs: 0, maxTimestampMs: 0 }
      return told((waiter) =>
        group.appendOpaque({ payload: Buffer.alloc(688 + more), recordCount: 1, ...times }, waiter),
      )
    },
  }

  test.each([
    ['a record', 0, [1536]],
    ['a record', 1, [792, 792]],
    ['a batch with metadata', 0, [1536]],
    ['a batch with metadata', 1, [792, 752]],
    ['an opaque batch', 0, [1536]],
    ['an opaque batch', 1, [792, 752]],
  ] as const)('with %s behind a record, %d bytes over the limit', async (kind, more, frames) => {
    const tail = new HeldTail()
    const group = groupAt(tail, { maxSegmentBytes: 2048 })
    const appended = [told((waiter) => void group.append([FIRST], waiter)), second[kind](group, more)]
    await endWrites(tail, appended)
    expect(tail.begun).toEqual(frames)
  })

  test.each([
    [728, [1536]],
    [729, [768, 776]],
  ])('with an encoded batch of %d bytes behind one of 728', async (bytes, frames) => {
    const tail = new HeldTail()
    const group = groupAt(tail, { maxSegmentBytes: 2048 })
    const bodies = [728, bytes].map((length) => {
      const body = Buffer.alloc(length)
      const header = { attributes: 0, recordCount: 1, checksum: checksum(body) }
      return { bytes: body, ...header, minTimestampMs: 0, maxTimestampMs: 0 }
    })
    const batches = { baseOffset: 0, nextOffset: 2, bodies, encodedBytes: 1544, bodyBytes: 728 + bytes }
    await endWrites(tail, [told((waiter) => group.appendEncoded(batches, waiter))])
    expect(tail.begun).toEqual(frames)
  })
})

/** Ends each write until all callers are told. */
async function endWrites(tail: HeldTail, appended: readonly Promise<bigint>[]): Promise<void> {
  const all = Promise.all(appended)
  for (let turn = 0; turn < 4; turn++) {
    await setImmediate()
    tail.end()
  }
  await all
}

test('an append may fill the backlog, and is refused if it would exceed it', async () => {
  const tail = new HeldTail()
  // Each of 25 bytes, and 256 for the append.
  const group = groupAt(tail, { maxPendingBytes: 2 * 281 })
  const first = appendTo(group, 1)
  await expect(appendTo(group, 2)).rejects.toMatchObject({ code: 'SQ_WAL_BACKLOG_FULL', pendingBytes: 281 })
  const second = appendTo(group, 1)
  expect(group.backlog.bytes).toBe(2 * 281)
  await setImmediate()
  tail.end()
  expect(await Promise.all([first, second])).toEqual([0n, 1n])
})

test('an append is accepted while nothing is pending, whatever its size', async () => {
  const tail = new HeldTail()
  const group = groupAt(tail, { maxPendingBytes: 100 })
  const appended = appendTo(group, 1000)
  await setImmediate()
  tail.end()
  expect(await appended).toBe(0n)
})

test('an append is refused if the offsets are used up, including those of the records that wait', async () => {
  const tail = new HeldTail(Number.MAX_SAFE_INTEGER - 2)
  const group = groupAt(tail)
  const [first, second] = [appendTo(group, 'a'), appendTo(group, 'b')]
  await expect(appendTo(group, 'c')).rejects.toThrow('the offsets of this partition are used up')
  await setImmediate()
  tail.end()
  expect(await Promise.all([first, second])).toEqual([2n ** 53n - 3n, 2n ** 53n - 2n])
})

test('commits take turns with two buffers, however many there are', async () => {
  const tail = new HeldTail()
  const group = groupAt(tail)
  const appends = [appendTo(group, 1000)]
  await setImmediate()
  const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow')
  for (let round = 0; round < 20; round++) {
    appends.push(appendTo(group, 1000))
    tail.end()
    await appends.at(-2)
    appends.push(appendTo(group, 1000))
    await setImmediate()
    if (round === 3) allocated.mockClear()
  }
  tail.end()
  expect(await Promise.all(appends)).toHaveLength(41)
  expect(allocated).not.toHaveBeenCalled()
  allocated.mockRestore()
})

test('one thing is done at a time, in the order of the calls, and every call settles, whatever fails', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(seed)
    const tail = new HeldTail()
    const group = groupAt(tail)
    /** In the order of the calls: of an append its offset, null if it was rejected; of a task the end of the log. */
    const calls: Promise<{ offset: bigint | null } | { end: number }>[] = []
    const steps = [
      () => calls.push(appendTo(group, random.chance(0.3) ? 130 * KIB : random.int(100)).then(acknowledged, rejected)),
      () => calls.push(group.inTurn(() => Promise.resolve({ end: tail.nextOffset }))),
      () => tail.end(),
      () => tail.end(new Error('the disk is broken')),
    ]
    for (let step = 0; step < 40; step++) {
      steps[random.int(steps.length)]?.()
      if (random.chance(0.3)) await setImmediate()
    }
    for (let turn = 0; turn < 40; turn++) {
      tail.end()
      await setImmediate()
    }
    let end = 0
    for (const call of await Promise.all(calls)) {
      if ('end' in call) expect(call.end, `seed ${seed}`).toBe(end)
      else if (call.offset !== null) expect(call.offset, `seed ${seed}`).toBe(BigInt(end++))
    }
    expect([tail.nextOffset, group.backlog.bytes, group.pendingRecords], `seed ${seed}`).toEqual([end, 0, 0])
    expect(tail.mostInFlight, `seed ${seed}`).toBeLessThan(2)
  }
})

function acknowledged(offset: bigint): { offset: bigint } {
  return { offset }
}

function rejected(error: unknown): { offset: null } {
  expect(error).toBeInstanceOf(AppendFailedError)
  return { offset: null }
}

test('an append is not acknowledged if the log does not end where its commit ends', async () => {
  const tail = { nextOffset: 5, write: () => Promise.resolve({ bytes: 0, copy: () => expect.unreachable() }) }
  const failure: unknown = await appendTo(groupAt(tail), 'lost').catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'SQ_WAL_APPEND_FAILED', cause: { code: 'SQ_WAL_INVARIANT' } })
})

test('a log whose active segment ends at a different offset is not written', async () => {
  const log = new LogFixture()
  const written = await log.open()
  await append(written, 'first')
  await written.close()
  const partition = locatePartition(log.config.dataDir, 'orders', 0)
  const lock = await PartitionLock.take(log.fs, log.config.dataDir, partition, { create: true })
  const directory = new SegmentDirectory(log.fs, partition.directory, lock)
  const recovered = await recoverLog(directory, partition, log.clock)
  const file = await log.file(log.path(0))
  const meter = new WriterMeter(partition, log.clock)
  const random = new Random(1n)
  const config = resolveConfig(log.config)
  const context = { config, partition, directory, clock: log.clock, random, meter, onSegmentClosed: undefined }
  const tail = new LogTail(context, { ...recovered, nextOffset: recovered.nextOffset + 1 })
  const commit = new Commit()
  const record = recordOf(null, Buffer.from('second'), [], 0)
  commit.add([record], record.encodedBytes, { resolve: () => {}, reject: () => {} })
  await expect(tail.write(commit)).rejects.toMatchObject({ code: 'SQ_WAL_INVARIANT' })
  expect(await log.file(log.path(0))).toEqual(file)
  await tail.close()
  await lock.release()
})
