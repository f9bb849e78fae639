import { EventEmitter, getEventListeners, once } from 'node:events'
import { Readable } from 'node:stream'
import { TransformStream } from 'node:stream/web'
import { describe, expect, test } from 'vitest'
import { AppendAllError, AppendFailedError, ClosedError } from '../../index.ts'
import type { AppendAllOptions, RecordInput, RecordSource } from '../../index.ts'
import { append, bytes, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'

function record(value: string | Uint8Array): RecordInput {
  return { key: null, value: typeof value === 'string' ? bytes(value) : value, headers: [], timestampMs: TIMESTAMP_MS }
}

/** Waits until nothing is left to run. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

/** An endless source that counts the records taken from it, and notes whether it was closed. */
class Spring implements AsyncIterable<RecordInput> {
  taken = 0
  closed = false
  readonly #valueBytes: number
  readonly #limit: number

  constructor({ valueBytes, limit = Infinity }: { readonly valueBytes: number; readonly limit?: number }) {
    this.#valueBytes = valueBytes
    this.#limit = limit
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordInput, void, undefined> {
    try {
      for (; this.taken < this.#limit; this.taken++) yield record(Buffer.alloc(this.#valueBytes, `${this.taken}.`))
    } finally {
      this.closed = true
    }
  }
}

const forms: readonly [name: string, source: (records: RecordInput[]) => RecordSource][] = [
  ['an array', (records) => records],
  ['a generator', (records) => records.values()],
  ['a Node stream', (records) => Readable.from(records)],
  ['a web stream', (records) => Readable.toWeb(Readable.from(records))],
]

test.each(forms)('appends all records of %s, in order, and returns their offsets', async (_, source) => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'before')
  const values = numbered(100)
  const appended = await writer.appendAll(source(values.map(record)))
  expect(appended).toEqual({ records: 100, firstOffset: 1n, lastOffset: 100n })
  log.fs.crash()
  expect(await log.values(1n)).toEqual(values)
})

test('a source without records resolves with none', async () => {
  const writer = await new LogFixture().open()
  expect(await writer.appendAll([])).toEqual({ records: 0, firstOffset: null, lastOffset: null })
  expect(writer.nextOffset).toBe(0n)
})

test('what is piped into a TransformStream reaches the log, and a failure comes back to the pipe', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const { readable, writable } = new TransformStream<RecordInput, RecordInput>()
  const appending = writer.appendAll(readable)
  const port = writable.getWriter()
  await port.write(record('a'))
  log.fs.faults.failNext('sync', 'EIO')
  await port.write(record('b')).catch(() => {})
  await expect(appending).rejects.toBeInstanceOf(AppendAllError)
  // The source was waiting for a record when it was closed. It ends when that record arrives.
  await port.write(record('c'))
  await expect(port.write(record('d'))).rejects.toThrow()
})

test('a writable end that is aborted ends the source with its reason', async () => {
  const writer = await new LogFixture().open()
  const { readable, writable } = new TransformStream<RecordInput, RecordInput>()
  const appending = writer.appendAll(readable).catch((error: unknown) => error)
  const port = writable.getWriter()
  await port.write(record('a'))
  await turns()
  const reason = new Error('the producer is gone')
  await port.abort(reason)
  expect(await appending).toMatchObject({ code: 'SQ_WAL_APPEND_ALL_FAILED', records: 1, lastOffset: 0n, cause: reason })
})

test('appendAll pulls no more than a quarter of maxPendingBytes ahead', async () => {
  const log = new LogFixture({ maxPendingBytes: 40_000 })
  const writer = await log.open()
  const held = log.fs.faults.hold('sync')
  const spring = new Spring({ valueBytes: 1000 - 24 - 256, limit: 100 })
  const appending = writer.appendAll(spring)
  await held.reached
  await turns()
  // The record that exceeds the window is the last one.
  expect(spring.taken).toBe(10)
  held.release()
  expect(await appending).toMatchObject({ records: 100 })
})

test('a window smaller than any record admits one record at a time', async () => {
  const log = new LogFixture({ maxPendingBytes: 1 })
  const writer = await log.open()
  expect(await writer.appendAll(numbered(5).map(record))).toMatchObject({ records: 5, lastOffset: 4n })
  expect(log.fs.operations.count('sync')).toBeGreaterThan(5)
})

test('appendAll waits while other callers fill the backlog, where append rejects', async () => {
  const log = new LogFixture({ maxPendingBytes: 4000 })
  const writer = await log.open()
  const held = log.fs.faults.hold('sync')
  const others = [append(writer, Buffer.alloc(3600))]
  const appending = writer.appendAll(numbered(10).map(record))
  await held.reached
  await turns()
  await expect(append(writer, Buffer.alloc(1000))).rejects.toMatchObject({ code: 'SQ_WAL_BACKLOG_FULL' })
  held.release()
  expect(await Promise.all(others)).toEqual([0n])
  expect(await appending).toMatchObject({ records: 10, lastOffset: 10n })
})

test('several sources and other callers share the log, each in its own order', async () => {
  const log = new LogFixture({ maxPendingBytes: 5000, maxSegmentBytes: 4000 })
  const writer = await log.open()
  const sources = ['a', 'b', 'c'].map((name) => numbered(50).map((value) => `${name} ${value}`))
  const alone = append(writer, 'alone')
  const results = await Promise.all(sources.map((values) => writer.appendAll(values.map(record))))
  expect(results.map(({ records }) => records)).toEqual([50, 50, 50])
  await alone
  const values = await log.values()
  expect(values).toHaveLength(151)
  for (const source of sources) expect(values.filter((value) => source.includes(value))).toEqual(source)
})

test.each(['sync', 'write'] as const)(
  'a commit whose %s fails stops appendAll: the source is closed, and exactly the first records are durable',
  async (operation) => {
    const log = new LogFixture({ maxPendingBytes: 20_000 })
    const writer = await log.open()
    const spring = new Spring({ valueBytes: 500 })
    log.fs.faults.add({ on: operation, when: { nth: 5 }, fault: { error: 'EIO' } })
    const error: unknown = await writer.appendAll(spring).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(AppendAllError)
    if (!(error instanceof AppendAllError)) return
    expect(error.cause).toBeInstanceOf(AppendFailedError)
    expect(error.records).toBeGreaterThan(0)
    expect(error.lastOffset).toBe(BigInt(error.records - 1))
    expect(spring.closed).toBe(true)
    // None of its records was appended after those that failed.
    await append(writer, 'next')
    expect(await log.values()).toHaveLength(error.records + 1)
    expect(writer.nextOffset).toBe(BigInt(error.records + 1))
  },
)

test('nothing is appended after a failed record, in every order of source and failure', async () => {
  for (let delay = 0; delay < 30; delay++) {
    const log = new LogFixture()
    const writer = await log.open()
    const held = log.fs.faults.hold('sync')
    log.fs.faults.failNext('sync', 'EIO')
    const gate = new EventEmitter()
    const source = async function* (): AsyncGenerator<RecordInput, void, undefined> {
      yield record('fails')
      await once(gate, 'open')
      yield record('behind')
    }
    const appending = writer.appendAll(source()).catch((error: unknown) => error)
    await held.reached
    held.release()
    for (let turn = 0; turn < delay; turn++) await Promise.resolve()
    gate.emit('open')
    expect(await appending).toMatchObject({ records: 0, lastOffset: null })
    await turns()
    expect(writer.nextOffset).toBe(0n)
  }
})

test('a failure is reported at once, even while the source has no record', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const source = {
    closed: false,
    given: 0,
    [Symbol.asyncIterator]() {
      return {
        next: (): Promise<IteratorResult<RecordInput>> =>
          source.given++ === 0 ? Promise.resolve({ done: false, value: record('a') }) : new Promise(() => {}),
        return: () => {
          source.closed = true
          return new Promise<never>(() => {})
        },
      }
    },
  }
  log.fs.faults.failNext('sync', 'EIO')
  await expect(writer.appendAll(source)).rejects.toBeInstanceOf(AppendAllError)
  expect(source.closed).toBe(true)
})

test('a source that throws ends appendAll, once all records before are durable', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const cause = new Error('no more')
  const source = function* (): Generator<RecordInput, void, undefined> {
    yield* numbered(3).map(record)
    throw cause
  }
  const error: unknown = await writer.appendAll(source()).catch((failure: unknown) => failure)
  expect(error).toMatchObject({ name: 'AppendAllError', records: 3, lastOffset: 2n, cause })
  expect(error).toHaveProperty('message', 'appendAll stopped after 3 durable records of the source: no more')
  expect(await log.values()).toHaveLength(3)
})

test('a bad record ends appendAll, and the source is closed, even if closing it fails', async () => {
  const log = new LogFixture({ maxRecordBytes: 10 })
  const writer = await log.open()
  const values = ['good', 'more than ten bytes', 'never pulled']
  let closed = false
  const source = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false, value: record(values.shift() ?? '') }),
      return: () => {
        closed = true
        throw new Error('and the source is angry')
      },
    }),
  }
  const error: unknown = await writer.appendAll(source).catch((failure: unknown) => failure)
  expect(error).toMatchObject({ records: 1, lastOffset: 0n, cause: { name: 'RangeError' } })
  expect(closed).toBe(true)
  expect(values).toEqual(['never pulled'])
})

test('an endless source without pauses lets other appends be acknowledged', async () => {
  const log = new LogFixture({ maxPendingBytes: 4_000_000_000 })
  const writer = await log.open()
  const spring = new Spring({ valueBytes: 100_000, limit: 1000 })
  const appending = writer.appendAll(spring).catch((error: unknown) => error)
  await append(writer, 'other')
  expect(spring.taken).toBeLessThan(10)
  await writer.close()
  expect(await appending).toMatchObject({ cause: { code: 'SQ_WAL_CLOSED' } })
})

test('appendAll ends when the writer is closed meanwhile', async () => {
  const log = new LogFixture({ maxPendingBytes: 20_000 })
  const writer = await log.open()
  const spring = new Spring({ valueBytes: 10 })
  const appending = writer.appendAll(spring).catch((error: unknown) => error)
  await turns()
  await writer.close()
  const error = await appending
  expect(error).toMatchObject({ cause: { code: 'SQ_WAL_CLOSED' } })
  if (error instanceof AppendAllError) expect(await log.values()).toHaveLength(error.records)
  expect(spring.closed).toBe(true)
  await expect(writer.appendAll([record('late')])).rejects.toMatchObject({ records: 0, cause: expect.any(ClosedError) })
})

test.each([undefined, null, 7, 'text', {}])('a source that is not iterable is refused: %j', async (source) => {
  const writer = await new LogFixture().open()
  // @ts-expect-error: not a source
  await expect(writer.appendAll(source)).rejects.toThrow(/a source must be an iterable or async iterable of records/)
})

test('a bad record of a source is reported with its index, and the records before it are durable', async () => {
  const log = new LogFixture({ maxRecordBytes: 100 })
  const writer = await log.open()
  const good = record('v')
  const failed = (bad: object): Promise<unknown> =>
    writer.appendAll([good, good, { ...good, ...bad }, good]).catch((error: unknown) => error)
  const cause = { code: 'SQ_WAL_BAD_RECORD', index: 2, field: 'value' }
  expect(await failed({ value: 'text' })).toMatchObject({ records: 2, cause })
  expect(await failed({ value: Buffer.alloc(101) })).toMatchObject({ records: 2, cause: { ...cause, field: null } })
})

test('a source with many records ready lets the event loop turn after each 256 KiB', async () => {
  const writer = await new LogFixture().open()
  // Four such records count for 256 KiB.
  const value = Buffer.alloc(64 * 1024 - 24 - 256)
  const turned: boolean[] = []
  function* source(): Generator<RecordInput> {
    let hasTurned = false
    setImmediate(() => {
      hasTurned = true
    })
    for (let at = 0; at < 6; at++) {
      turned.push(hasTurned)
      yield record(value)
    }
  }
  await writer.appendAll(source())
  expect(turned).toEqual([false, false, false, false, true, true])
})

/** An iterator of that many records that notes when it is closed, which takes a while. */
function closing(count: number): { source: AsyncIterable<RecordInput>; closed: () => string } {
  let [left, closed] = [count, 'not closed']
  const iterator: AsyncIterator<RecordInput> = {
    next: async () => (left-- > 0 ? { done: false, value: record('a') } : { done: true, value: undefined }),
    async return() {
      closed = 'being closed'
      await turns()
      closed = 'closed'
      return { done: true, value: undefined }
    },
  }
  return { source: { [Symbol.asyncIterator]: () => iterator }, closed: () => closed }
}

test.each([
  ['that has ended is not closed', 3, 'not closed'],
  ['that has more is closed before the failure is reported', Infinity, 'closed'],
])('a source %s when a commit fails', async (_, count, expected) => {
  const log = new LogFixture({ maxPendingBytes: 10_000 })
  const writer = await log.open()
  log.fs.faults.failNext('sync', 'EIO', /\.tmp$/)
  const { source, closed } = closing(count)
  await expect(writer.appendAll(source)).rejects.toBeInstanceOf(AppendAllError)
  expect(closed()).toBe(expected)
})

test('a source that throws is not closed', async () => {
  const writer = await new LogFixture().open()
  const { source, closed } = closing(Infinity)
  const iterator = source[Symbol.asyncIterator]()
  iterator.next = () => Promise.reject(new Error('the source is broken'))
  await expect(writer.appendAll(source)).rejects.toThrow(AppendAllError)
  expect(closed()).toBe('not closed')
})

/** A source that gives one record, and then waits for ever. */
function waiting(): { source: AsyncIterable<RecordInput>; closed: () => boolean } {
  const [records, state] = [[record('a')], { closed: false }]
  const iterator: AsyncIterator<RecordInput> = {
    next: () => {
      const value = records.pop()
      return value === undefined ? new Promise(() => {}) : Promise.resolve({ done: false, value })
    },
    return: () => {
      state.closed = true
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return { source: { [Symbol.asyncIterator]: () => iterator }, closed: () => state.closed }
}

describe('a signal', () => {
  const reason = new Error('the producer is stopped')

  test('ends it with its reason while the source has no record, and closes the source', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    const [{ source, closed }, controller] = [waiting(), new AbortController()]
    const appending = writer.appendAll(source, { signal: controller.signal }).catch((error: unknown) => error)
    await turns()
    controller.abort(reason)
    await turns()
    expect(closed()).toBe(true)
    const error = await appending
    expect(error).toBeInstanceOf(AppendAllError)
    expect(error).toMatchObject({ records: 1, lastOffset: 0n, cause: reason })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(await log.values()).toEqual(['a'])
  })

  test('ends it while records wait: those that were taken are durable, and no other is pulled', async () => {
    const log = new LogFixture({ maxPendingBytes: 40_000 })
    const writer = await log.open()
    const held = log.fs.faults.hold('sync')
    const [spring, controller] = [new Spring({ valueBytes: 1000 - 24 - 256, limit: 20 }), new AbortController()]
    const appending = writer.appendAll(spring, { signal: controller.signal }).catch((error: unknown) => error)
    await held.reached
    await turns()
    controller.abort(reason)
    held.release()
    // The spring counts a record when it is asked for the next.
    expect(spring).toMatchObject({ taken: 10 })
    expect(await appending).toMatchObject({ records: 11, lastOffset: 10n, cause: reason })
    expect(spring).toMatchObject({ taken: 10, closed: true })
    expect(writer.nextOffset).toBe(11n)
  })

  test('that is aborted before it begins lets it append nothing', async () => {
    const writer = await new LogFixture().open()
    const { source, closed } = waiting()
    const appending = writer.appendAll(source, { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error)
    await turns()
    expect(closed()).toBe(true)
    expect(await appending).toMatchObject({ records: 0, lastOffset: null, cause: reason })
    expect(writer.nextOffset).toBe(0n)
  })

  test('that is aborted after the source has ended changes nothing', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    const [held, controller] = [log.fs.faults.hold('sync'), new AbortController()]
    const appending = writer.appendAll([record('a')], { signal: controller.signal })
    await held.reached
    await turns()
    controller.abort(reason)
    held.release()
    expect(await appending).toMatchObject({ records: 1 })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

test.each<[unknown, string]>([
  [{ signal: 'now' }, 'signal must be an AbortSignal, not "now"'],
  [{ singal: AbortSignal.abort() }, 'appendAll has no option "singal"'],
  [null, 'the options of appendAll must be an object, not null'],
])('bad options are refused: %j', async (options, message) => {
  const writer = await new LogFixture().open()
  await expect(writer.appendAll([record('a')], options as AppendAllOptions)).rejects.toThrow(new TypeError(message))
  expect(writer.nextOffset).toBe(0n)
})
