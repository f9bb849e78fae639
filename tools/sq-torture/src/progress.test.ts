import { ManualClock } from '@sq/sim'
import { expect, test } from 'vitest'
import { Progress } from './progress.ts'

/** The output when a text is shown every 100 ms for a time. */
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

test('on a terminal, one line is overwritten and removed at the end', () => {
  const clear = '\r\u001B[K'
  expect(shown({ isTTY: true, forMs: 500 })).toEqual([`${clear}0 ms`, `${clear}200 ms`, `${clear}400 ms`, clear])
})

test('without a terminal, there is one plain line every 30 seconds, and none for shorter work', () => {
  expect(shown({ isTTY: false, forMs: 29_000 })).toEqual([])
  expect(shown({ isTTY: false, forMs: 61_000 })).toEqual(['30000 ms\n', '60000 ms\n'])
})
