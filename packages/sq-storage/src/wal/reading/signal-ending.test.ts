import { describe, expect, it, vi } from 'vitest'
import { Waker } from '../shared/waker.ts'
import { isSignal, signalEnding } from './signal-ending.ts'

/** What an abort signal of another realm has. */
const FOREIGN = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} }

describe('an abort signal', () => {
  it.each<[string, unknown]>([
    ['of this realm', new AbortController().signal],
    ['of another realm', FOREIGN],
    ['that is aborted', { ...FOREIGN, aborted: true }],
  ])('%s is one', (_, value) => {
    expect(isSignal(value)).toBe(true)
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a text', 'abort'],
    ['a function with the fields of one', Object.assign(() => {}, FOREIGN)],
    ['an object that does not say whether it is aborted', { ...FOREIGN, aborted: 'no' }],
    ['an object to which no listener can be added', { ...FOREIGN, addEventListener: null }],
    ['an object from which no listener can be removed', { ...FOREIGN, removeEventListener: null }],
  ])('is not %s', (_, value) => {
    expect(isSignal(value)).toBe(false)
  })
})

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
