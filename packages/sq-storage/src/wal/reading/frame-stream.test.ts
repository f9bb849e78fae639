/** Streams of a log that changes: errors, deletions, truncations, and recent commits. */
import type { FileSystem } from '@sq/sim'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, test, vi } from 'vitest'
import { WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions } from '../../index.ts'
import { append, appendBatch, appendEach, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { segmentName } from '../segment.ts'
import { MAX_OVERTAKEN } from '../segments/segment-listing.ts'

/** The values of the next records, as text. */
async function take(records: AsyncIterator<LogRecord>, count: number): Promise<string[]> {
  const values: string[] = []
  for (let at = 0; at < count; at++) {
    const { done, value } = await records.next()
    values.push(done === true ? 'end' : String(value.value))
  }
  return values
}

async function reading(log: LogFixture, options: ReadOptions, fs: FileSystem = log.fs) {
  return (await WalReader.open(fs, log.config, 'orders', 0)).read(options)
}

async function logOf(...values: string[]): Promise<LogFixture> {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, values)
  await writer.close()
  return log
}

/** A log in which every second listing, this number of times, shows only a later segment. */
async function overtaken(times: number): Promise<{ log: LogFixture; listed: () => number }> {
  const log = await logOf('a', 'b')
  const list = log.fs.readdir.bind(log.fs)
  let listings = 0
  log.fs.readdir = (path) => {
    listings++
    return listings % 2 === 1 || listings > 2 * times ? list(path) : Promise.resolve([segmentName(9)])
  }
  return { log, listed: () => listings }
}

function ioError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A file system in which the first opening of a segment fails, and so does every look at the directory after that. */
function failing(fs: FileSystem, opening: Error, looking: Error | null): FileSystem {
  let failed = false
  vi.spyOn(fs, 'open').mockImplementationOnce(() => {
    failed = true
    return Promise.reject(opening)
  })
  const stat = fs.stat.bind(fs)
  vi.spyOn(fs, 'stat').mockImplementation((path) => (failed && looking !== null ? Promise.reject(looking) : stat(path)))
  return fs
}

describe('a time in a segment that is deleted before it is read', () => {
  it.each([1, 20])('is searched again: %d times', async (times) => {
    const { log } = await overtaken(times)
    expect(await take(await reading(log, { fromTimestampMs: TIMESTAMP_MS }), 3)).toEqual(['a', 'b', 'end'])
  })

  it('is given up after many searches', async () => {
    const { log, listed } = await overtaken(Infinity)
    const records = await reading(log, { fromTimestampMs: TIMESTAMP_MS })
    await expect(records.next()).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 9n })
    expect(listed()).toBe(2 * MAX_OVERTAKEN)
  })
})

test('an offset that the log does not have is not searched twice', async () => {
  const log = await logOf('a', 'b')
  log.fs.operations.resetCounts()
  await expect((await reading(log, { from: 7n })).next()).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE' })
  expect(log.fs.operations.count('readdir')).toBe(1)
})

describe('an error', () => {
  it.each([
    ['is reported as it is', ioError('EIO'), null, { code: 'SQ_WAL_IO', cause: { code: 'EIO' } }],
    ['is LogNotFoundError if the directory is gone', ioError('EIO'), ioError('ENOENT'), { code: 'SQ_WAL_NOT_FOUND' }],
    [
      'is the first one if the directory cannot be checked',
      ioError('EIO'),
      ioError('EACCES'),
      { cause: { code: 'EIO' } },
    ],
    ['that is not of the log ends the iteration', new TypeError('a mistake'), null, { message: 'a mistake' }],
  ])('%s', async (_, opening, looking, expected) => {
    const log = await logOf('a')
    const records = await reading(log, {}, failing(log.fs, opening, looking))
    await expect(records.next()).rejects.toMatchObject(expected)
  })
})

test('a reader that began at a time continues after what it returned if the log is cut', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, ['a', 'b', 'c', 'd'])
  const records = await reading(log, { fromTimestampMs: TIMESTAMP_MS, follow: true })
  expect(await take(records, 2)).toEqual(['a', 'b'])
  await writer.truncate(3n)
  await append(writer, 'x')
  expect(await take(records, 2)).toEqual(['c', 'x'])
})

test('a tailing reader with an end offset ends there, even at the end of the log', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const records = await reading(log, { to: 3n, follow: true })
  expect(await take(records, 1)).toEqual(['a'])
  for (const value of ['b', 'c']) {
    const next = take(records, 1)
    await setImmediate()
    await append(writer, value)
    expect(await next).toEqual([value])
  }
  expect(await take(records, 1)).toEqual(['end'])
})

test('a reader without follow gets nothing that was appended after it began, even if tailing readers do', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, ['a', 'b'])
  const tailing = await reading(log, { follow: true })
  expect(await take(tailing, 2)).toEqual(['a', 'b'])
  const waiting = take(tailing, 1)
  await setImmediate()
  const records = await reading(log, {})
  const hold = log.fs.faults.hold('read', log.path(0))
  const first = take(records, 1)
  await hold.reached
  await append(writer, 'c')
  hold.release()
  expect([...(await first), ...(await take(records, 2))]).toEqual(['a', 'b', 'end'])
  expect(await waiting).toEqual(['c'])
})

test('calls that wait at the same time get all records of the next commit, in order', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const records = await reading(log, { follow: true })
  expect(await take(records, 1)).toEqual(['a'])
  // The first waiting call has reached the end of the file, so the next commits come from memory.
  const first = take(records, 1)
  await setImmediate()
  await append(writer, 'b')
  expect(await first).toEqual(['b'])
  const waiting = [take(records, 1), take(records, 1)]
  await setImmediate()
  await appendBatch(writer, ['c', 'd'])
  await setImmediate()
  await append(writer, 'e')
  expect(await Promise.all(waiting)).toEqual([['c'], ['d']])
})
