import { beforeEach, describe, expect, it } from 'vitest'
import { WalIoError, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions } from '../../index.ts'
import { append, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'

let log: LogFixture

/** Twelve records in three segments of four, without a writer. */
beforeEach(async () => {
  log = new LogFixture()
  const writer = await log.open()
  for (let segment = 0; segment < 3; segment++) {
    await appendEach(writer, numbered(4))
    await writer.closeActiveSegment()
  }
  await writer.close()
})

type Iteration = AsyncIterableIterator<LogRecord>

async function iterate(options: ReadOptions = {}): Promise<Iteration> {
  return (await WalReader.open(log.fs, log.config, 'orders', 0)).read(options)
}

function iterateEach(count: number): Promise<Iteration[]> {
  return Promise.all(Array.from({ length: count }, () => iterate()))
}

/** Ends iterations early. */
async function leave(...iterations: Iteration[]): Promise<void> {
  for (const iteration of iterations) await iteration.return?.()
}

/** The offsets of the remaining records. */
async function rest(iteration: Iteration): Promise<bigint[]> {
  const offsets: bigint[] = []
  for await (const { offset } of iteration) offsets.push(offset)
  return offsets
}

/** The next value, as text. */
async function next(iteration: Iteration): Promise<string> {
  const { value } = await iteration.next()
  return Buffer.from(value?.value ?? '').toString()
}

const ALL = Array.from({ length: 12 }, (_, offset) => BigInt(offset))

describe('a segment with many readers', () => {
  it('is opened once for all readers that begin together, and no file stays open when they end', async () => {
    const readers = await iterateEach(100)
    log.fs.operations.resetCounts()
    await Promise.all(readers.map(next))
    // The segment, and its successor, which states its end.
    expect([log.fs.operations.count('open'), log.fs.openHandles]).toEqual([2, 1])
    for (const left of await Promise.all(readers.map(rest))) expect(left).toEqual(ALL.slice(1))
    expect(log.fs.openHandles).toBe(0)
  })

  it('is opened once for all readers that come while it is read', async () => {
    const [first, last] = [await iterate(), await iterate()]
    await first.next()
    log.fs.operations.resetCounts()
    const others = await iterateEach(98)
    for (const reader of [...others, last]) expect(await next(reader)).toBe('value 0')
    expect([log.fs.operations.count('open'), log.fs.openHandles]).toEqual([0, 1])
    await leave(first, ...others)
    expect(log.fs.openHandles).toBe(1)
    expect(await rest(last)).toEqual(ALL.slice(1))
    expect(log.fs.openHandles).toBe(0)
  })

  it('is opened again once all readers have released it', async () => {
    await rest(await iterate())
    log.fs.operations.resetCounts()
    await next(await iterate())
    expect(log.fs.operations.count('open')).toBe(1)
  })

  it('is released if closing it fails, and can be opened again', async () => {
    const readers = await iterateEach(2)
    log.fs.faults.add({ on: 'close', fault: { error: 'EIO' } })
    expect(await Promise.all(readers.map(rest))).toEqual([ALL, ALL])
    expect(log.fs.openHandles).toBe(0)
    expect(await rest(await iterate())).toEqual(ALL)
  })

  it('is opened by another reader if the first one cannot', async () => {
    const readers = await iterateEach(10)
    log.fs.faults.failNext('open', 'EMFILE')
    const outcomes = await Promise.all(readers.map((reader) => rest(reader).catch((error: unknown) => error)))
    expect(outcomes.filter((outcome) => outcome instanceof WalIoError)).toHaveLength(1)
    expect(outcomes.filter((outcome) => Array.isArray(outcome))).toEqual(Array.from({ length: 9 }, () => ALL))
    expect(log.fs.openHandles).toBe(0)
  })

  it('is opened separately if nothing tells whether it is still the same', async () => {
    const [first, second] = [await iterate(), await iterate()]
    await first.next()
    log.fs.faults.failNext('stat', 'EIO', log.path(0))
    expect(await rest(second)).toEqual(ALL)
    expect(await rest(first)).toEqual(ALL.slice(1))
    expect(log.fs.openHandles).toBe(0)
  })
})

describe('while a reader has a segment open, another reader', () => {
  it('reads the segment that has replaced it', async () => {
    const writer = await log.open()
    const before = await iterate()
    expect(await next(before)).toBe('value 0')
    await writer.truncate(0n)
    await append(writer, 'new')
    const [one, another] = [await iterate(), await iterate()]
    expect([await next(one), await next(another)]).toEqual(['new', 'new'])
    // The writer has its segment and its lock open; readers have the old file and the new one.
    expect(log.fs.openHandles).toBe(4)
    await leave(before, one, another)
    expect(log.fs.openHandles).toBe(2)
    await writer.close()
  })

  it('reads only up to where the segment was cut', async () => {
    const before = await iterate({ from: 9n })
    await before.next()
    const writer = await log.open()
    await writer.truncate(10n)
    await append(writer, 'new')
    const after = await iterate({ from: 9n })
    expect([await next(after), await next(after)]).toEqual(['value 1', 'new'])
    await leave(before, after)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('does not find the segment once it is deleted, and the first reader continues in it', async () => {
    const before = await iterate()
    await before.next()
    const writer = await log.open()
    await writer.deleteSegments({ belowOffset: 8n })
    expect(await rest(await iterate())).toEqual(ALL.slice(8))
    for (let offset = 1n; offset < 4n; offset++) expect((await before.next()).value?.offset).toBe(offset)
    await leave(before)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })
})
