/** Deletions of records that have little or nothing left to do. */
import { beforeEach, expect, test } from 'vitest'
import type { WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = await mixedLog()
  writer = await log.open()
})

test('inside the active segment, deleteRecords leaves it active', async () => {
  const before = await log.segmentNames()
  await writer.deleteRecords(10n)
  expect(await append(writer, 'next')).toBe(11n)
  expect(log.closed).toEqual([])
  expect(await log.segmentNames()).toEqual(before.slice(-1))
})

test('of records that are deleted already, deleteRecords writes nothing', async () => {
  await writer.deleteRecords(7n)
  const trace = log.fs.operations.trace()
  await writer.deleteRecords(7n)
  await writer.deleteRecords(3n)
  expect(trace.lines.filter((line) => /^(write|rename|unlink)/.test(line))).toEqual([])
})

test('after a failure, deleteRecords of fewer records makes the deletion that failed durable', async () => {
  log.fs.faults.failNext('rename', 'EIO')
  await expect(writer.deleteRecords(9n)).rejects.toThrow('EIO')
  await writer.deleteRecords(4n)
  expect(writer.logStartOffset).toBe(9n)
  log.fs.crash()
  const again = await log.open()
  expect(again.logStartOffset).toBe(9n)
  expect(await log.values()).toEqual(MIXED_VALUES.slice(9))
})

test('that deletes a whole segment does not retain segments in which every record is deleted', async () => {
  const rule = log.fs.faults.failAlways('unlink', 'EIO', (path) => path.endsWith('.wal'))
  await expect(writer.deleteRecords(7n)).rejects.toThrow('EIO')
  rule.remove()
  const deleted = await writer.deleteSegments({ belowOffset: 2n })
  expect(deleted.map(({ baseOffset }) => baseOffset)).toEqual([0n, 2n])
})
