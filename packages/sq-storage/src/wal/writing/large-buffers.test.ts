import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { NodeFileSystem } from '@sq/sim'
import { expect, onTestFinished, test } from 'vitest'
import { WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { LargeBuffers } from './large-buffers.ts'

const MIB = 1024 * 1024

/** The distinct letters of each value from an offset on. */
async function letters(log: LogFixture, from: bigint): Promise<string[]> {
  return (await log.values(from)).map((value) => [...new Set(value)].join(''))
}

test('a buffer that was given back is reused, by one caller only', () => {
  const buffers = new LargeBuffers()
  const first = buffers.take(2 * MIB)
  expect(first.bytes).toHaveLength(2 * MIB)
  for (const bytes of [2 * MIB, MIB]) {
    buffers.give(first)
    expect(buffers.take(bytes)).toBe(first)
  }
  expect(buffers.take(MIB)).not.toBe(first)
})

test('the longest is taken, and a new one if none is long enough', () => {
  const buffers = new LargeBuffers()
  const given = [3 * MIB, 4 * MIB, 2 * MIB].map((bytes) => buffers.take(bytes))
  for (const buffer of given) buffers.give(buffer)
  expect(buffers.take(5 * MIB).bytes).toHaveLength(5 * MIB)
  expect([MIB, MIB, MIB].map((bytes) => buffers.take(bytes).bytes.length / MIB)).toEqual([4, 3, 2])
})

test.each([
  [
    [7, 2, 8, 1, 17],
    [8, 7, 1],
  ],
  [[1, 16], [16]],
])('of buffers of %j MiB at most 16 MiB are kept, the longest first, and none that is longer: %j', (given, kept) => {
  const buffers = new LargeBuffers()
  const taken = given.map((mib) => buffers.take(mib * MIB))
  for (const buffer of taken) buffers.give(buffer)
  // Any buffer that is kept has at least no bytes. A new one has none.
  const left = [...kept, 0].map(() => buffers.take(0).bytes.length / MIB)
  expect(left).toEqual([...kept, 0])
})

test('nothing is kept once no writer is open', () => {
  const buffers = new LargeBuffers()
  buffers.use()
  buffers.use()
  const first = buffers.take(2 * MIB)
  buffers.give(first)
  buffers.leave()
  expect(buffers.take(MIB)).toBe(first)
  buffers.give(first)
  buffers.leave()
  expect(buffers.take(MIB)).not.toBe(first)
})

test('a writer that is closed keeps no buffer', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = async (): Promise<number> => {
    for (let turn = 0; turn < 5; turn++) {
      await setImmediate()
      collect()
    }
    return process.memoryUsage().arrayBuffers
  }
  const values = [Buffer.alloc(3 * MIB, 'a'), Buffer.alloc(900_000, 'b')]
  const dataDir = await mkdtemp(join(tmpdir(), 'sq-storage-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const before = await held()
  const writers: WalWriter[] = []
  for (let partition = 0; partition < 10; partition++) {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir }, 'orders', partition)
    for (const value of values) await append(writer, value)
    await writer.close()
    writers.push(writer)
  }
  expect((await held()) - before).toBeLessThan(5 * MIB)
  expect(writers.map(({ nextOffset }) => nextOffset)).toEqual(writers.map(() => 2n))
})

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
