/**
 * A commit that a reader got before its sync failed, and that is no longer in the log: the writer died before it rolled
 * over to a new segment, the pages were evicted, and the next writer continues in the same segment, with the same salt.
 */
import { ManualClock, Random } from '@sq/sim'
import type { FileHandle, FileLock, FileSystem, OpenMode } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { verify, WalReader, WalWriter } from '../../index.ts'
import type { LogRecord } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendEach, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { offsetAt } from '../../testing/offset-at.ts'
import { quiet } from '../../testing/quiet.ts'

function over<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(original, name) {
      const member: unknown = Reflect.get(name in members ? members : original, name)
      return typeof member === 'function' && !(name in members) ? member.bind(original) : member
    },
  })
}

/** The file system of a writer that dies: its lock is released, and a commit can be read before it is durable. */
function ofDyingWriter(fs: FileSystem, whenWritten: () => Promise<void>): FileSystem {
  return over(fs, {
    async lock(path: string): Promise<FileLock> {
      await (await fs.lock(path)).release()
      return { release: async () => {} }
    },
    async open(path: string, mode: OpenMode): Promise<FileHandle> {
      const handle = await fs.open(path, mode)
      return over(handle, {
        async writeDurable(buffers: readonly Uint8Array[], position: number) {
          await handle.write(buffers, position)
          await whenWritten()
          await handle.sync()
        },
      })
    },
  })
}

interface Rollback {
  /** Whether the writer that dies is in another process than the next one. False by default. */
  readonly diesInAnotherProcess?: boolean
  /** Whether the first two records are from an earlier writer, which closed the log. */
  readonly reopened?: boolean
  /** The value of the commit that is rolled back, and those the next writer appends. */
  readonly lost: string
  readonly later: readonly string[]
  readonly read: (log: LogFixture) => Promise<AsyncIterableIterator<LogRecord>>
  /** Ends the segment after the last of them, and appends to the next one. */
  readonly rotates?: boolean
}

/** The values that a reader got before, and what it gets when it continues. */
async function rollBack({
  diesInAnotherProcess = false,
  reopened = false,
  lost,
  later,
  read,
  rotates = false,
}: Rollback): Promise<{
  log: LogFixture
  given: string[]
  next: Promise<string>
}> {
  const log = new LogFixture()
  let gate: (() => Promise<void>) | null = null
  const fs = diesInAnotherProcess ? inAnotherProcess(log.fs, new Random(1)) : log.fs
  const dying = ofDyingWriter(fs, async () => gate?.())
  const openDying = (): Promise<WalWriter> =>
    WalWriter.open(dying, log.config, 'orders', 0, { clock: new ManualClock(), random: new Random(1) })
  let writer = reopened ? await log.open() : await openDying()
  await appendEach(writer, ['a', 'b'])
  if (reopened) {
    await writer.close()
    writer = await openDying()
  }
  const records = await read(log)
  const given = [await next(records), await next(records)]
  gate = async () => {
    gate = null
    given.push(await next(records))
    log.fs.faults.failNext('sync', 'EIO')
  }
  await expect(append(writer, lost)).rejects.toThrow('EIO')
  log.fs.evict()
  const successor = await log.open()
  await appendEach(successor, later)
  if (rotates) {
    await successor.closeActiveSegment()
    await append(successor, 'in the next segment')
  }
  expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  return { log, given, next: next(records) }
}

/** The next record, as `1 b`, or the code of the error with its offset; nothing, if it waits. */
function next(records: AsyncIterableIterator<LogRecord>): Promise<string> {
  return Promise.race([
    records.next().then(
      ({ done, value }) => (done === true ? 'done' : `${value.offset} ${String(value.value)}`),
      (error: Error & { code?: string; offset?: bigint }) => `${error.code} ${error.offset}`,
    ),
    quiet().then(() => 'nothing'),
  ])
}

const tailInAnotherProcess = async (log: LogFixture): Promise<AsyncIterableIterator<LogRecord>> =>
  (await WalReader.open(inAnotherProcess(log.fs, new Random(1)), log.config, 'orders', 0)).read({ follow: true })

describe('a tailing reader in another process that got a commit that was rolled back', () => {
  it.each<[string, Omit<Rollback, 'read'>]>([
    ['MARKs are in its place', { lost: 'CCCC', later: ['DDDD'] }],
    ['MARKs are in its place, and end before it did', { lost: 'C'.repeat(9000), later: ['D', 'e'] }],
    ['a commit of the same length is in its place', { reopened: true, lost: 'CCCC', later: ['DDDD'] }],
    [
      'a commit of the same length is in its place, and more follow',
      { reopened: true, lost: 'CCCC', later: ['DDDD', 'e0', 'e1'] },
    ],
    ['a shorter commit is in its place', { reopened: true, lost: 'C'.repeat(100), later: ['D'] }],
    [
      'a shorter commit is in its place, and more follow',
      { reopened: true, lost: 'C'.repeat(100), later: ['D', 'e0', 'e1'] },
    ],
    ['a longer commit is in its place', { reopened: true, lost: 'C', later: ['D'.repeat(500)] }],
    ['nothing is in its place', { reopened: true, lost: 'CCCC', later: [] }],
    [
      'a shorter commit is in its place, and the segment has a successor',
      { reopened: true, lost: 'C'.repeat(100), later: ['D'], rotates: true },
    ],
    [
      'a commit of the same length is in its place, and the segment has a successor',
      { reopened: true, lost: 'CCCC', later: ['DDDD'], rotates: true },
    ],
    [
      'two commits are in its place, and the segment has a successor',
      { reopened: true, lost: 'CCCC', later: ['D', 'e'], rotates: true },
    ],
  ])('gets an error if %s', async (_, rollback) => {
    const { given, next: told } = await rollBack({ ...rollback, read: tailInAnotherProcess })
    expect(given).toEqual(['0 a', '1 b', `2 ${rollback.lost}`])
    expect(await told).toBe('SQ_WAL_DIVERGED 2')
  })

  it('continues if the very same bytes are there again', async () => {
    const { given, next: told } = await rollBack({
      reopened: true,
      lost: 'CCCC',
      later: ['CCCC', 'd'],
      read: tailInAnotherProcess,
    })
    expect(given).toEqual(['0 a', '1 b', '2 CCCC'])
    expect(await told).toBe('3 d')
  })
})

it('a reader that got such a commit in a process that then opens the log gets an error, even if the writer has as many records', async () => {
  const { given, next: told } = await rollBack({
    reopened: true,
    diesInAnotherProcess: true,
    lost: 'CCCC',
    later: ['DDDD'],
    read: async (log) => (await WalReader.open(log.fs, log.config, 'orders', 0)).read({ follow: true }),
  })
  expect(given).toEqual(['0 a', '1 b', '2 CCCC'])
  expect(await told).toBe('SQ_WAL_DIVERGED 2')
})

it('a search by time in another process ignores a commit that was rolled back, and finds what is in its place', async () => {
  const log = new LogFixture()
  const large = Buffer.alloc(70_000)
  let gate: (() => Promise<void>) | null = null
  const dying = ofDyingWriter(log.fs, async () => gate?.())
  const writer = await WalWriter.open(dying, log.config, 'orders', 0, { clock: new ManualClock() })
  await writer.append(null, large, [], TIMESTAMP_MS)
  const reader = await WalReader.open(inAnotherProcess(log.fs, new Random(1)), log.config, 'orders', 0)
  gate = async () => {
    gate = null
    expect(await offsetAt(reader, TIMESTAMP_MS + 5)).toBeNull()
    log.fs.faults.failNext('sync', 'EIO')
  }
  // Metadata makes each batch a frame of its own, so the reader knows several places of the commit.
  const commit = [1, 2, 3].map(() =>
    writer.appendBatch([{ value: large, timestampMs: TIMESTAMP_MS }], { metadata: Buffer.from('m') }),
  )
  expect((await Promise.allSettled(commit)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  log.fs.evict()
  const successor = await log.open()
  expect(successor.nextOffset).toBe(1n)
  for (let at = 0; at < 3; at++) await successor.append(null, large, [], TIMESTAMP_MS + 5)
  expect(await log.segmentNames()).toHaveLength(1)
  expect(await offsetAt(reader, TIMESTAMP_MS + 5)).toBe(1n)
})

it('a reader in another process gets no later offset than where a log was truncated and written again', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, numbered(20))
  const records = await tailInAnotherProcess(log)
  for (let offset = 0; offset < 20; offset++) expect(await next(records)).toMatch(`${offset} `)
  await writer.truncate(11n)
  await append(writer, 'in the next segment')
  log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
  await expect(writer.truncate(5n)).rejects.toThrow('ENOSPC')
  log.fs.kill()
  const successor = await log.open()
  await appendEach(successor, numbered(30))
  // It remembers only some of the frames that it has read: the longer ago, the fewer.
  expect(await next(records)).toBe('SQ_WAL_DIVERGED 8')
})
