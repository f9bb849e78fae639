import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import type { RecordInput } from '../index.ts'
import { append, appendAll, appendEach, bytes, LogFixture, numbered, TIMESTAMP_MS } from '../testing/log-fixture.ts'

test('one message: the segment file exists with the correct header and record', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const headers = [{ key: 'é', value: bytes('hv') }]
  expect(await writer.append(bytes('key'), bytes('value'), headers, 0x01_0203_0405)).toBe(0n)
  const file = await log.file('/data/orders/0/00000000000000000000.wal')

  const segmentHeader = file.subarray(0, 32)
  expect(segmentHeader.toString('hex')).toBe(
    [
      '5351574c', // "SQWL"
      '0100', // version 1
      '0600', // the topic has 6 bytes
      '6f7264657273'.padEnd(40, '0'), // "orders"
      '00000000', // partition 0
    ].join(''),
  )

  // OPEN: header at 32, a body of 38 bytes and the topic, padded to a multiple of 8.
  const open = file.subarray(32, 120)
  expect(open.toString('latin1', 0, 2)).toBe('FR')
  expect([...open.subarray(2, 8)]).toEqual([1, 0, 44, 0, 0, 0])
  expect(open.subarray(8, 32).toString('hex')).toBe(
    `${'00'.repeat(12)}20000000${'00'.repeat(4)}${le32(crc32(segmentHeader))}`,
  )
  expect(open.readUInt32LE(32)).toBe(crc32(open.subarray(40, 84)))
  expect(open.readUInt32LE(36)).toBe(crc32(open.subarray(0, 36), crc32(segmentHeader)))
  expect(open.subarray(56, 76).toString('hex')).toBe(`${'ff'.repeat(8)}${'00'.repeat(12)}`)
  expect(open.readUInt16LE(76)).toBe(6)
  expect(open.toString('latin1', 78, 84)).toBe('orders')
  expect([...open.subarray(84)]).toEqual([0, 0, 0, 0])

  // RECORDS: header at 120, one record of 44 bytes, padded to 48.
  const salt = open.readUInt32LE(36)
  const frame = file.subarray(120)
  const record = [
    le32(44), // the record's length, itself included
    '0504030201000000', // the timestamp
    le32(3), // the key's length
    le32(5), // the value's length
    le32(1), // one header
    '6b6579', // "key"
    '76616c7565', // "value"
    `${le32(2)}c3a9${le32(2)}6876`, // a name of 2 bytes, a value of 2
  ].join('')
  expect(frame.length).toBe(40 + 48)
  expect(frame.subarray(40).toString('hex')).toBe(`${record}00000000`)
  expect(frame.subarray(0, 32).toString('hex')).toBe(
    ['4652', '02', '00', le32(44), '00'.repeat(8), le32(1), le32(120), le32(120), le32(salt)].join(''),
  )
  expect(frame.readUInt32LE(32)).toBe(crc32(Buffer.from(record, 'hex')))
  expect(frame.readUInt32LE(36)).toBe(crc32(frame.subarray(0, 36), salt))
})

function le32(value: number): string {
  const encoded = Buffer.alloc(4)
  encoded.writeUInt32LE(value)
  return encoded.toString('hex')
}

test.each([
  ['one at a time', appendEach],
  ['all at once', appendAll],
])('100 messages, %s, get the offsets 0 to 99', async (_, appendThem) => {
  const log = new LogFixture()
  const writer = await log.open()
  const values = numbered(100)
  expect(await appendThem(writer, values)).toEqual(values.map((_value, index) => BigInt(index)))
  expect(writer.nextOffset).toBe(100n)
  expect(await log.values()).toEqual(values)
})

test('a commit over maxSegmentBytes opens a new segment, named by its base offset', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1024 })
  const writer = await log.open()
  // The head takes 120 bytes, and the frame of one record 40 + 24 + 232: three fit, ending at 1008.
  const value = Buffer.alloc(232)
  await appendEach(writer, [value, value, value])
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal'])
  await append(writer, value)
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000003.wal'])
  await appendEach(writer, [value, value, value])
  expect(await log.segmentNames()).toEqual([
    '00000000000000000000.wal',
    '00000000000000000003.wal',
    '00000000000000000006.wal',
  ])
  expect((await log.records()).map(({ offset }) => offset)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n])
})

test.each([
  ['at maxSegmentBytes goes into the segment', 0, 1],
  ['one byte past maxSegmentBytes goes into the next', 1, 2],
])('a commit that ends %s', async (_, less, segments) => {
  // The head takes 120 bytes, and the frame of one record 40 + 24 + 232.
  const log = new LogFixture({ maxSegmentBytes: 120 + 2 * 296 - less })
  const value = Buffer.alloc(232)
  await appendEach(await log.open(), [value, value])
  expect(await log.segmentNames()).toHaveLength(segments)
})

test('a burst over maxSegmentBytes is spread over segments within the limit', async () => {
  const log = new LogFixture({ maxSegmentBytes: 8192 })
  const writer = await log.open()
  const values = numbered(1000)
  await appendAll(writer, values)
  await writer.closeActiveSegment()
  expect(log.closed.length).toBeGreaterThan(3)
  for (const segment of log.closed) {
    const file = await log.file(segment.path)
    const sealAt = file.readUInt32LE(file.length - 8)
    const mark = file.readUInt32LE(sealAt + 24)
    expect(mark).toBeLessThanOrEqual(8192)
  }
  expect(await log.values()).toEqual(values)
})

test('a record larger than a segment is written into a segment of its own', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  const large = 'x'.repeat(5000)
  await appendAll(writer, ['before', large, 'after'])
  expect(await log.segmentNames()).toEqual([
    '00000000000000000000.wal',
    '00000000000000000001.wal',
    '00000000000000000002.wal',
  ])
  expect(await log.values()).toEqual(['before', large, 'after'])
})

test('a record larger than a segment is written into an existing empty one', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const first = await log.open()
  await append(first, 'a')
  // close rolls over, which leaves a segment without records.
  log.fs.faults.failNext('sync', 'EIO')
  await expect(append(first, 'rejected')).rejects.toMatchObject({ code: 'SQ_WAL_APPEND_FAILED' })
  await first.close()
  const writer = await log.open()
  expect(await append(writer, 'x'.repeat(5000))).toBe(1n)
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000001.wal'])
  log.fs.crash()
  await log.open()
  expect(await log.values()).toEqual(['a', 'x'.repeat(5000)])
})

test('with the clock at maxSegmentAgeMs or past it the next write rotates, and none before', async () => {
  const log = new LogFixture({ maxSegmentAgeMs: 1000 })
  const writer = await log.open()
  await append(writer, 'a')
  log.clock.advance(999)
  await append(writer, 'b')
  log.clock.advance(1)
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal'])
  await append(writer, 'c')
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000002.wal'])
})

test('a segment without a record is not too old', async () => {
  const log = new LogFixture({ maxSegmentAgeMs: 1000 })
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO', log.path(0))
  await expect(append(writer, 'b')).rejects.toThrow(/EIO/)
  await writer.closeActiveSegment()
  log.clock.advance(5000)
  log.fs.operations.resetCounts()
  await append(writer, 'b')
  expect(log.fs.operations.count('create')).toBe(0)
  await append(writer, 'c')
  expect(log.fs.operations.count('create')).toBe(1)
})

test('a jump of the wall clock does not cause a rotation', async () => {
  const log = new LogFixture({ maxSegmentAgeMs: 1000 })
  const first = await log.open()
  await append(first, 'a')
  log.clock.setNow(log.clock.now() + 1_000_000)
  await append(first, 'b')
  log.clock.setNow(0)
  await append(first, 'c')
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal'])
})

test.each([-1, 1.5, NaN, Infinity, -Infinity])('a wall clock that returns %s fails no write', async (nowMs) => {
  const log = new LogFixture({ maxSegmentBytes: 1 })
  log.clock.setNow(nowMs)
  const writer = await log.open()
  expect(await appendEach(writer, ['a', 'b'])).toEqual([0n, 1n])
  await writer.close()
  expect(await log.values()).toEqual(['a', 'b'])
})

test('a segment file is at {dataDir}/{topic}/{partition}/{baseOffset}.wal', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const closed = await writer.closeActiveSegment()
  expect(closed?.path).toBe('/data/orders/0/00000000000000000000.wal')
  expect(await log.fs.readdir('/data/orders/0')).toEqual(expect.arrayContaining(['00000000000000000000.wal', 'lock']))
})

test('closeActiveSegment gives path and offset range, and the next append opens a new segment', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await writer.append(null, bytes('a'), [], 30)
  await writer.append(null, bytes('b'), [], 10)
  const pending = writer.append(null, bytes('c'), [], 20)
  const closed = await writer.closeActiveSegment()
  expect(await pending).toBe(2n)
  expect(closed).toEqual({
    path: '/data/orders/0/00000000000000000000.wal',
    topic: 'orders',
    partition: 0,
    baseOffset: 0n,
    lastOffset: 2n,
    records: 3,
    bytes: (await log.file(log.path(0))).length,
    minTimestampMs: 10,
    maxTimestampMs: 30,
    createdMs: log.clock.now(),
    nextOffset: 3n,
    state: 'sealed',
    link: expect.objectContaining({ baseOffset: 0 }),
  })
  expect(log.closed).toEqual([closed])
  expect(await append(writer, 'd')).toBe(3n)
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000003.wal'])
})

test('closeActiveSegment gives null where there is nothing to close', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  expect(await writer.closeActiveSegment()).toBeNull()
  await append(writer, 'a')
  await writer.closeActiveSegment()
  expect(await writer.closeActiveSegment()).toBeNull()
  expect(log.closed).toHaveLength(1)
})

test('every rotation hands out the segment it closed', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1 })
  const writer = await log.open()
  await appendEach(writer, ['a', 'b', 'c'])
  expect(log.closed.map(({ baseOffset, lastOffset, state }) => [baseOffset, lastOffset, state])).toEqual([
    [0n, 0n, 'sealed'],
    [1n, 1n, 'sealed'],
  ])
})

test('n appends one at a time make n syncs, n at once make few', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'the first one makes the segment')
  log.fs.operations.resetCounts()
  await appendEach(writer, numbered(50))
  expect(log.fs.operations.count('sync')).toBe(50)
  expect(log.fs.operations.count('write')).toBe(50)
  log.fs.operations.resetCounts()
  await appendAll(writer, numbered(50))
  expect(log.fs.operations.count('sync')).toBe(1)
})

test('appends made while a commit is in flight share the next one', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.operations.resetCounts()
  const held = log.fs.faults.hold('sync')
  const first = append(writer, 'b')
  await held.reached
  const others = appendAll(writer, numbered(20))
  held.release()
  await Promise.all([first, others])
  expect(log.fs.operations.count('sync')).toBe(2)
})

test('an append resolves only after its sync', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const held = log.fs.faults.hold('sync')
  let acknowledged = false
  const pending = append(writer, 'b').then(() => (acknowledged = true))
  await held.reached
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  expect(acknowledged).toBe(false)
  expect(writer.nextOffset).toBe(1n)
  held.release()
  await pending
  expect(writer.nextOffset).toBe(2n)
})

test('what is appended is copied before append returns', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const key = bytes('key')
  const value = bytes('value')
  const header = bytes('header')
  const pending = writer.append(key, value, [{ key: 'h', value: header }], TIMESTAMP_MS)
  for (const given of [key, value, header]) given.fill(0)
  await pending
  const [record] = await log.records()
  expect([record?.key, record?.value, record?.headers[0]?.value].map(String)).toEqual(['key', 'value', 'header'])
})

test('acknowledgements come in offset order', async () => {
  const log = new LogFixture({ maxSegmentBytes: 2000 })
  const writer = await log.open()
  const order: bigint[] = []
  const pending = numbered(100).map((value) => append(writer, value).then((offset) => order.push(offset)))
  await Promise.all(pending)
  expect(order).toEqual(numbered(100).map((_, index) => BigInt(index)))
})

test('a batch is one frame with consecutive offsets', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.operations.resetCounts()
  const batch = ['b', 'c', 'd'].map((text) => ({ key: null, value: bytes(text), headers: [], timestampMs: 5 }))
  expect(await writer.appendBatch(batch)).toBe(1n)
  expect(log.fs.operations.count('write')).toBe(1)
  expect(writer.nextOffset).toBe(4n)
  expect(await log.values()).toEqual(['a', 'b', 'c', 'd'])
})

test('a batch is there whole or not at all after a write that was torn anywhere', async () => {
  const original = new LogFixture()
  const writer = await original.open()
  await append(writer, 'a')
  const before = (await original.file(original.path(0))).length
  const batch = ['b', 'c', 'd'].map((text) => ({ key: null, value: bytes(text), headers: [], timestampMs: 5 }))
  await writer.appendBatch(batch)
  const file = await original.file(original.path(0))
  for (let cut = before; cut <= file.length; cut++) {
    const log = new LogFixture()
    await log.fs.mkdir(log.directory)
    await log.make(log.path(0), file.subarray(0, cut))
    const reopened = await log.open()
    expect(await log.values()).toEqual(cut < file.length ? ['a'] : ['a', 'b', 'c', 'd'])
    await reopened.close()
  }
})

test('a log that is reopened after close continues at the right offset', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  for (let round = 0; round < 5; round++) {
    await using writer = await log.open()
    expect(writer.nextOffset).toBe(BigInt(round * 10))
    expect(writer.recovery.kind).toBe('clean')
    await appendEach(writer, numbered(10))
  }
  expect(await log.values()).toEqual([0, 1, 2, 3, 4].flatMap(() => numbered(10)))
})

test('a log that is opened and closed without an append has no segment', async () => {
  const log = new LogFixture()
  await (await log.open()).close()
  await (await log.open()).close()
  expect(await log.segmentNames()).toEqual([])
  expect(await log.values()).toEqual([])
})

test.each(['crash', 'kill'] as const)(
  'a log that is reopened after a %s continues after what was acknowledged',
  async (end) => {
    const log = new LogFixture({ maxSegmentBytes: 1000 })
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round++) {
      const writer = await log.open()
      expect(writer.nextOffset).toBe(BigInt(acknowledged.length))
      const values = numbered(10).map((value) => `${round} ${value}`)
      await appendEach(writer, values)
      acknowledged.push(...values)
      log.fs[end]()
    }
    await log.open()
    expect(await log.values()).toEqual(acknowledged)
  },
)

test('a log that is reopened after a torn write continues after the last whole commit', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, ['a', 'b'])
  const whole = (await log.file(log.path(0))).length
  await append(writer, 'torn')
  log.fs.crash()
  const file = await log.file(log.path(0))
  await log.overwrite(log.path(0), file.subarray(0, file.length - 8))
  const reopened = await log.open()
  expect(reopened.recovery).toEqual({
    kind: 'torn',
    nextOffset: 2n,
    segments: 1,
    torn: { path: log.path(0), position: whole, discardedBytes: file.length - 8 - whole },
    markError: null,
  })
  expect(await append(reopened, 'c')).toBe(2n)
  expect(await log.values()).toEqual(['a', 'b', 'c'])
})

test('a segment that was closed stays closed when the log is reopened', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const closed = await writer.closeActiveSegment()
  const file = await log.file(log.path(0))
  log.fs.crash()
  const reopened = await log.open()
  await append(reopened, 'b')
  expect(await log.file(log.path(0))).toEqual(file)
  expect(closed?.bytes).toBe(file.length)
  expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000001.wal'])
})

test('close waits for what was appended', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const pending = appendAll(writer, numbered(10))
  await writer.close()
  expect(await pending).toHaveLength(10)
  expect(log.fs.openHandles).toBe(0)
})

test('close writes markers for what was appended, even after an earlier close wrote markers for everything before', async () => {
  const log = new LogFixture()
  for (const value of ['a', 'b']) {
    const writer = await log.open()
    await append(writer, value)
    await writer.close()
  }
  const file = await log.file(log.path(0))
  file.writeUInt8(0, file.lastIndexOf('b'))
  await log.overwrite(log.path(0), file)
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', firstOffset: 1n, lastOffset: 1n })
})

test('close releases the lock only after its last write', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const held = log.fs.faults.hold('sync')
  const closing = writer.close()
  await held.reached
  await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED' })
  held.release()
  await closing
  await (await log.open()).close()
})

test('a segment is durable before it gets its name, and the name is durable before anything is acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const trace = log.fs.operations.trace()
  await append(writer, 'a')
  const changes = trace.lines.filter((line) => /^(create|write|sync|rename|syncDirectory) /.test(line))
  expect(changes.map((line) => line.replace(/ \d+\+\d+$/, '').replaceAll(`${log.directory}/`, ''))).toEqual([
    "create 'next.tmp'",
    "write 'next.tmp'",
    "sync 'next.tmp'",
    "rename 'next.tmp' -> '00000000000000000000.wal'",
    `syncDirectory '${log.directory}'`,
    "write '00000000000000000000.wal'",
    "sync '00000000000000000000.wal'",
  ])
})

test('a record may be given with its value alone, to each method that appends records', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const [key, value, headers] = [bytes('k'), bytes('v'), [{ key: 'h', value: bytes('w') }]]
  log.clock.setNow(1000)
  const alone = writer.append({ value })
  log.clock.setNow(2000)
  expect(await writer.append({ key, value, headers, timestampMs: 5 })).toBe(1n)
  expect(
    await writer.appendBatch([
      { value, headers },
      { key, value: null },
    ]),
  ).toBe(2n)
  expect(await writer.appendAll([{ value }, { value, timestampMs: 6 }])).toMatchObject({ records: 2 })
  expect(await alone).toBe(0n)
  const plain = { key: null, value, headers: [], timestampMs: 2000 }
  expect(await log.records()).toMatchObject([
    { ...plain, timestampMs: 1000 },
    { key, value, headers, timestampMs: 5 },
    { ...plain, headers },
    { ...plain, key, value: null },
    plain,
    { ...plain, timestampMs: 6 },
  ])
  const record: unknown = (await log.records())[1]
  expect(await writer.append(record as RecordInput)).toBe(6n)
})

test('a record that is given alone and is none, or has an unknown field, is refused', async () => {
  const writer = await new LogFixture().open()
  const refused = (record: unknown): Promise<unknown> => writer.append(record as RecordInput).catch((error) => error)
  expect(await refused(bytes('v'))).toMatchObject({ message: 'value must be a Uint8Array or null, not undefined' })
  expect(await refused(null)).toMatchObject({ message: 'a record must be an object, not null', index: 0, field: null })
  const error = { code: 'SQ_WAL_BAD_RECORD', index: 0, field: 'timestamp' }
  expect(await refused({ value: bytes('v'), timestamp: 1 })).toMatchObject(error)
  expect(writer.nextOffset).toBe(0n)
})
