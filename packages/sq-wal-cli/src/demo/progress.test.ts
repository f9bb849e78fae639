import { ManualClock } from '@sq/sim'
import { afterEach, expect, it, vi } from 'vitest'
import { startProgress, type Progress } from './progress.ts'

const erased = '\r\u001B[2K'

afterEach(() => vi.unstubAllEnvs())

function progressOn(terminal: { isTTY?: boolean; columns?: number }): [Progress, ManualClock, string[]] {
  const written: string[] = []
  const clock = new ManualClock()
  const write = (text: string): number => written.push(text)
  return [startProgress({ isTTY: true, columns: 20, ...terminal, write }, clock), clock, written]
}

it('the progress line is rewritten no more often than it can be read', () => {
  vi.stubEnv('TERM', 'xterm')
  const [progress, clock, written] = progressOn({})
  progress.show(() => 'a')
  progress.show(() => 'b')
  clock.advance(100)
  progress.show(() => 'c')
  progress.clear()
  progress.clear()
  expect(written).toEqual([`${erased}a`, `${erased}c`, erased])
})

it('the progress line is shorter than the terminal, so that it does not wrap', () => {
  vi.stubEnv('TERM', 'xterm')
  const [progress, , written] = progressOn({ columns: 5 })
  progress.show(() => 'abcdef')
  expect(written).toEqual([`${erased}abcd`])
})

it.each([
  ['where there is no terminal', { isTTY: false }, 'xterm'],
  ['on a terminal that cannot rewrite a line', {}, 'dumb'],
])('writes nothing %s', (_, terminal, term) => {
  vi.stubEnv('TERM', term)
  const [progress, , written] = progressOn(terminal)
  progress.show(() => 'a')
  progress.clear()
  expect(written).toEqual([])
})
