import type { FileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { Operation } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { deleteLog, listPartitions, LogNotFoundError, WalReader, WalWriter } from '../index.ts'
import { CrashImages } from '../testing/crash-images.ts'
import { append, appendEach, bytes, LogFixture } from '../testing/log-fixture.ts'
import { segmentName } from './segment.ts'

const TOPIC = '/data/orders'
const TEMPORARY = `${TOPIC}/0.tmp`

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
})

function remove(fs: FileSystem = log.fs): Promise<void> {
  return deleteLog(fs, log.config, 'orders', 0)
}

function openExisting(): Promise<WalWriter> {
  return WalWriter.open(log.fs, log.config, 'orders', 0, { create: false })
}

/** A closed log of three segments, `a`, `b` and `c`, and with `others` a second partition in its topic. */
async function makeLog({ others = true }: { others?: boolean } = {}): Promise<void> {
  const writer = await log.open()
  for (const value of ['a', 'b', 'c']) {
    await append(writer, value)
    await writer.closeActiveSegment()
  }
  await writer.close()
  if (others) await (await WalWriter.open(log.fs, log.config, 'orders', 1)).close()
}

/** What is left at a path and below, durably. */
function durablePaths(below: string, fs: InMemoryFileSystem = log.fs): string[] {
  return [...fs.crashState().image({ picks: [] }).entries.keys()].filter((path) => path.startsWith(below)).toSorted()
}

describe('deleteLog', () => {
  it('removes the log for good, and leaves the other partitions of its topic', async () => {
    await makeLog()
    await remove()
    expect(await listPartitions(log.fs, log.config)).toEqual([{ topic: 'orders', partition: 1 }])
    expect(durablePaths(TOPIC)).toEqual([TOPIC, `${TOPIC}/1`, `${TOPIC}/1/lock`])
    expect(log.fs.openHandles).toBe(0)
  })

  it('removes the directory of a topic of which nothing is left', async () => {
    await makeLog({ others: false })
    await remove()
    expect(durablePaths('/data')).toEqual(['/data'])
  })

  it('leaves a topic with anything else in it', async () => {
    await makeLog({ others: false })
    await log.make(`${TOPIC}/config.json`, bytes('{}'))
    await remove()
    expect(durablePaths('/data')).toEqual(['/data', TOPIC, `${TOPIC}/config.json`])
  })

  it.each(['EACCES', 'EPERM', 'EBUSY'])('resolves if the topic cannot be removed with %s', async (code) => {
    await makeLog({ others: false })
    log.fs.faults.failNext('rmdir', code, TOPIC)
    await remove()
    expect(await log.fs.readdir(TOPIC)).toEqual([])
  })

  it('lets a log be created in its place, which begins at offset 0', async () => {
    await makeLog()
    await remove()
    await using writer = await log.open()
    expect(await append(writer, 'new')).toBe(0n)
    expect(await log.values()).toEqual(['new'])
  })

  it('removes quarantined segments and the rest of a segment that was being made', async () => {
    await makeLog()
    await log.make(`${log.path(0)}.quarantined-1`, bytes('damaged'))
    await log.make(`${log.directory}/next.tmp`, bytes('half'))
    await remove()
    expect(await log.fs.readdir(TOPIC)).toEqual(['1'])
  })

  it('rejects with LogNotFoundError if there is no log, and creates nothing', async () => {
    await expect(remove()).rejects.toThrow(LogNotFoundError)
    expect(await log.fs.readdir('/')).toEqual([])
    await makeLog()
    await remove()
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND', path: log.directory })
  })

  it('rejects with LockedError while a writer has the log open, and changes nothing', async () => {
    await makeLog()
    const before = await log.files()
    const writer = await log.open()
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED' })
    await writer.close()
    expect(await log.files()).toEqual(before)
  })

  it.each([
    ['a file', (path: string) => log.make(path, bytes('kept'))],
    ['a directory', (path: string) => log.fs.mkdir(path)],
  ])("refuses %s that is not the log's, names it, and changes nothing", async (_, make) => {
    await makeLog()
    await make(`${log.directory}/notes.txt`)
    const before = log.fs.crashState().image({ picks: [] }).digest()
    await expect(remove()).rejects.toMatchObject({
      code: 'SQ_WAL_IO',
      path: log.directory,
      cause: { code: 'ENOTEMPTY' },
      message: expect.stringContaining('also has notes.txt,'),
    })
    expect(log.fs.crashState().image({ picks: [] }).digest()).toBe(before)
    expect(await log.values()).toEqual(['a', 'b', 'c'])
  })

  it('refuses a directory in place of a segment', async () => {
    await makeLog()
    await log.fs.mkdir(log.path(9))
    await expect(remove()).rejects.toMatchObject({ cause: { code: 'ENOTEMPTY' } })
    expect(await log.fs.readdir(TOPIC)).toContain('0')
  })

  it("names three files that are not the log's, and counts the others", async () => {
    await makeLog()
    for (const name of ['one', 'two', 'three']) await log.make(`${log.directory}/${name}`, bytes(''))
    await expect(remove()).rejects.toThrow('one, two, three, which the log did not make')
    for (const name of ['four', 'five']) await log.make(`${log.directory}/${name}`, bytes(''))
    await expect(remove()).rejects.toThrow('one, two, three and 2 more, which the log did not make')
  })

  it('rejects if the directory of the topic cannot be removed for a different reason', async () => {
    await makeLog({ others: false })
    log.fs.faults.failNext('rmdir', 'EIO', TOPIC)
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: TOPIC, cause: { code: 'EIO' } })
  })

  it('checks topic, partition and config', async () => {
    await expect(deleteLog(log.fs, log.config, '../data', 0)).rejects.toThrow(RangeError)
    await expect(deleteLog(log.fs, { dataDir: '' }, 'orders', 0)).rejects.toThrow(RangeError)
  })
})

describe('deleteLog that is interrupted', () => {
  test('by a power cut leaves the whole log or none, which the next call or writer completes', async () => {
    await makeLog({ others: false })
    const images = new CrashImages()
    const stop = images.collect(log.fs)
    await remove()
    stop()
    const found = new Set<string>()
    let index = 0
    for (const crashed of images.logs()) {
      log = crashed
      const listed = await listPartitions(crashed.fs, crashed.config)
      const isThere = listed.length > 0
      if (isThere) expect(await crashed.values()).toEqual(['a', 'b', 'c'])
      else await expect(crashed.values()).rejects.toThrow(LogNotFoundError)
      const isLeft = (await namesIn(crashed.fs, TOPIC)).includes('0.tmp')
      found.add(`${isThere} ${isLeft}`)
      if (index++ % 2 === 0) {
        await (isThere || isLeft ? remove() : expect(remove()).rejects.toThrow(LogNotFoundError))
        expect(await namesIn(crashed.fs, TOPIC)).toEqual([])
      } else {
        await using writer = await crashed.open()
        expect(writer.nextOffset).toBe(isThere ? 3n : 0n)
        expect(await crashed.fs.readdir(TOPIC)).toEqual(['0'])
      }
    }
    expect(found).toEqual(new Set(['true false', 'false true', 'false false']))
  })

  test('by a failure of any operation leaves the whole log or none, and the next call completes it', async () => {
    for (const error of ['EIO', 'ENOSPC']) {
      for (let nth = 1; ; nth++) {
        log = new LogFixture()
        await makeLog({ others: false })
        const rule = log.fs.faults.add({ on: ALL, when: { nth }, fault: { error } })
        const failure = await remove().then(() => null, String)
        const { hits } = rule
        log.fs.faults.clear()
        log.fs.crash()
        const isThere = (await listPartitions(log.fs, log.config)).length > 0
        if (isThere) expect(await log.values()).toEqual(['a', 'b', 'c'])
        if (failure === null) expect(isThere).toBe(false)
        const isLeft = (await namesIn(log.fs, TOPIC)).includes('0.tmp')
        if (isThere || isLeft) await remove()
        expect((await namesIn(log.fs, '/data')).filter((name) => name !== 'orders')).toEqual([])
        expect(await namesIn(log.fs, TOPIC)).toEqual([])
        expect(log.fs.openHandles).toBe(0)
        if (hits === 0) break
      }
    }
  })

  test('leaves what it could not remove to a writer, which opens all the same if it cannot remove it either', async () => {
    await makeLog()
    log.fs.faults.failNext('unlink', 'EIO')
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    log.fs.faults.failNext('unlink', 'EACCES', (path) => path.startsWith(TEMPORARY))
    await (await log.open()).close()
    expect((await log.fs.readdir(TOPIC)).toSorted()).toEqual(['0', '0.tmp', '1'])
    await (await log.open()).close()
    expect((await log.fs.readdir(TOPIC)).toSorted()).toEqual(['0', '1'])
  })

  test('does not hide an error that is no failure of the file system from a writer', async () => {
    await makeLog()
    log.fs.faults.failNext('unlink', 'EIO')
    await expect(remove()).rejects.toThrow()
    const bug = new TypeError('a bug')
    const readdir = log.fs.readdir.bind(log.fs)
    log.fs.readdir = (path) => (path === TEMPORARY ? Promise.reject(bug) : readdir(path))
    await expect(log.open()).rejects.toBe(bug)
    expect(log.fs.openHandles).toBe(0)
  })

  test('by the removal of one of its files does not fail', async () => {
    await makeLog()
    const hold = log.fs.faults.hold('unlink')
    const removed = remove()
    await hold.reached
    await log.fs.unlink(`${TEMPORARY}/${segmentName(0)}`)
    hold.release()
    await removed
    expect(await log.fs.readdir(TOPIC)).toEqual(['1'])
  })

  test('by another deletion before it has the lock finds no log, and creates none', async () => {
    await makeLog()
    const hold = log.fs.faults.hold('lock')
    const late = remove()
    await hold.reached
    await remove()
    hold.release()
    await expect(late).rejects.toThrow(LogNotFoundError)
    expect(await log.fs.readdir(TOPIC)).toEqual(['1'])
  })

  test("leaves alone what is found in its temporary directory and is not the log's", async () => {
    await makeLog()
    log.fs.faults.failNext('unlink', 'EIO')
    await expect(remove()).rejects.toThrow()
    await log.make(`${TEMPORARY}/notes.txt`, bytes('kept'))
    await remove()
    expect(await log.fs.readdir(TEMPORARY)).toEqual(['notes.txt'])
    await (await log.open()).close()
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'ENOTEMPTY' } })
    expect(await listPartitions(log.fs, log.config)).toHaveLength(2)
  })

  test('does not remove what another process is removing', async () => {
    await makeLog()
    const hold = log.fs.faults.hold('unlink', (path) => path.endsWith('2.wal'))
    const first = remove()
    await hold.reached
    await expect(remove()).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED', path: `${TEMPORARY}/lock` })
    await using writer = await log.open()
    await append(writer, 'new')
    expect((await log.fs.readdir(TOPIC)).toSorted()).toEqual(['0', '0.tmp', '1'])
    hold.release()
    await first
    expect((await log.fs.readdir(TOPIC)).toSorted()).toEqual(['0', '1'])
    expect(await log.values()).toEqual(['new'])
  })
})

describe('deleteLog while another partition of the topic is created', () => {
  const STOPS: Operation[] = ['mkdir', 'syncDirectory', 'lock', 'stat', 'rmdir', 'unlink', 'rename']

  test.each(STOPS.flatMap((on) => [1, 2, 3, 4].map((nth) => ({ on, nth }))))(
    'removes the topic or leaves it, and the other log exists, if its creation waits at $on, time $nth',
    async ({ on, nth }) => {
      for (const isDeletionStopped of [false, true]) {
        log = new LogFixture()
        await makeLog({ others: false })
        const open = async (): Promise<void> => {
          const writer = await WalWriter.open(log.fs, log.config, 'orders', 1)
          await append(writer, 'other')
          await writer.close()
        }
        const [stopped, other] = isDeletionStopped ? [remove, open] : [open, remove]
        log.fs.faults.add({ on, when: { nth }, fault: { turns: 1000 } })
        const first = stopped()
        await Promise.all([first, other()])
        log.fs.crash()
        expect(await listPartitions(log.fs, log.config)).toEqual([{ topic: 'orders', partition: 1 }])
        expect(await valuesOf(log, 1)).toEqual(['other'])
      }
    },
  )

  test('gives up where the directory is removed again and again', async () => {
    log.fs.faults.failAlways('lock', 'ENOENT')
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'ENOENT' } })
    expect(log.fs.operations.count('lock')).toBe(16)
  })
})

describe('a reader of a log that is deleted', () => {
  test('reads to the end of its segment, and then gets LogNotFoundError', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await writer.closeActiveSegment()
    await append(writer, 'c')
    await writer.close()
    const records = (await WalReader.open(log.fs, log.config, 'orders', 0)).read()
    expect((await records.next()).value.offset).toBe(0n)
    await remove()
    expect((await records.next()).value.offset).toBe(1n)
    await expect(records.next()).rejects.toThrow(LogNotFoundError)
    expect(log.fs.openHandles).toBe(0)
  })

  test('that waits for more gets LogNotFoundError, and cannot be opened again', async () => {
    await makeLog()
    const records = (await WalReader.open(log.fs, log.config, 'orders', 0)).read({ follow: true, from: 3n })
    const next = records.next().then(
      () => 'a record',
      (error: unknown) => error,
    )
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    await remove()
    expect(await next).toBeInstanceOf(LogNotFoundError)
    await expect(log.values()).rejects.toThrow(LogNotFoundError)
    expect(log.fs.openHandles).toBe(0)
  })
})

describe('a writer that is opened with create: false', () => {
  it('opens a log that exists', async () => {
    await makeLog()
    await using writer = await openExisting()
    expect(writer.nextOffset).toBe(3n)
  })

  it('opens a log without a lock file, as some copies of a log are', async () => {
    await makeLog()
    await log.fs.unlink(`${log.directory}/lock`)
    await using writer = await openExisting()
    expect(writer.nextOffset).toBe(3n)
  })

  it.each([
    ['data directory', '/'],
    ['topic', '/data'],
    ['partition', '/data/orders'],
    ['lock and no segment', '/data/orders/0'],
  ])('rejects with LogNotFoundError if there is no %s, and creates nothing', async (_, there) => {
    await log.fs.mkdir(there)
    const before = log.fs.crashState().image({ picks: [] }).digest()
    await expect(openExisting()).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND', path: log.directory })
    expect(log.fs.crashState().image({ picks: [] }).digest()).toBe(before)
    expect(log.fs.openHandles).toBe(0)
  })

  it('rejects with LogNotFoundError if the log is deleted before it is locked, and creates nothing', async () => {
    await makeLog()
    const hold = log.fs.faults.hold('lock')
    const opened = openExisting()
    await hold.reached
    await remove()
    hold.release()
    await expect(opened).rejects.toThrow(LogNotFoundError)
    expect(await log.fs.readdir(TOPIC)).toEqual(['1'])
  })

  it('refuses a value of create that is not a boolean', async () => {
    const options = JSON.parse('{ "create": "no" }')
    await expect(WalWriter.open(log.fs, log.config, 'orders', 0, options)).rejects.toThrow(TypeError)
    expect(await log.fs.readdir('/')).toEqual([])
  })
})

const ALL: Operation[] = ['stat', 'lock', 'readdir', 'rename', 'unlink', 'rmdir', 'syncDirectory']

async function namesIn(fs: InMemoryFileSystem, path: string): Promise<string[]> {
  return fs.readdir(path).catch(() => [])
}

async function valuesOf({ fs, config }: LogFixture, partition: number): Promise<string[]> {
  const values: string[] = []
  const reader = await WalReader.open(fs, config, 'orders', partition)
  for await (const { value } of reader.read()) values.push(Buffer.from(value ?? '').toString())
  return values
}
