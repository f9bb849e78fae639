/** What appends, truncations and other calls do while segments are deleted. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { WalWriter } from '../../index.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { append, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { appendSegment, deleted, left, sizeOf } from '../../testing/segment-deletion.ts'

let log: LogFixture
let writer: WalWriter

describe('while segments are deleted', () => {
  beforeEach(async () => {
    log = new LogFixture()
    log.clock.setNow(TIMESTAMP_MS)
    writer = await log.open()
    await appendSegment(writer, 1, 2)
    await appendSegment(writer, 3)
    await appendSegment(writer, 4, 5)
    await append(writer, 'active')
  })

  test('an append waits neither for a removal nor for that to be durable', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const durable = log.fs.faults.hold('syncDirectory')
    const deleting = deleted(writer, { belowOffset: 5n })
    await first.reached
    expect(await append(writer, 'during')).toBe(6n)
    expect(await left(log)).toEqual([0, 2, 3, 5])
    first.release()
    await durable.reached
    expect(await append(writer, 'after')).toBe(7n)
    expect(await left(log)).toEqual([2, 3, 5])
    durable.release()
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'during', 'after'])
  })

  test('an append does not wait until a segment that an earlier writer ended is read', async () => {
    await writer.close()
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted(writer, { belowOffset: 5n })
    await reading.reached
    expect(await append(writer, 'during')).toBe(6n)
    reading.release()
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'during'])
  })

  test('the log begins at the first segment until that is removed', async () => {
    const { segments, diskBytes } = writer.stats()
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted(writer, { belowOffset: 2n })
    await first.reached
    expect([writer.logStartOffset, writer.stats()]).toMatchObject([0n, { segments, diskBytes }])
    const firstBytes = await sizeOf(log, 0)
    first.release()
    await deleting
    expect([writer.logStartOffset, writer.stats()]).toMatchObject([
      2n,
      { segments: segments - 1, diskBytes: diskBytes - firstBytes },
    ])
  })

  test('a segment that could not be removed stays in the log', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    log.fs.faults.failNext('unlink', 'EIO', log.path(0))
    const deleting = deleted(writer, { belowOffset: 5n })
    await first.reached
    expect(await append(writer, 'during')).toBe(6n)
    const rotating = writer.closeActiveSegment()
    first.release()
    await expect(deleting).rejects.toThrow('EIO')
    await rotating
    expect(writer.logStartOffset).toBe(0n)
    expect(await log.values()).toEqual(['at 1', 'at 2', 'at 3', 'at 4', 'at 5', 'active', 'during'])
    expect(await deleted(writer, { belowOffset: 5n })).toEqual([0, 2, 3])
  })

  test('another call begins once those before it have ended', async () => {
    const durable = log.fs.faults.hold('syncDirectory')
    const { lines } = log.fs.operations.trace()
    const both = [deleted(writer, { belowOffset: 2n }), deleted(writer, { belowOffset: 5n })]
    await durable.reached
    // Both have had their turns.
    await append(writer, 'during')
    await append(writer, 'after')
    expect(lines.filter((line) => line.startsWith('unlink'))).toEqual([`unlink '${log.path(0)}'`])
    durable.release()
    expect(await Promise.all(both)).toEqual([[0], [2, 3]])
  })

  test('a new segment gets its name once the removal is durable', async () => {
    const durable = log.fs.faults.hold('syncDirectory')
    const deleting = deleted(writer, { belowOffset: 2n })
    await durable.reached
    const { lines } = log.fs.operations.trace()
    const rotating = writer.closeActiveSegment().then(() => append(writer, 'next'))
    durable.release()
    await Promise.all([deleting, rotating])
    const names = lines.filter((line) => /^(rename|syncDirectory)/.test(line))
    expect(names.findIndex((line) => line.startsWith('syncDirectory'))).toBeLessThan(
      names.findIndex((line) => line.startsWith('rename')),
    )
  })

  test('a truncation is seen: less is deleted if the log is smaller by then', async () => {
    const maxTotalBytes = await sizeOf(log, 2, 5)
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted(writer, { maxTotalBytes })
    await first.reached
    const truncating = writer.truncate(3n)
    first.release()
    await truncating
    expect(await deleting).toEqual([0])
    expect(await left(log)).toEqual([2, 3])
    expect(await append(writer, 'next')).toBe(3n)
    expect(await log.values()).toEqual(['at 3', 'next'])
  })

  test('a truncation may take segments that were to be deleted', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted(writer, { belowOffset: 5n })
    await first.reached
    const truncating = writer.truncate(2n)
    first.release()
    await truncating
    expect(await deleting).toEqual([0])
    expect(await left(log)).toEqual([2])
    expect(await append(writer, 'next')).toBe(2n)
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['next'])
  })

  test.each([{ belowOffset: 1000n }, { belowOffset: 1000n, keepFromOffset: 1000n }])(
    'the deletion with %o deletes no record that was appended after it began, even in place of a truncated one',
    async (policy) => {
      const first = log.fs.faults.hold('unlink', log.path(0))
      const deleting = deleted(writer, policy)
      await first.reached
      const calls = [writer.truncate(3n), append(writer, 'new'), writer.closeActiveSegment(), append(writer, 'last')]
      first.release()
      await Promise.all(calls)
      await deleting
      expect(await log.values()).toEqual(['new', 'last'])
    },
  )

  test('a truncation that fails is completed first', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted(writer, { belowOffset: 3n })
    await first.reached
    const truncating = writer.truncate(4n)
    log.fs.faults.failNext('rename', 'EIO')
    first.release()
    await expect(truncating).rejects.toThrow('EIO')
    expect(await deleting).toEqual([0, 2])
    expect(await left(log)).toEqual([3, 4])
    expect(await log.values()).toEqual(['at 4'])
  })

  test('another call deletes what is left, and each resolves with what it deleted', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted(writer, { belowOffset: 5n })
    await first.reached
    const other = deleted(writer, { belowOffset: 5n })
    first.release()
    const both = [...(await one), ...(await other)].toSorted((a, b) => a - b)
    expect(both).toEqual([0, 2, 3])
    expect(await left(log)).toEqual([5])
  })

  test('another call may delete less, and leaves the rest to it', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted(writer, { belowOffset: 3n })
    await first.reached
    const other = deleted(writer, { belowOffset: 5n })
    first.release()
    expect([await one, await other]).toEqual([[0, 2], [3]])
    expect(await left(log)).toEqual([5])
  })

  test('another call that fails does not end it', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const one = deleted(writer, { belowOffset: 5n })
    await first.reached
    const other = deleted(writer, { belowOffset: 5n })
    const rule = log.fs.faults.add({ on: 'unlink', path: log.path(2), fault: { error: 'EIO' } })
    first.release()
    const outcomes = await Promise.allSettled([one, other])
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(rule.hits)
    rule.remove()
    await deleted(writer, { belowOffset: 5n })
    expect(await left(log)).toEqual([5])
  })

  test('closing waits until all of them are', async () => {
    const first = log.fs.faults.hold('unlink', log.path(0))
    const deleting = deleted(writer, { belowOffset: 5n })
    await first.reached
    const closing = writer.close()
    await expect(append(writer, 'late')).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    first.release()
    await closing
    expect(await left(log)).toEqual([5])
    expect(await deleting).toEqual([0, 2, 3])
    expect(log.fs.openHandles).toBe(0)
  })

  test('closing after a deletion that fails closes the writer', async () => {
    log.fs.faults.failNext('unlink', 'EIO')
    const deleting = deleted(writer, { belowOffset: 5n })
    const closing = writer.close()
    await expect(deleting).rejects.toThrow('EIO')
    await closing
    expect(log.fs.openHandles).toBe(0)
  })

  test('an active segment that is written again is not deleted by the age that it had', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS + 10)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted(writer, { maxAgeMs: 5, trustClock: true })
    await reading.reached
    const appending = writer.append(null, Buffer.from('young'), [], TIMESTAMP_MS + 9)
    reading.release()
    expect(await appending).toBe(6n)
    expect(await deleting).toEqual([0, 2, 3])
    expect(await log.values()).toEqual(['active', 'young'])
  })

  test('an active segment that is ended meanwhile is judged as what it is then', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS + 10)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(0))
    const deleting = deleted(writer, { maxAgeMs: 5, trustClock: true })
    await reading.reached
    const ending = writer.closeActiveSegment()
    const appending = writer.append(null, Buffer.from('young'), [], TIMESTAMP_MS + 9)
    reading.release()
    expect(await ending).toMatchObject({ baseOffset: 5n })
    expect(await appending).toBe(6n)
    expect(await deleting).toEqual([0, 2, 3, 5])
    expect(await log.values()).toEqual(['young'])
  })

  test('age counts until the decision began, however long the segments take to be read', async () => {
    await writer.close()
    log.clock.setNow(TIMESTAMP_MS)
    writer = await log.open()
    const reading = log.fs.faults.hold('open', log.path(2))
    const deleting = deleted(writer, { maxAgeMs: TIMESTAMP_MS - 3, trustClock: true })
    await reading.reached
    log.clock.advance(1000)
    reading.release()
    expect(await deleting).toEqual([0])
  })

  test('a crash anywhere leaves the end of the log, with all that was acknowledged meanwhile', async () => {
    const images = new CrashImages()
    const deleting = deleted(writer, { belowOffset: 5n })
    images.collect(log.fs)
    const meanwhile: string[] = []
    const acknowledged: number[] = []
    for (let nth = 0; nth < 6; nth++) {
      await append(writer, `meanwhile ${nth}`)
      meanwhile.push(`meanwhile ${nth}`)
      if (nth === 2) await writer.closeActiveSegment()
    }
    expect(await deleting).toEqual([0, 2, 3])
    const all = ['at 1', 'at 2', 'at 3', 'at 4', 'at 5', 'active', ...meanwhile]
    for (const after of images.logs()) {
      const reopened = await after.open()
      const end = Number(reopened.nextOffset)
      const values = await after.values()
      expect(values).toEqual(all.slice(end - values.length, end))
      expect(values.slice(0, 6)).toContain('active')
      acknowledged.push(end)
    }
    expect(Math.min(...acknowledged)).toBe(6)
    expect(Math.max(...acknowledged)).toBe(12)
  })
})
