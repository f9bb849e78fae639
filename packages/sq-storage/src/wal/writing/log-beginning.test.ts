/** A log that begins above 0, or after segments that are in another place. */
import { join } from 'node:path'
import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { OffsetOutOfRangeError } from '../../errors.ts'
import { listSegments, verify, WalWriter } from '../../index.ts'
import type { ClosedSegment } from '../../index.ts'
import { append, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { outcome } from '../../testing/resets.ts'
import { encodeLogStart } from '../segments/log-start.ts'

const END = MIXED_VALUES.length

const LOG = { topic: 'orders', partition: 0, directory: '' }

function seeded({ clock }: LogFixture) {
  return { clock, random: new Random(1) }
}

function opened({ fs, config, clock }: LogFixture, firstOffset: bigint): Promise<WalWriter> {
  return WalWriter.open(fs, config, 'orders', 0, { clock, random: new Random(1), firstOffset })
}

/** A log with one sealed segment, the description of that, and a file system for the log that continues it. */
async function archived(): Promise<{ elsewhere: LogFixture; segment: ClosedSegment; log: LogFixture }> {
  const elsewhere = new LogFixture()
  const writer = await elsewhere.open()
  await appendEach(writer, ['a', 'b'])
  const segment = (await writer.closeActiveSegment()) ?? expect.unreachable('it holds records')
  return { elsewhere, segment, log: new LogFixture() }
}

/** With the segment that is elsewhere in its place, the log is one chain. */
async function expectChain(log: LogFixture, elsewhere: LogFixture): Promise<void> {
  const file = await log.fs.open(log.path(0), 'create')
  await file.write([await elsewhere.file(elsewhere.path(0))], 0)
  await file.close()
  expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [], records: 3 })
  expect(await log.values()).toEqual(['a', 'b', 'c'])
}

describe('a log whose log start is behind its end', () => {
  test.each([
    ['without segments', 0, 5],
    ['with a segment', 1, 2],
  ])('%s begins at the log start as if no segment before it were given', async (_, records, start) => {
    const { segment } = await archived()
    const logs = await Promise.all(
      [{}, { firstOffset: segment.nextOffset, previous: segment.link }].map(async (options) => {
        const log = new LogFixture()
        const writer = await log.open()
        await appendEach(writer, numbered(records))
        await writer.close()
        await log.make(join(log.directory, 'log-start'), encodeLogStart(start, LOG))
        const again = await WalWriter.open(log.fs, log.config, 'orders', 0, { ...options, ...seeded(log) })
        expect(again.nextOffset).toBe(BigInt(start))
        expect(again.stats()).toMatchObject({ segments: 1 })
        return log
      }),
    )
    const [without, given] = await Promise.all(logs.map((log) => log.files()))
    expect(given).toEqual(without)
  })
})

describe('a log without segments', () => {
  test('begins at the first offset that it is opened with, durably', async () => {
    const log = new LogFixture()
    const writer = await opened(log, 1000n)
    expect(writer.nextOffset).toBe(1000n)
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 1000n, segments: 1 })
    log.fs.crash()
    const again = await log.open()
    expect(again.nextOffset).toBe(1000n)
    expect(await append(again, 'a')).toBe(1000n)
    expect((await log.records()).map(({ offset }) => offset)).toEqual([1000n])
  })

  test('has no offset before the first one', async () => {
    const log = new LogFixture()
    const writer = await opened(log, 1000n)
    expect(await log.outcome()).toEqual({ values: [], error: null })
    expect(await log.outcome({ from: 1000n })).toEqual({ values: [], error: null })
    const { error } = await log.outcome({ from: 0n })
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 1000n, nextOffset: 1000n })
    await expect(writer.truncate(999n)).rejects.toBeInstanceOf(OffsetOutOfRangeError)
  })

  test('has no segment before its first append if it begins at 0', async () => {
    const log = new LogFixture()
    await opened(log, 0n)
    expect(await log.segmentNames()).toEqual([])
  })

  test.each([
    [-1n, RangeError],
    [2n ** 53n, RangeError],
    [5, TypeError],
  ])('does not begin at %s', async (firstOffset, type) => {
    const log = new LogFixture()
    // @ts-expect-error One of them is no bigint.
    await expect(opened(log, firstOffset)).rejects.toBeInstanceOf(type)
  })
})

test('a log with segments ignores the first offset that it is opened with', async () => {
  const log = await mixedLog()
  const writer = await opened(log, 1000n)
  expect(writer.nextOffset).toBe(BigInt(END))
  expect(await log.values()).toEqual(MIXED_VALUES)
})

describe('a log that continues after segments in another place', () => {
  test('states the last of them in its first segment', async () => {
    const { elsewhere, segment, log } = await archived()
    const options = { clock: log.clock, random: new Random(1), firstOffset: segment.nextOffset, previous: segment.link }
    const writer = await WalWriter.open(log.fs, log.config, 'orders', 0, options)
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test('states it after a reset, also after one that failed first', async () => {
    const { elsewhere, segment, log } = await archived()
    const writer = await log.open()
    await append(writer, 'dropped')
    log.fs.faults.failNext('rename', 'EIO', /reset$/)
    const { nextOffset, link: previous } = segment
    expect(await outcome(writer.resetTo(nextOffset, { previous }))).toHaveProperty('code', 'SQ_WAL_IO')
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test.each([
    [
      'after a reset',
      async (log: LogFixture, { nextOffset, link: previous }: ClosedSegment) => {
        const writer = await log.open()
        await writer.resetTo(nextOffset, { previous })
        return writer
      },
    ],
    [
      'when it is opened',
      ({ fs, config, clock }: LogFixture, { nextOffset: firstOffset, link: previous }: ClosedSegment) =>
        WalWriter.open(fs, config, 'orders', 0, { clock, random: new Random(1), firstOffset, previous }),
    ],
  ])('states it %s, also if its first commit fails', async (_, begin) => {
    const { elsewhere, segment, log } = await archived()
    const writer = await begin(log, segment)
    log.fs.faults.failNext('sync', 'EIO')
    expect(await outcome(append(writer, 'rejected'))).toHaveProperty('code', 'SQ_WAL_APPEND_FAILED')
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test('gets the link from a listing, too', async () => {
    const { elsewhere, segment } = await archived()
    const [listed] = await listSegments(elsewhere.fs, elsewhere.config, 'orders', 0)
    expect(listed?.link).toEqual(segment.link)
  })
})
