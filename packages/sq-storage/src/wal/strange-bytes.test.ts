/** However the bytes of a caller change during an append, the log stays valid and holds only appended records. */
import { runInNewContext } from 'node:vm'
import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { verify } from '../index.ts'
import type { WalWriter } from '../index.ts'
import { append, bytes, LogFixture } from '../testing/log-fixture.ts'
import { detachable, growable, lying, resizable, Short } from '../testing/strange-bytes.ts'
import type { Elastic } from '../testing/strange-bytes.ts'
import type { RecordParts } from './format/record.ts'

/** The parts of a record that hold bytes, by the name of the field. */
const PLACES: [field: string, record: (strange: Uint8Array) => RecordParts][] = [
  ['key', (key) => ({ key, value: bytes('v'), headers: [], timestampMs: 1 })],
  ['value', (value) => ({ key: bytes('k'), value, headers: [], timestampMs: 1 })],
  ['headers[0].value', (value) => ({ key: null, value: bytes('v'), headers: [{ key: 'h', value }], timestampMs: 1 })],
]

/** The ways to append a record, each with its index in the call. */
const WAYS: [string, number, (writer: WalWriter, record: RecordParts) => Promise<unknown>][] = [
  ['append', 0, (writer, { key, value, headers, timestampMs }) => writer.append(key, value, headers, timestampMs)],
  ['appendBatch', 1, (writer, record) => writer.appendBatch([plain('neighbour'), record])],
  ['appendAll', 1, (writer, record) => writer.appendAll([plain('neighbour'), record])],
]

const CASES = WAYS.flatMap(([way, index, call]) =>
  PLACES.map(([field, record]) => ({ way, index, call, field, record })),
)

function plain(value: string): RecordParts {
  return { key: null, value: bytes(value), headers: [], timestampMs: 1 }
}

/** The record with an additional header, whose key is a getter that runs the action. */
function acting(record: RecordParts, act: () => void): RecordParts {
  const header = {
    value: bytes('last'),
    get key() {
      act()
      return 'last'
    },
  }
  return { ...record, headers: [...record.headers, header] }
}

/** The error of the record itself: the cause, if `appendAll` wraps it. */
function root(error: unknown): unknown {
  return error instanceof Error && error.name === 'AppendAllError' ? error.cause : error
}

/** Every byte of every record, as text. */
async function contents(log: LogFixture): Promise<string[]> {
  const texts = (await log.records()).map(({ key, value, headers }) =>
    [key ?? '', value ?? '', ...headers.map((header) => header.value)].map((part) =>
      Buffer.from(part).toString('latin1'),
    ),
  )
  return texts.flat()
}

describe.each(CASES)('with $way, as $field', ({ call, field, index, record }) => {
  test.each<[string, () => Elastic, number]>([
    ['memory that shrinks', resizable, 3],
    ['memory that grows', resizable, 30],
    ['memory that is emptied', resizable, 0],
    ['shared memory that grows', growable, 40],
    ['memory that is taken away', detachable, 0],
  ])('%s while the record is read is refused, and its neighbours are not', async (_, make, length) => {
    const log = new LogFixture()
    const writer = await log.open()
    const { bytes: strange, resize } = make()
    const before = append(writer, 'before')
    const refused = call(
      writer,
      acting(record(strange), () => resize(length)),
    ).catch(root)
    const after = append(writer, 'after')
    expect(await refused).toBeInstanceOf(TypeError)
    expect(await refused).toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index, field })
    expect(String(await refused)).toMatch(/changed its length while it was appended/)
    await Promise.all([before, after])
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
    expect((await contents(log)).filter((text) => text !== 'neighbour' && text !== '')).toEqual(['before', 'after'])
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  })

  test('bytes that were taken away before are refused', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    const { bytes: strange, resize } = detachable()
    resize(0)
    const refused = await call(writer, record(strange)).catch(root)
    expect(refused).toBeInstanceOf(TypeError)
    expect(refused).toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index, field })
  })

  test.each<[string, () => unknown]>([
    ['a Proxy', () => new Proxy(new Uint8Array(10), {})],
    ['an object that inherits from Uint8Array', () => Object.create(Uint8Array.prototype)],
    ['a DataView', () => new DataView(new ArrayBuffer(10))],
    ['an ArrayBuffer', () => new ArrayBuffer(10)],
    ['a clamped array', () => new Uint8ClampedArray(10)],
  ])('%s is refused', async (_, make) => {
    const log = new LogFixture()
    const writer = await log.open()
    const refused = await call(writer, record(make() as Uint8Array)).catch(root)
    expect(refused).toBeInstanceOf(TypeError)
    expect(refused).toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index, field })
    expect(await append(writer, 'after')).toBeTypeOf('bigint')
  })

  test.each<[string, string, () => Uint8Array]>([
    ['an array that lies about its length', 't', lying],
    ['an array of a class that says it is empty', 's', () => Short.make()],
    ['a view that follows the length of its memory', 'r', () => resizable().bytes],
    ['shared memory', 'g', () => growable().bytes],
    ['an array of another realm', 'f', () => runInNewContext('new Uint8Array(10).fill(0x66)') as Uint8Array],
  ])('%s is appended with its real content', async (_, letter, make) => {
    const log = new LogFixture()
    const writer = await log.open()
    await call(writer, record(make()))
    expect(await contents(log)).toContain(letter.repeat(10))
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  })
})

test('a refused record can be appended again, with the bytes that it has then', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const { bytes: value, resize } = resizable()
  const record = { key: null, value, headers: [], timestampMs: 1 }
  await expect(writer.appendBatch([acting(record, () => resize(30))])).rejects.toThrow(/value changed/)
  expect(await writer.appendBatch([record])).toBe(0n)
  expect((await contents(log))[1]).toBe('r'.repeat(10) + '\0'.repeat(20))
})

test('if a record changes an earlier record of its batch while it is read, the whole batch is refused', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const { bytes: value, resize } = resizable()
  const first = { key: null, value, headers: [], timestampMs: 1 }
  const batch = writer.appendBatch([plain('a'), first, acting(plain('b'), () => resize(20))])
  await expect(batch).rejects.toMatchObject({ code: 'SQ_WAL_BAD_RECORD', index: 1, field: 'value' })
  await expect(batch).rejects.toThrow('record 1 of the batch: value changed its length while it was appended')
  expect(await append(writer, 'after')).toBe(0n)
})

test.each([1, 2, 3, 4, 5, 6])(
  'any mixture of what changes and what does not leaves a log of records (seed %d)',
  async (seed) => {
    const random = new Random(seed)
    const log = new LogFixture({ maxSegmentBytes: 4000 })
    const writer = await log.open()
    const kept: string[] = []
    for (let round = 0; round < 60; round++) {
      const { bytes: strange, resize } = random.pick([resizable, growable, detachable])()
      const [, make] = random.pick(PLACES)
      const length = random.pick([0, 3, 9, 10, 11, 30, 40])
      const shaped = random.chance(0.5) ? make(strange) : acting(make(strange), () => attempt(() => resize(length)))
      const text = `kept ${round}`
      const batch = random.chance(0.5) ? [plain(text), shaped] : [shaped, plain(text)]
      const outcomes = await Promise.allSettled([append(writer, `alone ${round}`), writer.appendBatch(batch)])
      kept.push(`alone ${round}`, ...(outcomes[1]?.status === 'fulfilled' ? [text] : []))
    }
    const texts = new Set(await contents(log))
    expect(kept.filter((text) => !texts.has(text))).toEqual([])
    expect([...texts].filter((text) => !/^(kept|alone) \d+$|^[rgd]{10}\0*$|^$|^[kv]$|^last$/.test(text))).toEqual([])
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  },
)

/** Shared memory cannot shrink, and a detached buffer cannot be resized. */
function attempt(resize: () => void): void {
  try {
    resize()
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
  }
}
