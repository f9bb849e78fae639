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
})

describe('SystemClock', () => {
  it('shows the time of day, and a time that never goes back', () => {
    const clock = new SystemClock()
    expect(clock.now()).toBeGreaterThan(Date.UTC(2024))
    const before = clock.monotonic()
    expect(clock.monotonic()).toBeGreaterThanOrEqual(before)
  })
})
