/** What a log notifies of, and how its watches are shared. `recent-frames.test.ts` has what it keeps in memory. */
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it, vi } from 'vitest'
import { SharedLog, sharedLog } from './shared-log.ts'
import type { LogEnd } from './shared-log.ts'

async function afterTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate()
}

function endAt(nextOffset: number): { nextOffset: number } & LogEnd {
  return { firstOffset: 0, nextOffset, indexOf: () => null }
}

it('is one object for each directory', () => {
  const [first, second] = [sharedLog('first directory'), sharedLog('second directory')]
  expect(sharedLog('first directory')).toBe(first)
  expect(second).not.toBe(first)
})

it('is a new object once nothing holds the old one, and stays the same when the old one is finalized', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  sharedLog('dropped directory').truncated(1)
  await afterTurns(1)
  collect()
  const log = sharedLog('dropped directory')
  expect(log.cuts).toEqual([])
  await afterTurns(5)
  expect(sharedLog('dropped directory')).toBe(log)
})

describe('readers', () => {
  it('may read up to the high watermark of the writer that was opened last, and see when it changes', () => {
    const log = new SharedLog()
    const [first, second] = [endAt(3), endAt(5)]
    const state = (): number[] => [log.highWatermark, log.openings, log.notifier.notifications]
    expect(state()).toEqual([Infinity, 0, 0])
    log.opened(first)
    expect(state()).toEqual([3, 1, 1])
    first.nextOffset = 4
    expect(state()).toEqual([4, 1, 1])
    log.opened(second)
    log.closed(first)
    expect(state()).toEqual([5, 2, 2])
    log.truncated(1)
    expect([log.cuts, ...state()]).toEqual([[1], 5, 2, 3])
    log.closed(second)
    expect(state()).toEqual([Infinity, 2, 4])
  })

  it('that tail are notified of commits two turns later, of all of them together', async () => {
    const log = new SharedLog()
    const commit = { bytes: 0, copy: () => [] }
    log.committed(commit)
    await afterTurns(3)
    expect(log.notifier.notifications).toBe(0)
    log.follow()
    for (const expected of [1, 2]) {
      log.committed(commit)
      log.committed(commit)
      await afterTurns(1)
      expect(log.notifier.notifications).toBe(expected - 1)
      await afterTurns(3)
      expect(log.notifier.notifications).toBe(expected)
    }
  })
})

describe('a watch', () => {
  it('is shared by all that watch one path, and closed by the last of them', async () => {
    const fs = new InMemoryFileSystem()
    const log = new SharedLog()
    const watched = vi.spyOn(fs, 'watch')
    await fs.mkdir('/a')
    await fs.mkdir('/b')
    const [first, second, other] = await Promise.all(['/a', '/a', '/b'].map((path) => log.watch(fs, path)))
    expect([watched.mock.calls.length, fs.openHandles]).toEqual([2, 2])
    first?.()
    await afterTurns(1)
    expect(fs.openHandles).toBe(2)
    await fs.mkdir('/a/new')
    expect(log.notifier.notifications).toBe(1)
    second?.()
    await afterTurns(1)
    expect(fs.openHandles).toBe(1)
    const third = await log.watch(fs, '/a')
    expect([watched.mock.calls.length, fs.openHandles]).toEqual([3, 2])
    third()
    other?.()
    await afterTurns(1)
    expect(fs.openHandles).toBe(0)
  })

  it('that fails rejects for all that wait for it, and is tried again', async () => {
    const fs = new InMemoryFileSystem()
    const log = new SharedLog()
    fs.faults.failNext('watch', 'ENOSPC')
    const outcomes = await Promise.allSettled([log.watch(fs, '/'), log.watch(fs, '/')])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const stop = await log.watch(fs, '/')
    expect(fs.openHandles).toBe(1)
    stop()
    await afterTurns(1)
    expect(fs.openHandles).toBe(0)
  })
})
