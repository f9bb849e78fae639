import { describe, expect, it, vi } from 'vitest'
import { Waker } from './waker.ts'
import { signalEnding } from './signal-ending.ts'

/** What an abort signal of another realm has. */
const FOREIGN = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} }

describe('the ending of a signal', () => {
  it('is one for each signal', () => {
    const [first, second] = [new AbortController(), new AbortController()]
    expect(signalEnding(first.signal)).toBe(signalEnding(first.signal))
    expect(signalEnding(second.signal)).not.toBe(signalEnding(first.signal))
  })

  it.each([
    ['its own', new Error('enough')],
    ['null if that was given', null],
  ])('has a reason once the signal is aborted: %s', (_, reason) => {
    const controller = new AbortController()
    const ending = signalEnding(controller.signal)
    expect(ending.failure).toBeNull()
    controller.abort(reason)
    expect(ending.failure?.reason).toBe(reason)
  })

  it('has an AbortError as its reason if the signal has none', () => {
    const signal = { ...FOREIGN, aborted: true } as unknown as AbortSignal
    expect(signalEnding(signal).failure?.reason).toMatchObject({ name: 'AbortError' })
  })

  it('listens once while some wait, and wakes all of them', () => {
    const controller = new AbortController()
    const added = vi.spyOn(controller.signal, 'addEventListener')
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const wakers = [new Waker(), new Waker()]
    const woken: number[] = []
    const listeners = (): number => added.mock.calls.length - removed.mock.calls.length
    for (const waker of wakers) waker.endBy(signalEnding(controller.signal))
    const wait = (): void => {
      for (const [index, waker] of wakers.entries()) {
        waker.onWake(() => woken.push(index))
        expect(listeners()).toBe(1)
      }
    }
    wait()
    wakers[0]?.wake()
    expect([listeners(), woken]).toEqual([1, [0]])
    wakers[1]?.wake()
    expect([listeners(), woken]).toEqual([0, [0, 1]])
    signalEnding(controller.signal).delete(new Waker())
    wait()
    expect([listeners(), woken]).toEqual([1, [0, 1]])
    controller.abort()
    expect([listeners(), woken]).toEqual([0, [0, 1, 0, 1]])
  })
})
