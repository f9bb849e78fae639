/** Who gets room in the backlogs of writers, and when. `room.test.ts` has the same with whole writers. */
import { nextTick } from 'node:process'
import { setImmediate } from 'node:timers/promises'
import { Random } from '@sq/sim'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { MAX_METADATA_BYTES } from '../format/batch-body.ts'
import { Waker } from '../shared/waker.ts'
import { APPEND_ALLOWANCE_BYTES, Backlog } from './backlog.ts'
import { SharedLimits } from './shared-limits.ts'

const SHARED_BYTES = 1000
const OWN_BYTES = 600

let limits: SharedLimits
let backlogs: Backlog[]
/** The callers that got room, in order. */
let served: string[]

function backlog(at: number): Backlog {
  return backlogs[at] ?? expect.unreachable()
}

beforeEach(() => {
  limits = new SharedLimits({ maxPendingBytes: SHARED_BYTES })
  backlogs = Array.from({ length: 4 }, () => {
    return new Backlog({ maxPendingBytes: OWN_BYTES, maxBatchBytes: 100 }, limits)
  })
  served = []
})

/** A caller that appends as soon as it has room. */
async function caller(name: string, at: number, bytes: number, waker: Waker = new Waker()): Promise<void> {
  await backlog(at).whenRoom(bytes, waker)
  served.push(name)
  backlog(at).add(bytes)
}

describe('an append is refused', () => {
  test('if it would exceed the limit of its writer, with an error that says so', () => {
    backlog(0).add(300)
    const cost = backlog(0).costOf(300 - APPEND_ALLOWANCE_BYTES)
    expect(cost).toBe(300)
    const neededBytes = 301
    const state = { limit: 'writer', pendingBytes: 300, maxPendingBytes: OWN_BYTES, neededBytes }
    expect(() => backlog(0).costOf(neededBytes - APPEND_ALLOWANCE_BYTES)).toThrow(expect.objectContaining(state))
  })

  test('if it would exceed the shared limit, with an error that says so', () => {
    backlog(0).add(600)
    backlog(1).add(100)
    expect(backlog(2).costOf(300 - APPEND_ALLOWANCE_BYTES)).toBe(300)
    const state = { limit: 'shared', pendingBytes: 700, maxPendingBytes: SHARED_BYTES, neededBytes: 301 }
    expect(() => backlog(2).costOf(301 - APPEND_ALLOWANCE_BYTES)).toThrow(expect.objectContaining(state))
    backlog(1).remove(100)
    expect(backlog(2).costOf(400 - APPEND_ALLOWANCE_BYTES)).toBe(400)
    expect(limits.pendingBytes).toBe(600)
  })

  test('never while nothing is pending anywhere', () => {
    expect(backlog(0).costOf(5000)).toBe(5000 + APPEND_ALLOWANCE_BYTES)
  })
})

describe('callers that wait', () => {
  test('get room at once if there is some', async () => {
    await caller('a', 0, 300)
    await caller('b', 0, 300)
    await caller('c', 1, 400)
    expect(served).toEqual(['a', 'b', 'c'])
  })

  test('of one writer get room in the order of their calls, also a small one behind a large one', async () => {
    backlog(0).add(300)
    const all = [caller('large', 0, 400), caller('small', 0, 10)]
    await setImmediate()
    expect(served).toEqual([])
    backlog(0).remove(300)
    await Promise.all(all)
    expect(served).toEqual(['large', 'small'])
  })

  test('of several writers take turns where the limit is shared', async () => {
    backlog(3).add(SHARED_BYTES)
    const all = ['a1', 'a2', 'a3'].map((name) => caller(name, 0, 100))
    all.push(...['b1', 'b2'].map((name) => caller(name, 1, 100)), caller('c1', 2, 100))
    await setImmediate()
    expect(served).toEqual([])
    backlog(3).remove(SHARED_BYTES)
    await Promise.all(all)
    expect(served).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  test.each([
    ['ended', (of: Backlog) => of.remove(100)],
    ['were refused by other limits until now', (of: Backlog) => of.configured()],
  ])('have the place of their call, also if appends of their writer %s just before', async (_, change) => {
    backlog(3).add(800)
    backlog(1).add(100)
    const all = [caller('a', 0, 300)]
    change(backlog(1))
    all.push(caller('b', 2, 100), caller('c', 1, 100))
    backlog(3).remove(800)
    await Promise.all(all)
    expect(served).toEqual(['a', 'b', 'c'])
  })

  test('have the place of their call, also if the caller before them at their writer was just served', async () => {
    backlog(3).add(SHARED_BYTES)
    const all = [caller('a', 0, 100), caller('b', 1, 300)]
    backlog(3).remove(150)
    await setImmediate()
    expect(served).toEqual(['a'])
    all.push(caller('c', 2, 100), caller('d', 0, 100))
    backlog(3).remove(SHARED_BYTES - 150)
    await Promise.all(all)
    expect(served).toEqual(['a', 'b', 'c', 'd'])
  })

  test('have a place once their own limit has room', async () => {
    backlog(0).add(OWN_BYTES)
    backlog(3).add(400)
    limits.configure({ maxPendingBytes: 900 })
    const all = [caller('a', 0, 100), caller('b', 1, 100)]
    backlog(0).remove(50)
    expect(served).toEqual([])
    backlog(0).remove(50)
    await setImmediate()
    backlog(3).remove(400)
    await Promise.all(all)
    expect(served).toEqual(['b', 'a'])
  })

  test('get room without a turn of the event loop for each', async () => {
    backlog(3).add(SHARED_BYTES)
    const all = Array.from({ length: 90 }, (_, at) => caller('', at % 3, 1))
    await setImmediate()
    backlog(3).remove(SHARED_BYTES)
    await setImmediate()
    expect(served).toHaveLength(90)
    await Promise.all(all)
  })

  test('are not told of room that the one before them has taken', async () => {
    backlog(3).add(SHARED_BYTES)
    const all = [caller('a', 0, 600), caller('b', 1, 600), caller('c', 2, 300)]
    backlog(3).remove(400)
    await setImmediate()
    backlog(3).remove(600)
    await setImmediate()
    expect(served).toEqual(['a'])
    backlog(0).remove(600)
    await Promise.all(all)
    expect(served).toEqual(['a', 'b', 'c'])
  })

  test('do not stop those of other writers if only their own limit is full', async () => {
    backlog(0).add(OWN_BYTES)
    const waiting = caller('a', 0, 100)
    await caller('b', 1, 100)
    backlog(0).remove(100)
    await waiting
    expect(served).toEqual(['b', 'a'])
  })

  test.each([
    ['aborted', (_: Backlog, waker: Waker) => waker.stop()],
    ['of a writer that is closed', (of: Backlog) => of.close(new Error('closed'))],
  ])('let the next one have the room when they are %s', async (_, end) => {
    backlog(3).add(500)
    const waker = new Waker()
    const first = backlog(0).whenRoom(600, waker)
    const second = caller('b', 1, 400)
    await setImmediate()
    expect(served).toEqual([])
    end(backlog(0), waker)
    await Promise.allSettled([first])
    await second
    expect(served).toEqual(['b'])
  })

  test('wait for the largest record or batch with its metadata if they do not say how much they need', async () => {
    const limit = { maxPendingBytes: 1_000_000, maxBatchBytes: 100_000 }
    const largest = new Backlog(limit, new SharedLimits({ maxPendingBytes: 2e6 }))
    largest.add(1_000_000)
    const told = vi.fn()
    const ready = largest.whenRoom(null, new Waker()).then(told)
    await setImmediate()
    for (let bytes = 1_000_000; bytes > 700_000 && told.mock.calls.length === 0; bytes -= 1000) {
      largest.remove(1000)
      await setImmediate()
    }
    await ready
    expect(() => largest.costOf(100_000 + MAX_METADATA_BYTES + 1000)).not.toThrow()
    expect(largest.bytes).toBeGreaterThan(700_000)
  })

  test('get room when a limit is raised', async () => {
    const config = { maxPendingBytes: 100, maxBatchBytes: 100 }
    const own = new Backlog(config, limits)
    own.add(100)
    const waiting = own.whenRoom(50, new Waker())
    await setImmediate()
    config.maxPendingBytes = 150
    own.configured()
    await waiting
    backlog(0).add(900)
    const shared = caller('a', 1, 100)
    await setImmediate()
    expect(served).toEqual([])
    limits.configure({ maxPendingBytes: 1100 })
    await shared
  })

  test('let the event loop turn, even if each asks again at once', async () => {
    backlog(0).add(100)
    const controller = new AbortController()
    let asked = 0
    const ask = async (): Promise<void> => {
      for (; !controller.signal.aborted; asked++) await backlog(0).whenRoom(1, new Waker())
    }
    const asking = ask()
    for (let turn = 0; turn < 3; turn++) await setImmediate()
    controller.abort()
    await asking
    expect(asked).toBeLessThan(1000)
  })

  test('cost the same each, however many there are', async () => {
    backlog(3).add(SHARED_BYTES)
    const hasRoom = vi.spyOn(limits, 'hasRoom')
    const all: Promise<void>[] = []
    for (let count = 0; count < 2000; count++) all.push(caller('', count % 3, 300))
    await setImmediate()
    hasRoom.mockClear()
    backlog(3).remove(SHARED_BYTES)
    // What one of them has appended becomes durable some time later.
    for (let done = 0; done < 2000;) {
      await new Promise<void>((resolve) => nextTick(resolve))
      for (const at of [0, 1, 2]) {
        while (backlog(at).bytes > 0) {
          backlog(at).remove(300)
          done++
        }
      }
      await setImmediate()
    }
    await Promise.all(all)
    expect(hasRoom.mock.calls.length).toBeLessThan(3 * 2000)
  })

  test('all get room in the end, and no limit is exceeded, whatever happens meanwhile', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed)
      const shared = new SharedLimits({ maxPendingBytes: 1000 })
      const config = { maxPendingBytes: 700, maxBatchBytes: 100 }
      const all = Array.from({ length: 4 }, () => new Backlog(config, shared))
      const pending: { of: Backlog; bytes: number }[] = []
      const waiting: Promise<unknown>[] = []
      for (let step = 0; step < 60; step++) {
        const of = all[random.int(all.length)] ?? expect.unreachable()
        const bytes = 1 + random.int(random.chance(0.1) ? 2000 : 400)
        const waker = new Waker()
        const appended = async (): Promise<void> => {
          await of.whenRoom(bytes, waker)
          if (waker.stopped) return
          // Throws if there is no room.
          expect(of.costOf(bytes - APPEND_ALLOWANCE_BYTES), `seed ${seed}`).toBe(bytes)
          of.add(bytes)
          pending.push({ of, bytes })
        }
        waiting.push(appended())
        if (random.chance(0.2)) waker.stop()
        if (random.chance(0.3)) await setImmediate()
        const done = random.chance(0.5) ? pending.splice(random.int(pending.length + 1), 1) : []
        for (const each of done) each.of.remove(each.bytes)
      }
      for (let turn = 0; turn < 100; turn++) {
        for (const { of, bytes } of pending.splice(0, 1)) of.remove(bytes)
        await setImmediate()
      }
      await Promise.all(waiting)
      expect([shared.pendingBytes, ...all.map(({ bytes }) => bytes)], `seed ${seed}`).toEqual([0, 0, 0, 0, 0])
    }
  })
})

describe('shared limits', () => {
  test.each([
    [undefined, TypeError],
    [{}, TypeError],
    [{ maxPendingBytes: '5' }, TypeError],
    [{ maxPendingBytes: 0 }, RangeError],
    [{ maxPendingBytes: 1.5 }, RangeError],
    [{ maxPendingBytes: 5, maxPendingByte: 5 }, TypeError],
  ])('of %j are refused', (options, error) => {
    const wrong = options as { maxPendingBytes: number }
    expect(() => new SharedLimits(wrong)).toThrow(error)
    expect(() => limits.configure(wrong)).toThrow(error)
    expect(limits.maxPendingBytes).toBe(SHARED_BYTES)
  })
})
