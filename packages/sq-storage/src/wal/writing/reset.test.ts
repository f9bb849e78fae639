/** What a reset leaves of a log, and what it refuses. */
import { beforeEach, describe, expect, test } from 'vitest'
import { ClosedError } from '../../errors.ts'
import { WalWriter } from '../../index.ts'
import type { ResetOptions } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { outcome } from '../../testing/resets.ts'
import { segmentName } from '../segment.ts'

const END = MIXED_VALUES.length
const LINK = { baseOffset: 0, end: 200, lastPosition: 100, lastCrc: 1 }

describe('a reset', () => {
  let log: LogFixture
  let writer: WalWriter

  beforeEach(async () => {
    log = await mixedLog()
    writer = await log.open()
  })

  test.each([0, 1, 4, END - 1, END, END + 1, 1000])('to offset %d leaves an empty log there', async (offset) => {
    const waiting = append(writer, 'before')
    await writer.resetTo(BigInt(offset))
    expect(await waiting).toBe(BigInt(END))
    expect(writer.nextOffset).toBe(BigInt(offset))
    expect(await log.segmentNames()).toEqual([segmentName(offset)])
    expect(await append(writer, 'after')).toBe(BigInt(offset))
    expect(await log.values()).toEqual(['after'])
    expect(log.fs.openHandles).toBe(2)
    log.fs.crash()
    expect((await log.open()).nextOffset).toBe(BigInt(offset + 1))
    expect(await log.values()).toEqual(['after'])
  })

  test('of an empty log, and a second reset, work', async () => {
    const empty = new LogFixture()
    const first = await empty.open()
    await first.resetTo(7n)
    await first.resetTo(3n)
    expect(await append(first, 'a')).toBe(3n)
    expect(await empty.segmentNames()).toEqual([segmentName(3)])
  })

  test('after a failed commit does not bring that commit back', async () => {
    log.fs.faults.failNext('sync', 'EIO')
    await outcome(append(writer, 'rejected'))
    await writer.resetTo(20n)
    await append(writer, 'a')
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['a'])
  })

  test.each([
    [-1n, RangeError],
    [2n ** 53n, RangeError],
    [5, TypeError],
  ])('to %s is refused', async (offset, type) => {
    // @ts-expect-error One of them is no bigint.
    await expect(writer.resetTo(offset)).rejects.toBeInstanceOf(type)
    expect(await log.values()).toEqual(MIXED_VALUES)
  })

  test.each<[ResetOptions, ErrorConstructor, string]>([
    [{ previous: { ...LINK, baseOffset: 5 } }, RangeError, 'previous.baseOffset'],
    [{ previous: { ...LINK, baseOffset: -1 } }, RangeError, 'previous.baseOffset'],
    [{ previous: { ...LINK, end: 2 ** 32 } }, RangeError, 'previous.end'],
    [{ previous: { ...LINK, lastPosition: LINK.end } }, RangeError, 'previous.lastPosition'],
    [{ previous: { ...LINK, lastCrc: 0.5 } }, RangeError, 'previous.lastCrc'],
    // @ts-expect-error It is no number.
    [{ previous: { ...LINK, end: '96' } }, TypeError, 'previous.end must be a number'],
    // @ts-expect-error It is no link.
    [{ previous: 7 }, TypeError, 'previous must be the link of a segment'],
    // @ts-expect-error It is no link.
    [{ previous: null }, TypeError, 'previous must be the link of a segment, not null'],
    // @ts-expect-error There is no such option.
    [{ before: LINK }, TypeError, 'has no option "before"'],
  ])('with the options %o is refused', async (options, type, message) => {
    const error = await outcome(writer.resetTo(5n, options))
    expect(error).toBeInstanceOf(type)
    expect(error).toHaveProperty('message', expect.stringContaining(message))
    expect(await log.values()).toEqual(MIXED_VALUES)
  })

  test('may state a link whose fields are as large as they can be', async () => {
    const most = 2 ** 32 - 1
    const previous = { baseOffset: 4, end: most, lastPosition: most - 1, lastCrc: most }
    await writer.resetTo(5n, { previous })
    expect(await append(writer, 'after')).toBe(5n)
    expect(await log.values()).toEqual(['after'])
  })

  test('of a closed writer is refused', async () => {
    await writer.close()
    await expect(writer.resetTo(5n)).rejects.toBeInstanceOf(ClosedError)
  })
})
