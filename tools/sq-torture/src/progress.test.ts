import { ManualClock } from '@sq/sim'
import { expect, test } from 'vitest'
import { Progress } from './progress.ts'

/** What is written when there is something to show every 100 ms, for so long. */
function shown({ isTTY, forMs }: { isTTY: boolean; forMs: number }): string[] {
  const lines: string[] = []
  const clock = new ManualClock()
  const progress = new Progress({ isTTY, write: (text) => lines.push(text) }, clock)
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs += 100) {
    progress.show(() => `${elapsedMs} ms`)
    clock.advance(100)
  }
  progress.clear()
  return lines
}

test('on a terminal a line is written over again and again, and gone at the end', () => {
  const clear = '\r\u001B[K'
  expect(shown({ isTTY: true, forMs: 500 })).toEqual([`${clear}0 ms`, `${clear}200 ms`, `${clear}400 ms`, clear])
})

test('elsewhere there is a plain line every 30 seconds, and none for what is over sooner', () => {
  expect(shown({ isTTY: false, forMs: 29_000 })).toEqual([])
  expect(shown({ isTTY: false, forMs: 61_000 })).toEqual(['30000 ms\n', '60000 ms\n'])
})
