import { describe, expect, it } from 'vitest'
import { ManualClock, SystemClock } from './clock.ts'

describe('ManualClock', () => {
  it('stands still until a test moves it', () => {
    const clock = new ManualClock(1000)
    expect([clock.now(), clock.monotonic()]).toEqual([1000, 0])
    clock.advance(250)
    clock.advance(0)
    expect([clock.now(), clock.monotonic()]).toEqual([1250, 250])
  })

  it('starts on 2020-01-01 by default', () => {
    expect(new Date(new ManualClock().now()).toISOString()).toBe('2020-01-01T00:00:00.000Z')
  })

  it('jumps both ways without touching the monotonic time', () => {
    const clock = new ManualClock(1000)
    clock.advance(5)
    clock.setNow(10)
    expect([clock.now(), clock.monotonic()]).toEqual([10, 5])
    clock.setNow(5000)
    expect([clock.now(), clock.monotonic()]).toEqual([5000, 5])
  })

  it('refuses to go back', () => {
    const clock = new ManualClock(1000)
    for (const step of [-1, NaN, Infinity]) expect(() => clock.advance(step)).toThrow(RangeError)
    expect([clock.now(), clock.monotonic()]).toEqual([1000, 0])
  })

  it('fires timers in the order of their times, each while the clock shows its time', () => {
    const clock = new ManualClock(1000)
    const calls: [string, number, number][] = []
    const note = (name: string) => () => {
      calls.push([name, clock.now(), clock.monotonic()])
    }
    clock.setTimer(20, note('late'))
    clock.setTimer(10, note('first of two'))
    clock.setTimer(10, note('second of two'))
    clock.setTimer(31, note('not yet'))
    clock.advance(30)
    expect(calls).toEqual([
      ['first of two', 1010, 10],
      ['second of two', 1010, 10],
      ['late', 1020, 20],
    ])
    expect([clock.now(), clock.monotonic(), clock.timers]).toEqual([1030, 30, 1])
  })

  it('fires a timer that another timer sets, if it is due during the same move', () => {
    const clock = new ManualClock()
    const calls: number[] = []
    clock.setTimer(10, () => {
      clock.setTimer(5, () => calls.push(clock.monotonic()))
      clock.setTimer(50, () => calls.push(clock.monotonic()))
    })
    clock.advance(20)
    expect([calls, clock.timers]).toEqual([[15], 1])
  })

  it('does not go back if a callback advances the clock further', () => {
    const clock = new ManualClock(0)
    clock.setTimer(10, () => clock.advance(100))
    clock.advance(20)
    expect([clock.now(), clock.monotonic()]).toEqual([110, 110])
  })

  it('fires a timer of 0 ms at the next move, even a move by 0 ms', () => {
    const clock = new ManualClock()
    let calls = 0
    clock.setTimer(0, () => calls++)
    expect(calls).toBe(0)
    clock.advance(0)
    expect(calls).toBe(1)
  })
})

/** The clocks, and how to let this number of milliseconds pass on each. */
const clocks = [
  {
    name: 'ManualClock',
    create: () => {
      const clock = new ManualClock()
      const pass = (ms: number) => Promise.resolve(clock.advance(ms))
      return { clock, pass }
    },
  },
  {
    name: 'SystemClock',
    create: () => {
      const clock = new SystemClock()
      const pass = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
      return { clock, pass }
    },
  },
]

describe.each(clocks)('the timers of a $name', ({ create }) => {
  it('fire once, and not early', async () => {
    const { clock, pass } = create()
    const setMs = clock.monotonic()
    const calls: number[] = []
    clock.setTimer(2, () => calls.push(clock.monotonic() - setMs))
    expect(calls).toEqual([])
    await pass(2)
    await pass(4)
    expect(calls).toEqual([expect.toSatisfy((elapsedMs: number) => elapsedMs >= 2)])
  })

  it('do not fire once they are cancelled, and can be cancelled again, even after they fired', async () => {
    const { clock, pass } = create()
    let calls = 0
    const cancel = clock.setTimer(1, () => calls++)
    const cancelLater = clock.setTimer(1, () => calls++)
    cancel()
    cancel()
    await pass(3)
    expect(calls).toBe(1)
    cancelLater()
  })

  it('accept delays from 0 to 2^31 - 1 milliseconds', () => {
    const { clock } = create()
    for (const delayMs of [-1, NaN, Infinity, 2 ** 31]) {
      expect(() => clock.setTimer(delayMs, () => {})).toThrow(
        new RangeError(`a timer can be set to go off after 0 to 2147483647 ms, not after ${delayMs}`),
      )
    }
    clock.setTimer(2 ** 31 - 1, () => {})()
  })
})

describe('SystemClock', () => {
  it('shows the time of day, and a time that never goes back', () => {
    const clock = new SystemClock()
    expect(clock.now()).toBeGreaterThan(Date.UTC(2024))
    const before = clock.monotonic()
    expect(clock.monotonic()).toBeGreaterThanOrEqual(before)
  })
})
