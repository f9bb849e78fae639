/** A reader of a log whose path is changed to lead to another directory. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem, Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WalReader, WalWriter } from '../../index.ts'
import type { LogRecord, ReadOptions } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

async function read(fs: FileSystem, options: ReadOptions = {}): Promise<AsyncIterableIterator<LogRecord>> {
  return (await WalReader.open(fs, log.config, 'orders', 0)).read(options)
}

/** The next record as `1 b`, `done`, or the code of the error with its offset; undefined if the reader waits. */
function next(records: AsyncIterableIterator<LogRecord>): Promise<string> {
  return Promise.race([
    records.next().then(
      ({ done, value }) => (done === true ? 'done' : `${value.offset} ${String(value.value)}`),
      (error: Error & { code?: string; offset?: bigint }) => `${error.code} ${error.offset ?? ''}`.trim(),
    ),
    quiet().then(() => 'nothing'),
  ])
}

/** Copies the files of the log. */
async function copyTo(directory: string): Promise<void> {
  await log.fs.mkdir(directory)
  for (const name of await log.fs.readdir(log.directory)) {
    await log.make(`${directory}/${name}`, await log.file(`${log.directory}/${name}`))
  }
}

async function replaceBy(directory: string): Promise<void> {
  await log.fs.rename(log.directory, '/data/orders/old')
  await log.fs.rename(directory, log.directory)
}

describe('a reader that was opened before its log was deleted and created again', () => {
  it('returns only what the writer of the new log has made durable, whenever it begins', async () => {
    const first = await log.open()
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const begun = reader.read()
    await append(first, 'old')
    await first.close()
    await log.fs.rename('/data/orders', '/data/orders.deleted')
    const second = await log.open()
    await append(second, 'acknowledged')
    const hold = log.fs.faults.hold('sync')
    const pending = append(second, 'never acknowledged')
    await hold.reached
    for (const records of [begun, reader.read()]) {
      expect([await next(records), await next(records)]).toEqual(['0 acknowledged', 'done'])
    }
    hold.release()
    await pending
    await second.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('returns only durable records if that happens between its lookup and its listing', async () => {
    const first = await log.open()
    await append(first, 'old')
    await first.close()
    const hold = log.fs.faults.hold('readdir')
    const records = await read(log.fs, { follow: true })
    const told = records.next()
    await hold.reached
    await log.fs.rename('/data/orders', '/data/orders.deleted')
    const second = await log.open()
    await append(second, 'acknowledged')
    const held = log.fs.faults.hold('sync')
    const pending = append(second, 'pending')
    await held.reached
    hold.release()
    expect(Buffer.from((await told).value?.value as Uint8Array).toString()).toBe('acknowledged')
    const later = records.next()
    expect(await Promise.race([later, quiet().then(() => 'nothing')])).toBe('nothing')
    held.release()
    await pending
    expect((await later).value?.offset).toBe(1n)
    await records.return?.()
    await second.close()
    expect(log.fs.openHandles).toBe(0)
  })
})

describe.each<[string, () => FileSystem]>([
  ['in the process that wrote it', () => log.fs],
  ['in another process', () => inAnotherProcess(log.fs, new Random(1))],
])('a tailing reader of a log without a writer, %s', (_, fileSystem) => {
  beforeEach(async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await writer.close()
  })

  /** A reader that got both records and waits. */
  async function waiting(): Promise<{ records: AsyncIterableIterator<LogRecord>; told: Promise<string> }> {
    const records = await read(fileSystem(), { follow: true })
    expect([await next(records), await next(records)]).toEqual(['0 a', '1 b'])
    const third = records.next()
    await quiet()
    return { records, told: next({ next: () => third } as AsyncIterableIterator<LogRecord>) }
  }

  it('gets records that are appended to a copy in place of the log', async () => {
    const records = await read(fileSystem(), { follow: true })
    expect([await next(records), await next(records)]).toEqual(['0 a', '1 b'])
    const third = records.next()
    await quiet()
    await copyTo('/data/copy')
    await replaceBy('/data/copy')
    await quiet()
    const writer = await log.open()
    await append(writer, 'c')
    expect((await third).value?.offset).toBe(2n)
    await records.return?.()
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets an error if another log takes its place, at the path or above it', async () => {
    const { told } = await waiting()
    await log.fs.rename('/data/orders', '/data/orders.old')
    const writer = await log.open()
    await appendEach(writer, ['A', 'B', 'C'])
    await writer.close()
    expect(await told).toMatch(/^SQ_WAL_(DIVERGED 0|NOT_FOUND)$/)
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets an error if another log was created before it takes the place of this one', async () => {
    const other = new LogFixture({ dataDir: '/other' }, log.fs)
    const writer = await other.open()
    await appendEach(writer, ['A', 'B', 'C'])
    await writer.close()
    const { told } = await waiting()
    await replaceBy('/other/orders/0')
    expect(await told).toBe('SQ_WAL_DIVERGED 0')
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets an error if a directory without segments takes its place', async () => {
    const { told } = await waiting()
    await log.fs.mkdir('/empty')
    await replaceBy('/empty')
    expect(await told).toBe('SQ_WAL_DIVERGED 0')
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets an error if the directory is gone', async () => {
    const { told } = await waiting()
    await log.fs.rename('/data', '/gone')
    expect(await told).toBe('SQ_WAL_NOT_FOUND')
    expect(log.fs.openHandles).toBe(0)
  })

  it('continues in the other log if it has returned nothing of this one', async () => {
    const records = await read(fileSystem(), { follow: true, from: 2n })
    const first = records.next()
    await quiet()
    const other = new LogFixture({ dataDir: '/other' }, log.fs)
    const writer = await other.open()
    await appendEach(writer, ['A', 'B', 'C'])
    await writer.close()
    await replaceBy('/other/orders/0')
    expect((await first).value?.offset).toBe(2n)
    await records.return?.()
    expect(log.fs.openHandles).toBe(0)
  })
})

describe('on a real disk, a tailing reader', () => {
  let top = ''
  const fs = new NodeFileSystem({ unlocked: true })

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'sq-storage-'))
  })
  afterEach(() => {
    rmSync(top, { recursive: true, force: true })
  })

  async function fill(dataDir: string, values: readonly string[]): Promise<void> {
    const writer = await WalWriter.open(fs, { dataDir }, 'orders', 0)
    await appendEach(writer, values)
    await writer.close()
  }

  it.each<[string, (top: string) => void, string]>([
    ['a link to the data directory is switched to a different one', () => relink('two'), 'SQ_WAL_DIVERGED'],
    ['the data directory is renamed', () => renameSync(`${top}/one`, `${top}/gone`), 'SQ_WAL_NOT_FOUND'],
    [
      'the partition is replaced',
      () => {
        renameSync(`${top}/one/orders/0`, `${top}/one/orders/old`)
        renameSync(`${top}/two/orders/0`, `${top}/one/orders/0`)
      },
      'SQ_WAL_(DIVERGED|NOT_FOUND)',
    ],
  ])('gets an error if %s', async (_, change, expected) => {
    await fill(`${top}/one`, ['a'])
    await fill(`${top}/two`, ['A', 'B'])
    symlinkSync('one', `${top}/data`)
    const records = (await WalReader.open(fs, { dataDir: `${top}/data` }, 'orders', 0)).read({ follow: true })
    await records.next()
    const second = records.next()
    await quiet()
    change(top)
    await expect(second).rejects.toMatchObject({ code: expect.stringMatching(expected) as string })
  })

  function relink(target: string): void {
    mkdirSync(`${top}/new`)
    symlinkSync(target, `${top}/new/data`)
    renameSync(`${top}/new/data`, `${top}/data`)
  }
})
