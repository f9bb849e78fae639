import { expect, it } from 'vitest'
import { AppendWindow } from './append-window.ts'

/** A writer whose appends are settled by the test. */
class HeldWriter {
  readonly waiting: PromiseWithResolversLike[] = []

  append(): Promise<bigint> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }
}

interface PromiseWithResolversLike {
  readonly resolve: (offset: bigint) => void
  readonly reject: (error: Error) => void
}

const record = { key: null, value: Buffer.from('a'), headers: [], timestampMs: 0 }

it('a window is full with 1,024 appends in flight, and has room after one is acknowledged', async () => {
  const writer = new HeldWriter()
  let acknowledged = 0
  const window = new AppendWindow(writer, () => acknowledged++)
  while (!window.isFull) window.append(record)
  expect(writer.waiting).toHaveLength(1024)
  const room = window.room()
  writer.waiting[0]?.resolve(0n)
  await room
  expect(acknowledged).toBe(1)
  expect(window.isFull).toBe(false)
})

it('a window is full with fewer appends if they are large', () => {
  const writer = new HeldWriter()
  const window = new AppendWindow(writer, () => {})
  const value = Buffer.alloc(4 * 1024 * 1024)
  while (!window.isFull) window.append({ ...record, value })
  expect(writer.waiting).toHaveLength(4)
})

it('a window is drained when every append is acknowledged', async () => {
  const writer = new HeldWriter()
  let acknowledged = 0
  const window = new AppendWindow(writer, () => acknowledged++)
  window.append(record)
  window.append(record)
  const drained = window.drained()
  for (const { resolve } of writer.waiting) resolve(0n)
  await drained
  expect(acknowledged).toBe(2)
})

it('room and drained reject with the cause of a failed append', async () => {
  const writer = new HeldWriter()
  const window = new AppendWindow(writer, () => {})
  window.append(record)
  window.append(record)
  const drained = window.drained()
  for (const { reject } of writer.waiting) reject(new Error('disk full'))
  await expect(drained).rejects.toThrow('disk full')
  await expect(window.room()).rejects.toThrow('disk full')
})
