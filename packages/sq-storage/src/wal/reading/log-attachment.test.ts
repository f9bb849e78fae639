import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { LogNotFoundError, WalIoError } from '../../errors.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { locatePartition } from '../segments/partition.ts'
import { DirectoryReplaced, LogAttachment } from './log-attachment.ts'

/** Half of what is kept in memory. */
const HALF_BYTES = 2 * 1024 * 1024
const PARTITION = locatePartition('/data', 'orders', 0)

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

function attach(options: { follows: boolean } = { follows: false }): Promise<LogAttachment> {
  return LogAttachment.to(log.fs, PARTITION, options)
}

/** Watches are closed a little after they are ended. */
async function openWatches(): Promise<number> {
  await setImmediate()
  return log.fs.openHandles
}

/** Whether a commit is copied for readers. */
function isKept({ shared }: LogAttachment, bytes = 0): boolean {
  const copy = vi.fn(() => [])
  shared.committed({ bytes, copy })
  return copy.mock.calls.length === 1
}

describe('an attachment', () => {
  it('shares the state of the directory that its path leads to', async () => {
    const [first, second] = [await attach(), await attach()]
    expect(second.shared).toBe(first.shared)
    await first.check(log.fs, PARTITION)
    await log.fs.rename(log.directory, '/data/orders/old')
    await expect(first.check(log.fs, PARTITION)).rejects.toThrow(LogNotFoundError)
    await log.fs.mkdir(log.directory)
    await expect(first.check(log.fs, PARTITION)).rejects.toThrow(DirectoryReplaced)
    expect((await attach()).shared).not.toBe(first.shared)
  })

  it('returns the smallest offset of the truncations since it began, and then since the last call', async () => {
    const { shared } = await attach()
    shared.truncated(1)
    const attachment = await attach()
    expect(attachment.isCut).toBe(false)
    shared.truncated(5)
    expect(attachment.isCut).toBe(true)
    shared.truncated(3)
    shared.truncated(4)
    expect(attachment.takeCut()).toBe(3)
    expect(attachment.isCut).toBe(false)
    shared.truncated(9)
    expect([attachment.isCut, attachment.takeCut(), attachment.isCut]).toEqual([true, 9, false])
  })

  it('keeps the latest commits in memory until it is detached, if its reader tails', async () => {
    const [first, second] = [await attach({ follows: true }), await attach({ follows: true })]
    expect(isKept(second, HALF_BYTES)).toBe(true)
    first.detach()
    first.detach()
    expect(isKept(second, HALF_BYTES)).toBe(true)
    expect(isKept(second, HALF_BYTES)).toBe(true)
    second.detach()
    expect(isKept(second)).toBe(false)
  })

  it.each<[string, (attachment: LogAttachment) => void]>([
    ['its reader does not tail', () => {}],
    ['it was detached', (attachment) => attachment.detach()],
  ])('keeps the next 4 MiB in memory from its beginning on, also if %s', async (_, end) => {
    const attachment = await attach()
    end(attachment)
    expect(isKept(attachment, HALF_BYTES)).toBe(true)
    expect(isKept(attachment, HALF_BYTES)).toBe(true)
    expect(isKept(attachment, 1)).toBe(false)
  })

  it('keeps the next 4 MiB in memory when it pauses, and everything from its resumption on', async () => {
    const attachment = await attach({ follows: true })
    attachment.pause()
    expect(isKept(attachment, 2 * HALF_BYTES)).toBe(true)
    expect(isKept(attachment, 1)).toBe(false)
    attachment.resume()
    expect(isKept(attachment, 2 * HALF_BYTES)).toBe(true)
    expect(isKept(attachment, 2 * HALF_BYTES)).toBe(true)
    attachment.detach()
    expect(isKept(attachment)).toBe(false)
  })
})

describe('an attachment is notified of changes', () => {
  it('as long as it watches, until it is detached', async () => {
    const attachment = await attach()
    expect(attachment.isTold).toBe(false)
    await attachment.watch(log.fs, PARTITION)
    expect([attachment.isTold, await openWatches()]).toEqual([true, 1])
    const { notifications } = attachment.shared.notifier
    await log.make(`${log.directory}/new`, Buffer.alloc(1))
    expect(attachment.shared.notifier.notifications).toBeGreaterThan(notifications)
    attachment.detach()
    expect([attachment.isTold, await openWatches()]).toEqual([false, 0])
  })

  it('by a writer of its thread, without a watch', async () => {
    const attachment = await attach()
    await attachment.watch(log.fs, PARTITION)
    const writer = { firstOffset: 0, nextOffset: 0, indexOf: () => null }
    attachment.shared.opened(writer)
    expect([attachment.isTold, await openWatches()]).toEqual([true, 0])
    attachment.shared.closed(writer)
    expect(attachment.isTold).toBe(false)
  })

  it('unless the directory cannot be watched: the error says so, or that the directory is gone', async () => {
    const attachment = await attach()
    log.fs.faults.failNext('watch', 'ENOSPC')
    await expect(attachment.watch(log.fs, PARTITION)).rejects.toThrow(WalIoError)
    expect(attachment.isTold).toBe(false)
    await log.fs.rename(log.directory, '/data/orders/old')
    await expect(attachment.watch(log.fs, PARTITION)).rejects.toThrow(LogNotFoundError)
  })
})
