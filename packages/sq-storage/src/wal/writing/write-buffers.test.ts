import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { NodeFileSystem } from '@sq/sim'
import { expect, onTestFinished, test } from 'vitest'
import { ClosedError, WalReader, WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { WriteBuffers } from './write-buffers.ts'

const MIB = 1024 * 1024

/** The distinct letters of each value from an offset on. */
async function letters(log: LogFixture, from: bigint): Promise<string[]> {
  return (await log.values(from)).map((value) => [...new Set(value)].join(''))
}

const KIB = 1024

test.each([
  [1, 4 * KIB],
  [4 * KIB, 4 * KIB],
  [4 * KIB + 1, 8 * KIB],
  [900_000, MIB],
  [16 * MIB, 16 * MIB],
  [16 * MIB + 1, 16 * MIB + 1],
])('the buffer for %d bytes has %d', (bytes, length) => {
  expect(new WriteBuffers().take(bytes).bytes).toHaveLength(length)
})

test('a buffer that was given back is reused, for commits of about its length, by one of them only', () => {
  const buffers = new WriteBuffers()
  const first = buffers.take(2 * MIB)
  for (const bytes of [2 * MIB, MIB + 1]) {
    buffers.give(first)
    expect(buffers.take(bytes) === first).toBe(true)
  }
  buffers.give(first)
  expect(buffers.take(2 * MIB + 1) === first).toBe(false)
  expect(buffers.take(MIB) === first).toBe(false)
  expect(buffers.take(2 * MIB) === first).toBe(true)
  expect(buffers.take(2 * MIB) === first).toBe(false)
})

test('a kept buffer for the expected bytes is taken before one that is just long enough', () => {
  const buffers = new WriteBuffers()
  const [short, long] = [buffers.take(8 * KIB), buffers.take(MIB)]
  for (const buffer of [short, long]) buffers.give(buffer)
  expect(buffers.take(5 * KIB, 900_000) === long).toBe(true)
  expect(buffers.take(5 * KIB, 900_000) === short).toBe(true)
  // None is made for what is only expected.
  expect(buffers.take(5 * KIB, 900_000).bytes).toHaveLength(8 * KIB)
  buffers.give(long)
  expect(buffers.take(900_000, 5 * KIB) === long).toBe(true)
})

test.each([
  [
    [8, 4, 4, 8],
    [8, 4, 4],
  ],
  [
    [1, 1, 2, 4, 8, 1],
    [1, 1, 1, 2, 4],
  ],
  [
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8],
    [1, 1, 1, 1, 1, 1, 1, 1, 8],
  ],
  [
    [8, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 1, 1, 1, 8],
  ],
  [[...Array<number>(15).fill(1), 16], Array<number>(15).fill(1)],
  [[17, 16], [16]],
  [Array<number>(40).fill(1), Array<number>(16).fill(1)],
])('of buffers of %j MiB these are kept, which take at most 16 MiB: %j', (given, kept) => {
  const buffers = new WriteBuffers()
  const taken = given.map((mib) => buffers.take(mib * MIB))
  for (const buffer of taken) buffers.give(buffer)
  expect(keptIn(buffers, taken)).toEqual(inOrder(kept))
  // What was taken again may be given back again.
  expect(keptIn(buffers, taken)).toEqual([])
  for (const buffer of taken) buffers.give(buffer)
  expect(keptIn(buffers, taken)).toEqual(inOrder(kept))
})

function inOrder(lengths: readonly number[]): number[] {
  return lengths.toSorted((one, other) => one - other)
}

/** The lengths, in MiB, of those of these buffers that are kept. They are taken. */
function keptIn(buffers: WriteBuffers, taken: readonly { bytes: Buffer }[]): number[] {
  const again = taken.map(({ bytes }) => buffers.take(bytes.length))
  return inOrder(again.filter((buffer) => taken.includes(buffer)).map(({ bytes }) => bytes.length / MIB))
}

test('nothing is kept once no writer is open', () => {
  const buffers = new WriteBuffers()
  buffers.use()
  buffers.use()
  const first = buffers.take(16 * MIB)
  buffers.give(first)
  buffers.leave()
  expect(buffers.take(16 * MIB) === first).toBe(true)
  buffers.give(first)
  buffers.leave()
  const second = buffers.take(16 * MIB)
  expect(second === first).toBe(false)
  // The memory of the first one counts no more.
  buffers.give(second)
  expect(buffers.take(16 * MIB) === second).toBe(true)
})

/** The memory of buffers that cannot be collected, in bytes. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let turn = 0; turn < 5; turn++) {
    await setImmediate()
    collect()
  }
  return process.memoryUsage().arrayBuffers
}

test('a writer that is closed keeps no buffer', async () => {
  const values = [Buffer.alloc(3 * MIB, 'a'), Buffer.alloc(900_000, 'b')]
  const dataDir = await mkdtemp(join(tmpdir(), 'sq-storage-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const before = await heldBytes()
  const writers: WalWriter[] = []
  for (let partition = 0; partition < 10; partition++) {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir }, 'orders', partition)
    for (const value of values) await append(writer, value)
    await writer.close()
    writers.push(writer)
  }
  expect((await heldBytes()) - before).toBeLessThan(5 * MIB)
  expect(writers.map(({ nextOffset }) => nextOffset)).toEqual(writers.map(() => 2n))
})

test('idle writers, and readers that wait for them, share 16 MiB of buffers and as much of their latest commits', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sq-storage-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const before = await heldBytes()
  const writers: WalWriter[] = []
  const readers: WalReader[] = []
  const ended: Promise<void>[] = []
  const received: bigint[] = []
  const value = Buffer.alloc(900_000, 'a')
  for (let partition = 0; partition < 100; partition++) {
    const at = [new NodeFileSystem(), { dataDir }, 'orders', partition] as const
    const writer = await WalWriter.open(...at)
    const reader = await WalReader.open(...at)
    writers.push(writer)
    readers.push(reader)
    const [records, batches] = [reader.read({ follow: true }), reader.readBatches({ follow: true })]
    ended.push(takeAll(records, ({ offset }) => received.push(offset)))
    ended.push(takeAll(batches, ({ nextOffset }) => received.push(nextOffset)))
    await append(writer, 'first')
    await append(writer, value)
  }
  while (received.length < 400) await setImmediate()
  // The source of the values is counted, too.
  expect((await heldBytes()) - before).toBeLessThan((16 + 16 + 1) * MIB)
  for (const reader of readers) await reader.close()
  for (const outcome of await Promise.allSettled(ended))
    expect(outcome).toMatchObject({ reason: expect.any(ClosedError) })
  for (const writer of writers) await writer.close()
})

/** Calls back with each element. Unlike a loop, it does not hold the last one while it waits for the next. */
async function takeAll<T>(elements: AsyncIterator<T>, take: (element: T) => void): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const { done, value } = await elements.next()
    if (done !== true) take(value)
    return done === true
  }
  while (!(await isOver()));
}

test('the buffer of a commit is not reused before it is written', async () => {
  const [log, other] = [new LogFixture(), new LogFixture()]
  const [writer, otherWriter] = [await log.open(), await other.open()]
  await append(writer, 'makes the segment')
  const hold = log.fs.faults.hold('write', log.path(0))
  const held = append(writer, Buffer.alloc(2 * MIB, 'a'))
  await hold.reached
  const waiting = append(writer, Buffer.alloc(2 * MIB, 'b'))
  for (const letter of ['c', 'd']) await append(otherWriter, Buffer.alloc(2 * MIB, letter))
  await setImmediate()
  hold.release()
  await Promise.all([held, waiting])
  expect(await letters(log, 1n)).toEqual(['a', 'b'])
  expect(await letters(other, 0n)).toEqual(['c', 'd'])
})
