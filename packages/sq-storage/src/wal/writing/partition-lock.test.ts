import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, test } from 'vitest'
import { append, bytes, LogFixture } from '../../testing/log-fixture.ts'

/**
 * What another process does to a lock file between its opening and its locking. The writer sees it right after `lock`.
 */
type Meddling = (log: LogFixture, path: string) => Promise<void>

const MEDDLINGS: [string, Meddling][] = [
  [
    'replaced',
    async (log, path) => {
      await log.make(`${log.directory}/other`, bytes(''))
      await log.fs.rename(`${log.directory}/other`, path)
    },
  ],
  ['removed', (log, path) => log.fs.unlink(path)],
  ['moved away', (log, path) => log.fs.rename(path, `${log.directory}/moved`)],
]

/** Runs the action right after the next lock is taken. */
function afterNextLock(log: LogFixture, meddling: Meddling): void {
  const lock = log.fs.lock.bind(log.fs)
  log.fs.lock = async (path) => {
    const held = await lock(path)
    log.fs.lock = lock
    await meddling(log, path)
    return held
  }
}

describe.each(MEDDLINGS)('a lock file that is %s before it is locked', (_, meddling) => {
  test('is noticed when it is taken, and leaves the next writer alone', async () => {
    const log = new LogFixture()
    const first = await log.open()
    await append(first, 'a')
    await first.close()
    const before = await log.file(log.path(0))
    afterNextLock(log, meddling)
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST', path: `${log.directory}/lock` })
    expect(log.fs.openHandles).toBe(0)
    expect(await log.file(log.path(0))).toEqual(before)
    await using writer = await log.open()
    expect(await append(writer, 'b')).toBe(1n)
  })
})

test('a directory that takes the place of the locked one before it is read is not changed', async () => {
  const fs = new InMemoryFileSystem()
  const log = new LogFixture({}, fs)
  const first = await log.open()
  await append(first, 'a')
  await first.close()
  const other = new LogFixture({ dataDir: '/other' }, fs)
  const live = await other.open()
  await append(live, 'b'.repeat(5000))
  await append(live, 'c')
  const place = '/other/orders/0'
  const before = await other.file(`${place}/00000000000000000000.wal`)
  const readdir = fs.readdir.bind(fs)
  fs.readdir = async (path) => {
    fs.readdir = readdir
    await fs.rename(log.directory, '/data/orders/old')
    await fs.rename(place, log.directory)
    return readdir(path)
  }
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
  expect(await log.file(log.path(0))).toEqual(before)
})

test('a file system whose locks do not tell which file they are on still has writers', async () => {
  const fs = new InMemoryFileSystem()
  const lock = fs.lock.bind(fs)
  fs.lock = async (path) => {
    const held = await lock(path)
    return { release: () => held.release() }
  }
  const log = new LogFixture({ maxSegmentBytes: 1 }, fs)
  const writer = await log.open()
  await append(writer, 'a')
  await fs.unlink(`${log.directory}/lock`)
  await expect(append(writer, 'b')).rejects.toMatchObject({ cause: { code: 'SQ_WAL_LOCK_LOST' } })
  await expect(writer.close()).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
})

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

test.each([
  ['ENOENT', 'SQ_WAL_LOCK_LOST'],
  ['ENOTDIR', 'SQ_WAL_LOCK_LOST'],
  ['EIO', 'SQ_WAL_IO'],
])('a lock file whose stat fails with %s is reported as %s', async (code, reported) => {
  const log = new LogFixture()
  const writer = await log.open()
  log.fs.stat = () => Promise.reject(systemError(code))
  await expect(writer.deleteSegments({ belowOffset: 0n })).rejects.toMatchObject({ code: reported })
})

test.each([
  ['ELOCKED', 'SQ_WAL_LOCKED'],
  ['EIO', 'SQ_WAL_IO'],
])('a lock that fails with %s is reported as %s', async (code, reported) => {
  const log = new LogFixture()
  log.fs.lock = () => Promise.reject(systemError(code))
  await expect(log.open()).rejects.toMatchObject({ code: reported })
})

test('a directory that is not found although its lock is still there is an I/O error, not a missing log', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.readdir = () => Promise.reject(systemError('ENOENT'))
  await expect(writer.truncate(0n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
})

test('each opening of a log makes the names that lead to its directory durable', async () => {
  const log = new LogFixture()
  await (await log.open()).close()
  const trace = log.fs.operations.trace()
  await log.open()
  const synced = trace.lines.filter((line) => line.startsWith('syncDirectory'))
  expect(synced).toEqual(
    expect.arrayContaining(["syncDirectory '/data/orders'", "syncDirectory '/data'", "syncDirectory '/'"]),
  )
})
