import type { FileSystem } from '@sq/sim'
import { beforeEach, expect, test } from 'vitest'
import { FIRST, makeDamaged, SECOND, second, THIRD, third, threeSegments } from '../../testing/damaged-logs.ts'
import type { Files } from '../../testing/damaged-logs.ts'
import { joined } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { MeasuredFiles } from '../../testing/measured-files.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { checkLog } from './log-check.ts'
import type { LogFindings } from './log-description.ts'

const NOTHING: Files = { [FIRST]: null, [SECOND]: null, [THIRD]: null }
/** The most listings with a check after each; there may be one more. */
const MAX_LOOKS = 16

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function check(askBound: () => number, fs: FileSystem = log.fs): Promise<LogFindings> {
  log.fs.operations.resetCounts()
  return checkLog(fs, { topic: 'orders', partition: 0, directory: log.directory }, askBound)
}

/** High watermarks, one after the other, and then the last one again and again. */
function each(...bounds: readonly number[]): () => number {
  let asked = 0
  return () => bounds[Math.min(asked++, bounds.length - 1)] ?? 0
}

const climbing = (): (() => number) => each(...Array.from({ length: 100 }, (_, at) => at + 1))

test.each<[string, Files, () => number, number]>([
  ['without segments, once if there is no writer', NOTHING, each(Infinity), 1],
  ['without segments, once if the writer has no records either', NOTHING, each(0), 1],
  ['without segments, twice if the writer has records', NOTHING, each(5), 2],
  ['without segments, until the high watermark stays', NOTHING, each(5, 6, 7, 7, 8), 4],
  ['without segments, not for ever if the high watermark never stays', NOTHING, climbing(), MAX_LOOKS + 1],
  ['with segments, twice', {}, each(10), 2],
  ['with segments, twice if there is no writer', {}, each(Infinity), 2],
])('a log is listed: %s', async (_, files, askBound, listings) => {
  await makeDamaged(log, files)
  await check(askBound)
  expect(log.fs.operations.count('readdir')).toBe(listings)
})

const torn = joined(third.bytes, Buffer.alloc(100, 1))
const shortened = second.bytes.subarray(0, -8)
/** It ends with a MARK whose body is not all zeros, which is only noted. */
const noted = Buffer.from(threeSegments()[2].mark(8).bytes)
noted[noted.length - 1] = 1

// To check a segment also opens the next one, for its head.
test.each<[string, Files, number]>([
  ['once each', {}, 2 + 2 + 1],
  ['once each if there is only something to note', { [THIRD]: noted }, 2 + 2 + 1],
  ['twice if one is damaged', { [SECOND]: shortened }, 2 + 2 * 2 + 1],
  ['twice if the end is torn', { [THIRD]: torn }, 2 + 2 + 2 * 1],
  ['twice, those that are torn or damaged', { [SECOND]: shortened, [THIRD]: torn }, 2 + 2 * 2 + 2 * 1],
])('segments are checked %s', async (_, files, openings) => {
  await makeDamaged(log, files)
  await check(each(Infinity))
  expect(log.fs.operations.count('open')).toBe(openings)
})

/** The file system, in which something is done before each listing, and some names may be missing from it. */
function withListings(beforeNth: (nth: number) => Promise<unknown>, isListed: (name: string, nth: number) => boolean) {
  let nth = 0
  const fs: FileSystem = {
    ...new MeasuredFiles(log.fs).fs,
    async readdir(path) {
      nth++
      await beforeNth(nth)
      return (await log.fs.readdir(path)).filter((name) => isListed(name, nth))
    },
  }
  return fs
}

const nothing = async (): Promise<void> => {}

test('a segment that shows something else each time is taken as it is in the end', async () => {
  await makeDamaged(log, {})
  const lengths = [third.at(1).position + 60, third.at(2).position + 60]
  const fs = withListings(
    (nth) => log.overwrite(log.path(7), third.bytes.subarray(0, lengths[nth % 2])),
    () => true,
  )
  const { segments } = await check(each(Infinity), fs)
  expect(log.fs.operations.count('readdir')).toBe(MAX_LOOKS + 1)
  expect(segments.at(-1)?.notes).toMatchObject([{ kind: 'torn' }])
})

test.each([
  ['ENOENT', 'is listed again', MAX_LOOKS + 1],
  ['EACCES', 'is not', 1],
])('if a segment can never be opened, with %s, the log %s', async (error, _, listings) => {
  await makeDamaged(log, {})
  log.fs.faults.add({ on: 'open', path: log.path(3), when: 'always', fault: { error } })
  await expect(check(each(Infinity))).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: log.path(3) })
  expect(log.fs.operations.count('readdir')).toBe(listings)
})

test('as long as nothing is suspicious, the high watermark is the one at the beginning', async () => {
  await makeDamaged(log, {})
  expect((await check(each(10, 11, 12, 13))).bound).toBe(10)
})

test('a log without segments at first is checked whole once there are some', async () => {
  await makeDamaged(log, {})
  const fs = withListings(nothing, (name, nth) => nth > 1 || !name.endsWith('.wal'))
  const { segments } = await check(each(10), fs)
  expect(segments.map(({ segment }) => segment.baseOffset)).toEqual([0, 3, 7])
})

test('a segment that was gone and is there again is another one, and is checked', async () => {
  await makeDamaged(log, {})
  const fs = withListings(
    async (nth) => nth === 3 && log.overwrite(log.path(3), second.bytes.subarray(0, -8)),
    (name, nth) => name !== SECOND || nth !== 2,
  )
  const { segments } = await check(each(Infinity), fs)
  expect(segments.map(({ problems }) => problems.length > 0)).toEqual([false, true, false])
})

test('a segment that gets a successor, which states its end, is checked again', async () => {
  const { position } = third.at(2)
  const previous = { baseOffset: 7, end: position, lastPosition: third.at(1).position, lastCrc: third.at(1).headerCrc }
  const successor = '00000000000000000009.wal'
  await makeDamaged(log, { [successor]: new SegmentBytes({ baseOffset: 9, previous }).records('j').bytes })
  const fs = withListings(nothing, (name, nth) => name !== successor || nth > 1)
  const { segments } = await check(each(Infinity), fs)
  expect(segments.at(-1)?.notes).toMatchObject([{ kind: 'ignored-tail', path: log.path(7) }])
})

test('a log start that does not verify is a problem, and deletes nothing', async () => {
  await makeDamaged(log, { 'log-start': Buffer.alloc(20) })
  const { start, segments } = await check(each(Infinity))
  expect(start).toMatchObject({ kind: 'log-start', damage: { path: `${log.directory}/log-start` } })
  expect(segments.map(({ records }) => records)).toEqual([3, 4, 3])
})
