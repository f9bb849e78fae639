/** What a writer states about its log after a truncation that has failed half-way. */
import { expect, test } from 'vitest'
import { appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'

test('a truncation that fails inside the only segment keeps the beginning and the size of the log', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, numbered(5))
  const { segments, diskBytes } = writer.stats()
  log.fs.faults.failNext('rename', 'EIO')
  await expect(writer.truncate(2n)).rejects.toThrow('EIO')
  expect([writer.logStartOffset, writer.logEndOffset]).toEqual([0n, 2n])
  expect(writer.stats()).toMatchObject({ segments, diskBytes, activeSegmentBytes: 0 })
})
