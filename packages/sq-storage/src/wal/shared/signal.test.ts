import { describe, expect, it } from 'vitest'
import { isSignal } from './signal.ts'

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
