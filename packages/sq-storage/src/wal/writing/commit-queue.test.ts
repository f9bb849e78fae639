/** When commits are begun: what shares one, what does not wait, and that nothing starves. */
import * as timers from 'node:timers'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { append, LogFixture } from '../../testing/log-fixture.ts'

const LARGE = Buffer.alloc(300_000, 1)

/** What happens to a log, in order: each write to its segment, and each acknowledgement. */
function recorded(log: LogFixture): string[] {
  const events: string[] = []
  log.fs.operations.observe(({ operation, phase, path }) => {
    if (operation === 'write' && phase === 'start' && path.endsWith('.wal')) events.push('write')
  })
  return events
}

test('a large commit is begun at once, and what comes after it goes into the next', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  await setImmediate()
  const events = recorded(log)
  const appends = [append(writer, 'small'), append(writer, LARGE)]
  expect(events).toEqual(['write'])
  appends.push(append(writer, 'behind'))
  expect(await Promise.all(appends)).toEqual([1n, 2n, 3n])
  expect(writer.stats().commits).toBe(3)
  expect(events).toEqual(['write', 'write'])
})

test('small ones of one turn of the event loop share a commit, which is begun after it', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const appends = [append(writer, 'a'), append(writer, 'b')]
  expect(events).toEqual([])
  await Promise.all(appends)
  expect(events).toEqual(['write'])
})

test('a large commit that waits is begun before those who share the one before it are told', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const hold = log.fs.faults.hold('sync', log.path(0))
  const first = append(writer, LARGE).then(() => events.push('first acknowledged'))
  await hold.reached
  const second = append(writer, LARGE).then(() => events.push('second acknowledged'))
  await setImmediate()
  hold.release()
  await Promise.all([first, second])
  expect(events).toEqual(['write', 'write', 'first acknowledged', 'second acknowledged'])
})

test('the event loop turns between commits, however large, and though the disk answers at once', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  let turning = timers.setImmediate(turn)
  function turn(): void {
    events.push('turn')
    turning = timers.setImmediate(turn)
  }
  for (let at = 0; at < 20; at++) await append(writer, LARGE)
  timers.clearImmediate(turning)
  expect(events.filter((event) => event === 'write')).toHaveLength(20)
  expect(events.join(' ')).not.toContain('write write')
})

test('a failed large commit takes along what waits behind it, large or small', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const hold = log.fs.faults.hold('sync', log.path(0))
  log.fs.faults.failNext('sync', 'EIO')
  const doomed = [append(writer, LARGE), append(writer, LARGE), append(writer, 'small')]
  const outcomes = Promise.allSettled(doomed)
  await hold.reached
  hold.release()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(writer.nextOffset).toBe(1n)
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['makes the segment', 'after'])
})

test('a clock that throws fails one commit, and the next go on', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'before')
  const thrown = vi.spyOn(log.clock, 'monotonic').mockImplementationOnce(() => {
    throw new Error('the clock is broken')
  })
  await expect(append(writer, 'fails')).rejects.toThrow('the clock is broken')
  thrown.mockRestore()
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['before', 'after'])
})
