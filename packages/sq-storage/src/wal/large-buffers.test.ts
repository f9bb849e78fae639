import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { append, LogFixture } from '../testing/log-fixture.ts'
import { LargeBuffers } from './large-buffers.ts'

const MIB = 1024 * 1024

/** Of each value from an offset on, its letters, each once. */
async function letters(log: LogFixture, from: bigint): Promise<string[]> {
  return (await log.values(from)).map((value) => [...new Set(value)].join(''))
}

test('a buffer that was given is taken again, by one alone', () => {
  const buffers = new LargeBuffers()
  const first = buffers.take(2 * MIB)
  expect(first.bytes).toHaveLength(2 * MIB)
  buffers.give(first)
  expect(buffers.take(MIB)).toBe(first)
  expect(buffers.take(MIB)).not.toBe(first)
})

test('the longest is taken, and a new one where none is long enough', () => {
  const buffers = new LargeBuffers()
  const given = [3 * MIB, 4 * MIB, 2 * MIB].map((bytes) => buffers.take(bytes))
  for (const buffer of given) buffers.give(buffer)
  expect(buffers.take(5 * MIB).bytes).toHaveLength(5 * MIB)
  expect([MIB, MIB, MIB].map((bytes) => buffers.take(bytes).bytes.length / MIB)).toEqual([4, 3, 2])
})

test('at most 16 MiB are kept, the longest first, and none that is longer', () => {
  const buffers = new LargeBuffers()
  const given = [7, 2, 8, 1, 17].map((mib) => buffers.take(mib * MIB))
  for (const buffer of given) buffers.give(buffer)
  expect([1, 1, 1].map((mib) => buffers.take(mib * MIB).bytes.length / MIB)).toEqual([8, 7, 1])
})

test('nobody gets the buffer of a commit before it is written', async () => {
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
