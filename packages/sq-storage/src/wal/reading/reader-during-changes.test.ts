/** A log that changes while a slow reader, or one in another process, reads it. */
import type { FileSystem } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { listSegments, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions, WalWriter } from '../../index.ts'
import { append, appendBatch, appendEach, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = new LogFixture()
  writer = await log.open()
})

/** The file system of another process: its readers share no memory with those of this process. */
function otherProcess(): FileSystem {
  return new Proxy(log.fs, {
    get(fs, name) {
      if (name === 'stat') {
        return async (path: string) => {
          const stat = await fs.stat(path)
          return { ...stat, identity: `other process ${stat.identity}` }
        }
      }
      const member: unknown = Reflect.get(fs, name)
      return typeof member === 'function' ? member.bind(fs) : member
    },
  })
}

async function read(options: ReadOptions = {}, fs: FileSystem = log.fs): Promise<AsyncIterableIterator<LogRecord>> {
  return (await WalReader.open(fs, log.config, 'orders', 0)).read(options)
}

/** The next record as `1 b`, `done`, or the name of the error with its offset. */
function next(records: AsyncIterableIterator<LogRecord>): Promise<string> {
  return records.next().then(
    ({ done, value }) => (done === true ? 'done' : `${value.offset} ${String(value.value)}`),
    (error: Error & { offset?: bigint }) => (error.offset === undefined ? error.name : `${error.name} ${error.offset}`),
  )
}

/** The next record, or nothing if it does not come by itself. */
function soon(records: AsyncIterableIterator<LogRecord>): Promise<string> {
  return Promise.race([next(records), quiet().then(() => 'nothing')])
}

async function failTo(action: () => Promise<unknown>): Promise<void> {
  log.fs.faults.failNext('sync', 'EIO')
  await expect(action()).rejects.toThrow('EIO')
}

describe.each([
  ['here', () => log.fs],
  ['in another process', otherProcess],
])('a slow tailing reader, %s', (_, fileSystem) => {
  it.each([
    ['a commit', () => append(writer, 'rejected')],
    ['a batch', () => appendBatch(writer, ['rejected', 'too', 'and this'])],
    ['a SEAL', () => writer.closeActiveSegment()],
  ])('sees nothing of %s that failed, and what came instead', async (__, failing) => {
    await append(writer, 'a')
    await writer.closeActiveSegment()
    await append(writer, 'b')
    const records = await read({ follow: true }, fileSystem())
    expect(await next(records)).toBe('0 a')
    await failTo(failing)
    await append(writer, 'c')
    expect([await next(records), await next(records)]).toEqual(['1 b', '2 c'])
    const last = next(records)
    await quiet()
    await append(writer, 'd')
    expect(await last).toBe('3 d')
  })

  it('continues in the next segment if the SEAL that it had reached failed', async () => {
    await append(writer, 'a')
    const records = await read({ follow: true }, fileSystem())
    expect(await next(records)).toBe('0 a')
    const second = next(records)
    await quiet()
    await failTo(() => writer.closeActiveSegment())
    await quiet()
    await append(writer, 'b')
    expect(await second).toBe('1 b')
  })

  it('gets an error if the segment that it read was replaced, even with the same successor', async () => {
    await append(writer, 'a')
    const records = await read({ follow: true }, fileSystem())
    expect(await next(records)).toBe('0 a')
    await writer.truncate(0n)
    await append(writer, 'A')
    await writer.closeActiveSegment()
    await append(writer, 'b')
    expect(await next(records)).toBe('DivergedError 0')
  })
})

describe('a slow reader', () => {
  it('sees nothing of a commit that failed since a writer was opened', async () => {
    await append(writer, 'a')
    await writer.closeActiveSegment()
    await append(writer, 'b')
    await writer.close()
    const records = await read()
    expect(await next(records)).toBe('0 a')
    writer = await log.open()
    await failTo(() => append(writer, 'rejected'))
    await append(writer, 'c')
    expect([await next(records), await next(records)]).toEqual(['1 b', '2 c'])
  })

  it('gets the error of a signal or of closing, even if it has all requested records', async () => {
    await appendBatch(writer, numbered(200))
    const controller = new AbortController()
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const [aborted, closed] = [
      reader.read({ maxRecords: 100, signal: controller.signal }),
      reader.read({ maxRecords: 100 }),
    ]
    await Promise.all([aborted.next(), closed.next()])
    controller.abort(new Error('enough'))
    await expect(aborted.next()).rejects.toThrow('enough')
    await reader.close()
    expect(await next(closed)).toBe('ClosedError')
  })

  it('gets null as the error if that is the reason of the signal', async () => {
    const controller = new AbortController()
    const records = await read({ follow: true, signal: controller.signal })
    const first = records.next()
    await quiet()
    controller.abort(null)
    await expect(first).rejects.toBeNull()
  })

  it('is not affected by a truncation after what it returned', async () => {
    await appendBatch(writer, numbered(10))
    const records = await read({ to: 3n })
    for (let offset = 0; offset < 3; offset++) expect(await next(records)).toBe(`${offset} value ${offset}`)
    await writer.truncate(5n)
    expect(await next(records)).toBe('done')
  })

  it('waits for a time even if what it skipped is truncated', async () => {
    await appendEach(writer, ['a', 'b'])
    const records = await read({ fromTimestampMs: TIMESTAMP_MS + 5, follow: true })
    const first = next(records)
    await quiet()
    await writer.truncate(1n)
    await writer.append(null, Buffer.from('late'), [], TIMESTAMP_MS + 10)
    expect(await first).toBe('1 late')
  })
})

it('a reader that got part of a commit continues after that part is deleted and the rest cut off', async () => {
  await append(writer, 'a')
  await appendBatch(writer, ['x', 'y', 'z'])
  log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
  await expect(writer.truncate(3n)).rejects.toThrow('ENOSPC')
  const records = await read({ follow: true })
  expect([await next(records), await next(records), await next(records)]).toEqual(['0 a', '1 x', '2 y'])
  await writer.closeActiveSegment()
  await append(writer, 'new')
  await writer.deleteSegments({ maxTotalBytes: 0 })
  expect((await log.segmentNames())[0]).toMatch(/^0+3\.wal$/)
  expect(await next(records)).toBe('3 new')
})

it('a reader lists the log again if the listed segments no longer belong together', async () => {
  await appendBatch(writer, ['a', 'b'])
  await writer.closeActiveSegment()
  await appendBatch(writer, ['c', 'd'])
  await writer.closeActiveSegment()
  await append(writer, 'e')
  const records = await read({}, otherProcess())
  expect(await next(records)).toBe('0 a')
  await writer.truncate(2n)
  for (const value of ['C', 'D', 'E']) {
    await append(writer, value)
    await writer.closeActiveSegment()
  }
  const seen = [await next(records), await next(records), await next(records), await next(records)]
  expect(seen).toEqual(['1 b', '2 C', '3 D', '4 E'])
})

describe('a tailing reader', () => {
  it('in another process sees a commit that was made while it was busy', async () => {
    log = new LogFixture()
    const segment = new SegmentBytes().records('a')
    await log.makeSegments(segment)
    const records = await read({ follow: true })
    expect(await next(records)).toBe('0 a')
    const second = next(records)
    await quiet()
    await log.overwrite(log.path(0), segment.records('b').bytes)
    expect(await second).toBe('1 b')
    await log.overwrite(log.path(0), segment.records('c').bytes)
    await quiet()
    expect(await soon(records)).toBe('2 c')
  })

  it('sees a commit of a writer that was opened while it was busy', async () => {
    await append(writer, 'a')
    await writer.close()
    const records = await read({ follow: true })
    expect(await next(records)).toBe('0 a')
    writer = await log.open()
    await append(writer, 'b')
    await quiet()
    expect(await soon(records)).toBe('1 b')
  })

  it('gets an error if the log was replaced after its writer was closed', async () => {
    await appendEach(writer, ['a', 'b'])
    const records = await read({ follow: true })
    expect([await next(records), await next(records)]).toEqual(['0 a', '1 b'])
    await writer.close()
    await log.overwrite(log.path(0), new SegmentBytes({ segmentId: 77n }).records('a').records('X').bytes)
    writer = await log.open()
    const third = next(records)
    await quiet()
    await append(writer, 'c')
    expect(await third).toMatch(/^DivergedError/)
  })
})

it('a listing leaves out what is deleted meanwhile', async () => {
  for (let segment = 0; segment < 4; segment++) {
    await append(writer, 'a')
    await writer.closeActiveSegment()
  }
  await append(writer, 'last')
  const hold = log.fs.faults.hold('open', log.path(1))
  const listing = listSegments(log.fs, log.config, 'orders', 0)
  await hold.reached
  await writer.deleteSegments({ belowOffset: 3n })
  hold.release()
  expect((await listing).map(({ baseOffset }) => baseOffset)).toEqual([3n, 4n])
})
