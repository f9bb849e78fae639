import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { NodeFileSystem } from '@sq/sim'
import type { Operation } from '@sq/sim/memory'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listExpired, repair, verify, WalReader, WalWriter } from '../../index.ts'
import type { RecordInput, WalConfig } from '../../index.ts'
import { append, bytes, LogFixture } from '../../testing/log-fixture.ts'

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sq-storage-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

/** The two ways to open a log. Both must check their arguments. */
const openings = [
  (...opened: Parameters<typeof WalReader.open>) => WalWriter.open(...opened),
  (...opened: Parameters<typeof WalReader.open>) => WalReader.open(...opened),
]

describe('a bad topic or partition is refused by name, before anything is touched', () => {
  const topics: [unknown, RegExp][] = [
    ['', /topic must have 1 to 249 characters, not 0/],
    ['.', /topic must be made of/],
    ['../..', /topic must be made of/],
    ['../x', /topic must be made of .*"\.\.\/x"/],
    ['a/b', /topic must be made of/],
    ['a\0b', /topic must be made of/],
    ['a\n', /topic must be made of/],
    ['x'.repeat(250), /not 250/],
    ['x'.repeat(10_000), /not 10000/],
    ['naïve', /topic must be made of/],
    [undefined, /topic must be a string/],
  ]
  test.each(topics)('topic %j', async (topic, message) => {
    const log = new LogFixture()
    for (const opening of openings) {
      await expect(opening(log.fs, log.config, topic as string, 0)).rejects.toThrow(message)
    }
    expect(await log.fs.readdir('/')).toEqual([])
  })

  test.each([-1, 1.5, 2 ** 32, NaN, Infinity, '0', 0n])('partition %s', async (partition) => {
    const log = new LogFixture()
    for (const opening of openings) {
      await expect(opening(log.fs, log.config, 'orders', partition as number)).rejects.toThrow(/partition must be/)
    }
    expect(await log.fs.readdir('/')).toEqual([])
  })

  test.each(['a', 'x'.repeat(249), '...', 'A-Z_0.9'])('topic %j is allowed', async (topic) => {
    const log = new LogFixture()
    await using writer = await WalWriter.open(log.fs, log.config, topic, 2 ** 32 - 1)
    expect(await append(writer, 'a')).toBe(0n)
    const reader = await WalReader.open(log.fs, log.config, topic, 2 ** 32 - 1)
    for await (const record of reader.read()) expect(record.offset).toBe(0n)
  })
})

describe('a bad config is refused, with the option, the value and the limit', () => {
  const configs: [unknown, RegExp][] = [
    [null, /config must be an object/],
    [{}, /dataDir must be a string, not undefined/],
    [{ dataDir: '' }, /dataDir must be a non-empty path/],
    [{ dataDir: '/d', maxSegmentByte: 1 }, /config has no option "maxSegmentByte"/],
    [{ dataDir: 'a\0b' }, /dataDir must be a non-empty path/],
    [{ dataDir: '/d', maxSegmentBytes: 0 }, /maxSegmentBytes must be a whole number from 1 to 2147483648: 0/],
    [{ dataDir: '/d', maxSegmentBytes: '64' }, /maxSegmentBytes must be a number, not "64"/],
    [{ dataDir: '/d', maxSegmentBytes: 2 ** 31 + 1 }, /maxSegmentBytes .*: 2147483649/],
    [{ dataDir: '/d', maxSegmentAgeMs: -1 }, /maxSegmentAgeMs .*: -1/],
    [{ dataDir: '/d', maxSegmentAgeMs: NaN }, /maxSegmentAgeMs .*: NaN/],
    [{ dataDir: '/d', maxRecordBytes: 1.5 }, /maxRecordBytes .*: 1.5/],
    [
      { dataDir: '/d', maxRecordBytes: 10, maxBatchBytes: 9 },
      /maxRecordBytes must not be more than maxBatchBytes \(9\): 10/,
    ],
    [{ dataDir: '/d', maxBatchBytes: Infinity }, /maxBatchBytes .*: Infinity/],
    [{ dataDir: '/d', maxPendingBytes: null }, /maxPendingBytes must be a number, not null/],
  ]
  test.each(configs)('%j', async (config, message) => {
    const log = new LogFixture()
    await expect(WalWriter.open(log.fs, config as WalConfig, 'orders', 0)).rejects.toThrow(message)
    expect(await log.fs.readdir('/')).toEqual([])
  })
})

/** A record that holds this number of bytes. */
function sized(length: number): RecordInput {
  return { key: null, value: Buffer.alloc(length), headers: [], timestampMs: 0 }
}

describe('a bad record is refused, and the log is not affected', () => {
  const value = bytes('v')
  const records: [string, unknown[], RegExp][] = [
    ['a key that is a string', ['key', value, [], 0], /key must be a Uint8Array or null, not "key"/],
    ['a key that is missing', [undefined, value, [], 0], /key must be a Uint8Array or null, not undefined/],
    ['a value that is a string', [null, 'value', [], 0], /value must be a Uint8Array or null, not "value"/],
    ['a value that is missing', [null, undefined, [], 0], /value must be a Uint8Array or null, not undefined/],
    ['headers that are an object', [null, value, {}, 0], /headers must be an array/],
    ['a header without a key', [null, value, [{ value }], 0], /headers\[0\].key must be a string/],
    [
      'a header key that is not well-formed',
      [null, value, [{ key: '\ud800', value }], 0],
      /headers\[0\].key must be well-formed/,
    ],
    ['a header without a value', [null, value, [{ key: 'a', value }, { key: 'b' }], 0], /headers\[1\]\.value/],
    ['a timestamp NaN', [null, value, [], NaN], /timestampMs must be a whole number/],
    ['a negative timestamp', [null, value, [], -1], /timestampMs .*: -1/],
    ['a fractional timestamp', [null, value, [], 1.5], /timestampMs .*: 1.5/],
    ['a timestamp past 2^53 - 1', [null, value, [], 2 ** 53], /timestampMs/],
    [
      'a timestamp that is a date',
      [null, value, [], new Date(0)],
      /timestampMs must be a number, not an object \(Date\)/,
    ],
    ['a record over the limit', [null, Buffer.alloc(101), [], 0], /the record holds 101 bytes, maxRecordBytes is 100/],
    [
      'a record over the limit with its headers',
      [value, value, [{ key: 'é', value: Buffer.alloc(89) }], 0],
      /holds 101 bytes/,
    ],
  ]
  test.each(records)('%s', async (_, given, message) => {
    const log = new LogFixture({ maxRecordBytes: 100 })
    const writer = await log.open()
    const before = log.fs.operations.count()
    await expect(writer.append(...(given as Parameters<WalWriter['append']>))).rejects.toThrow(message)
    expect(log.fs.operations.count()).toBe(before)
    expect(await append(writer, Buffer.alloc(100))).toBe(0n)
  })

  test.each([
    ['no records', [], null, /at least one record/],
    ['no array', 'ab', null, /a batch must be an array/],
    ['one bad record', [null], 0, /^record 0 of the batch: a record must be an object/],
    [
      'one record too large',
      [100, 101].map(sized),
      1,
      /^record 1 of the batch: the record holds 101 bytes, maxRecordBytes is 100/,
    ],
    ['too large in all', [100, 100, 100].map(sized), null, /^the batch takes 372 bytes, maxBatchBytes is 250/],
  ])('a batch with %s', async (_, batch, index, message) => {
    const log = new LogFixture({ maxRecordBytes: 100, maxBatchBytes: 250 })
    const writer = await log.open()
    const refused = writer.appendBatch(batch as never)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index, field: null })
    expect(await append(writer, 'a')).toBe(0n)
  })
})

test('a record that changes at each read is read once', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  let looks = 0
  const shifty = {
    key: null,
    get value() {
      return Buffer.alloc(++looks, 'v')
    },
    headers: [],
    get timestampMs() {
      return looks < 2 ? 1000 : 2 ** 60
    },
  }
  await writer.appendBatch([shifty])
  expect(await writer.closeActiveSegment()).toMatchObject({ minTimestampMs: 1000, maxTimestampMs: 1000 })
  expect(await log.values()).toEqual(['v'])
  expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
})

test('a record that appends another record while it is read is stored intact', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const calls: Promise<unknown>[] = [append(writer, 'waits')]
  const meddling = {
    get key() {
      calls.push(append(writer, 'inner, and longer than the rest of the outer one'))
      return 'key'
    },
    value: bytes('value'),
  }
  calls.push(writer.append(null, bytes('outer'), [meddling], 0))
  await Promise.all(calls)
  expect(await log.values()).toEqual(['waits', 'inner, and longer than the rest of the outer one', 'outer'])
})

test.each([
  ['append', (writer: WalWriter) => append(writer, 'a')],
  [
    'appendBatch',
    (writer: WalWriter) => writer.appendBatch([{ key: null, value: bytes('a'), headers: [], timestampMs: 0 }]),
  ],
  ['closeActiveSegment', (writer: WalWriter) => writer.closeActiveSegment()],
])('on a closed writer %s rejects', async (_, call) => {
  const log = new LogFixture()
  const writer = await log.open()
  const closing = writer.close()
  await expect(call(writer)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  await closing
  await expect(call(writer)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  await writer.close()
})

test('a second writer in this process is refused at once, and the first one is not affected', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED', path: '/data/orders/0/lock' })
  expect(await append(writer, 'a')).toBe(0n)
  await writer.close()
  await using next = await log.open()
  expect(next.nextOffset).toBe(1n)
})

test('a second writer in another process is refused at once', async () => {
  const dataDir = await temporaryDirectory()
  const fs = new NodeFileSystem()
  const open = `
    const { NodeFileSystem } = await import('@sq/sim')
    const { WalWriter } = await import('@sq/storage')
    await WalWriter.open(new NodeFileSystem(), { dataDir: process.argv[1] }, 'orders', 0).then(
      (writer) => writer.close().then(() => console.log('opened')),
      (error) => console.log(error.code),
    )`
  const openInAnotherProcess = async () => {
    const args = ['--input-type=module', '-e', open, dataDir]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: {} })
    return stdout.trim()
  }
  const writer = await WalWriter.open(fs, { dataDir }, 'orders', 0)
  expect(await openInAnotherProcess()).toBe('SQ_WAL_LOCKED')
  await expect(WalWriter.open(new NodeFileSystem(), { dataDir }, 'orders', 0)).rejects.toMatchObject({
    code: 'SQ_WAL_LOCKED',
  })
  await writer.close()
  expect(await openInAnotherProcess()).toBe('opened')
})

test.each(['lock', 'whole directory'])(
  'a writer whose %s was removed does no harm to the next one',
  async (removed) => {
    const dataDir = await temporaryDirectory()
    const fs = new NodeFileSystem()
    const config = { dataDir, maxSegmentBytes: 1 }
    const first = await WalWriter.open(fs, config, 'orders', 0)
    await append(first, 'first')
    await rm(join(dataDir, 'orders', '0', removed === 'lock' ? 'lock' : ''), { recursive: true })
    const second = await WalWriter.open(fs, config, 'orders', 0)
    await append(second, 'second')
    await expect(append(first, 'rotates')).rejects.toMatchObject({ cause: { code: 'SQ_WAL_LOCK_LOST' } })
    await expect(first.close()).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    await append(second, 'third')
    await second.close()
    const reopened = await WalWriter.open(fs, config, 'orders', 0)
    expect(reopened.nextOffset).toBe(removed === 'lock' ? 3n : 2n)
    await reopened.close()
  },
)

describe('if the directory of the log is gone', () => {
  test.each<[string, (writer: WalWriter) => Promise<unknown>]>([
    ['deleteSegments', (writer) => writer.deleteSegments({ belowOffset: 1n })],
    ['truncate', (writer) => writer.truncate(1n)],
    ['close', (writer) => writer.close()],
  ])('%s says that the lock is lost', async (_, call) => {
    for (const moved of ['/data', '/data/orders', '/data/orders/0']) {
      const log = new LogFixture()
      const writer = await log.open()
      await append(writer, 'a')
      await append(writer, 'b')
      await log.fs.rename(moved, '/moved')
      await expect(call(writer)).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST', path: `${log.directory}/lock` })
      expect(writer.nextOffset).toBe(2n)
    }
  })

  test.each<[string, Operation, (writer: WalWriter) => Promise<unknown>]>([
    ['deleteSegments', 'open', (writer) => writer.deleteSegments({ belowOffset: 1n })],
    ['truncate', 'readdir', (writer) => writer.truncate(1n)],
  ])('%s says that the lock is lost, also if the directory disappears between two checks', async (_, look, call) => {
    const log = new LogFixture({ maxSegmentBytes: 1 })
    await using first = await log.open()
    await append(first, 'a')
    await append(first, 'b')
    await first.close()
    const writer = await log.open()
    log.fs.operations.observe(({ operation, phase }) => {
      if (operation === look && phase === 'start') void log.fs.rename(log.directory, '/moved').catch(() => {})
    })
    await expect(call(writer)).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
  })

  test('open reports a directory that disappears after the lock is taken', async () => {
    const log = new LogFixture()
    log.fs.operations.observe(({ operation, phase }) => {
      if (operation === 'readdir' && phase === 'start') void log.fs.rename(log.directory, '/moved').catch(() => {})
    })
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    expect(log.fs.openHandles).toBe(0)
  })

  test('a listing that fails though the lock is there is an I/O error', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext('readdir', 'ENOENT')
    await expect(writer.truncate(0n)).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: log.directory })
  })
})

test.each<[string, (log: LogFixture) => Promise<unknown>, string]>([
  [
    'WalWriter.open',
    (log) => WalWriter.open(log.fs, log.config, 'orders', 0, { onSegmentClose: () => {} } as object),
    'onSegmentClose',
  ],
  ['repair', (log) => repair(log.fs, log.config, 'orders', 0, {} as never, { rnadom: 1 } as object), 'rnadom'],
  [
    'a question about retention',
    (log) => listExpired(log.fs, log.config, 'orders', 0, { policy: { belowOffset: 1n }, now: 1 } as never),
    'now',
  ],
])('a misspelt option of %s is refused by name', async (name, call, option) => {
  const log = new LogFixture()
  await expect(call(log)).rejects.toThrow(new TypeError(`${name} has no option "${option}"`))
  expect(await log.fs.readdir('/')).toEqual([])
})

test.each([null, 'text'])('options that are %j are refused', async (options) => {
  const log = new LogFixture()
  const opening = WalWriter.open(log.fs, log.config, 'orders', 0, options as never)
  await expect(opening).rejects.toThrow('the options of WalWriter.open must be an object')
})

test('without an onSegmentClosed, a segment ends and nothing is called', async () => {
  const thrown: unknown[] = []
  const note = (error: unknown) => thrown.push(error)
  process.on('uncaughtException', note)
  onTestFinished(() => void process.off('uncaughtException', note))
  const log = new LogFixture()
  const writer = await WalWriter.open(log.fs, log.config, 'orders', 0, {})
  await append(writer, 'a')
  expect(await writer.closeActiveSegment()).toMatchObject({ records: 1 })
  await new Promise(setImmediate)
  expect(thrown).toEqual([])
  await writer.close()
})

test('an onSegmentClosed that is not a function is refused', async () => {
  const log = new LogFixture()
  const opening = WalWriter.open(log.fs, log.config, 'orders', 0, { onSegmentClosed: 'call me' as never })
  await expect(opening).rejects.toThrow(new TypeError('onSegmentClosed must be a function, not "call me"'))
})

test('if the lock cannot be checked, close reports it', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  log.fs.faults.failNext('stat', 'EIO', `${log.directory}/lock`)
  await expect(writer.close()).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: `${log.directory}/lock` })
})

test('if no lock is available, open rejects', async () => {
  const log = new LogFixture()
  log.fs.faults.failNext('lock', 'ENOLOCK')
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'ENOLOCK' } })
})

test('a data directory that is a file is refused, and the file is not touched', async () => {
  const directory = await temporaryDirectory()
  const dataDir = join(directory, 'file')
  await writeFile(dataDir, 'precious')
  const fs = new NodeFileSystem()
  await expect(WalWriter.open(fs, { dataDir }, 'orders', 0)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
  await expect(WalReader.open(fs, { dataDir }, 'orders', 0)).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
  expect(await readdir(directory)).toEqual(['file'])
})

test.each([
  ['the system', 'EACCES'],
  ["Node's permission model", 'ERR_ACCESS_DENIED'],
])('a data directory that %s does not let be written is refused', async (_, code) => {
  const log = new LogFixture()
  log.fs.faults.failAlways(['mkdir', 'create', 'lock'], code)
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code } })
})

test.each(['.wal', '0.wal', '00000000000000000000.wal.bak', 'notes.txt', '0000000000000000000a.wal'])(
  'a foreign file %s in the directory is ignored and left alone',
  async (name) => {
    const log = new LogFixture()
    await log.fs.mkdir(log.directory)
    await log.make(`${log.directory}/${name}`, bytes('foreign'))
    const writer = await log.open()
    await append(writer, 'a')
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['a'])
    expect((await log.file(`${log.directory}/${name}`)).toString()).toBe('foreign')
  },
)

test('a segment of another version is refused, and nothing is changed', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  await writer.close()
  const file = await log.file(log.path(0))
  file.writeUInt16LE(2, 4)
  await log.overwrite(log.path(0), file)
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path: log.path(0), position: 4 })
  await expect(log.values()).rejects.toMatchObject({ code: 'SQ_WAL_UNSUPPORTED' })
  expect(await log.file(log.path(0))).toEqual(file)
  expect(log.fs.openHandles).toBe(0)
})

test('the offsets end before 2^53', async () => {
  const log = new LogFixture()
  await log.fs.mkdir(log.directory)
  const { encodeSegmentHead } = await import('../segment.ts')
  const baseOffset = Number.MAX_SAFE_INTEGER - 1
  const open = { segmentId: 1n, createdMs: 0, previous: null, topic: 'orders' }
  await log.make(log.path(baseOffset), encodeSegmentHead(open, { partition: 0, baseOffset }).bytes)
  const writer = await log.open()
  expect(await append(writer, 'the last one')).toBe(BigInt(baseOffset))
  await expect(append(writer, 'one too many')).rejects.toThrow(/offsets of this partition are used up/)
})

test('the error for a record that is appended alone names the field first', async () => {
  const writer = await new LogFixture().open()
  const appending = writer.append(null, 'text' as unknown as Uint8Array, [], 0)
  const message = expect.stringMatching(/^value /)
  await expect(appending).rejects.toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index: 0, field: 'value', message })
})
