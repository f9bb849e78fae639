import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, LogNotFoundError, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { LOCK_NAME, LOG_START_NAME, resetName, segmentName } from '../segment.ts'
import {
  indexOfSegment,
  isLog,
  listSegmentFiles,
  MAX_ABSENCES,
  MAX_OVERTAKEN,
  offsetsOf,
  resetAmong,
  segmentFrom,
  segmentHolding,
  segmentsAmong,
  whileListed,
} from './segment-listing.ts'

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

async function caught(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => expect.unreachable('it should have rejected'),
    (error: unknown) => error,
  )
}

describe('listSegmentFiles', () => {
  it('lists the segments by base offset, each with its successor', async () => {
    const third = { path: log.path(2 ** 33), baseOffset: 2 ** 33, successor: null }
    const second = { path: log.path(7), baseOffset: 7, successor: third }
    const first = { path: log.path(0), baseOffset: 0, successor: second }
    for (const base of [2 ** 33, 0, 7]) await log.make(log.path(base), Buffer.alloc(0))
    expect(await listSegmentFiles(log.fs, log.directory)).toEqual([first, second, third])
  })

  it('ignores every other name', async () => {
    for (const name of ['lock', 'next.tmp', '0.wal', '00000000000000000000.wal.bak']) {
      await log.make(`${log.directory}/${name}`, Buffer.alloc(0))
    }
    expect(await listSegmentFiles(log.fs, log.directory)).toEqual([])
  })

  it.each(['00009007199254740992.wal', '99999999999999999999.wal'])(
    'refuses %s, whose offset is too large',
    async (name) => {
      await log.make(`${log.directory}/${name}`, Buffer.alloc(0))
      const error = await caught(listSegmentFiles(log.fs, log.directory))
      expect(error).toBeInstanceOf(UnsupportedFormatError)
      expect(error).toMatchObject({ path: `${log.directory}/${name}`, position: 0 })
    },
  )

  it.each(['ENOENT', 'ENOTDIR'])('rejects with LogNotFoundError for %s', async (code) => {
    log.fs.faults.failNext('readdir', code)
    const error = await caught(listSegmentFiles(log.fs, log.directory))
    expect(error).toBeInstanceOf(LogNotFoundError)
    expect(error).toMatchObject({ code: 'SQ_WAL_NOT_FOUND', path: log.directory })
  })

  it('rejects with WalIoError for anything else', async () => {
    log.fs.faults.failNext('readdir', 'EACCES')
    const error = await caught(listSegmentFiles(log.fs, log.directory))
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ path: log.directory, cause: { code: 'EACCES' } })
  })
})

const LARGEST = Number.MAX_SAFE_INTEGER

test('a segment may have the largest offset, and no segment after a given offset is listed', () => {
  const names = [0, 5, 9, LARGEST].map(segmentName)
  const bases = (last?: number) => segmentsAmong(names, '/d', last).map(({ baseOffset }) => baseOffset)
  expect(bases()).toEqual([0, 5, 9, LARGEST])
  expect(bases(5)).toEqual([0, 5])
  expect(bases(4)).toEqual([0])
})

test.each([
  [[], false],
  [['next.tmp', 'readme.txt'], false],
  [['readme.txt', LOCK_NAME], true],
  [['readme.txt', LOG_START_NAME], true],
  [['readme.txt', segmentName(7)], true],
])('whether a directory with the names %j is a log: %s', (names, expected) => {
  expect(isLog(names)).toBe(expected)
})

test('the segment of an unfinished reset is found by its name, and there is only one', () => {
  expect(resetAmong(['lock', segmentName(3)], '/d')).toBeNull()
  const found = { path: `/d/${resetName(7)}`, baseOffset: 7, successor: null }
  expect(resetAmong([segmentName(3), resetName(7)], '/d')).toEqual(found)
  try {
    resetAmong([resetName(7), resetName(8)], '/d')
    expect.unreachable('it should have thrown')
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: found.path, from: 0, to: 0, firstOffset: 7n, lastOffset: 6n })
  }
})

test('a segment holds the offsets up to that of its successor; those of the last one are not known', () => {
  const [first, last] = segmentsAmong([segmentName(3), segmentName(7)], '/d')
  expect(first && offsetsOf(first)).toEqual({ firstOffset: 3n, lastOffset: 6n })
  expect(last && offsetsOf(last)).toEqual({ firstOffset: 7n, lastOffset: null })
})

/** A listing of `count` segments at offsets 10, 20, ... that counts accesses to its elements. */
function countedListing(count: number) {
  const names = Array.from({ length: count }, (_, at) => segmentName(10 * (at + 1)))
  const asked = { elements: 0 }
  const listing = new Proxy(segmentsAmong(names, log.directory), {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) asked.elements++
      const value: unknown = Reflect.get(target, key, receiver)
      return value
    },
  })
  return { listing, asked }
}

describe('a search in a listing', () => {
  it.each([
    [0, -1, undefined],
    [9, -1, undefined],
    [10, 0, 10],
    [19, 0, undefined],
    [20, 1, 20],
    [39, 2, undefined],
    [40, 3, 40],
    [Infinity, 3, undefined],
  ])('for offset %d finds segment %d of four', (offset, at, from) => {
    const { listing } = countedListing(4)
    expect(indexOfSegment(listing, offset)).toBe(at)
    expect(segmentHolding(listing, offset)).toBe(listing[at])
    expect(segmentFrom(listing, offset)?.baseOffset).toBe(from)
  })

  it('in an empty listing finds none', () => {
    expect(indexOfSegment([], 5)).toBe(-1)
    expect(segmentHolding([], 5)).toBeUndefined()
  })

  it.each([1_000, 100_000])('of %d segments looks at few of them', (count) => {
    const { listing, asked } = countedListing(count)
    for (const offset of [0, 15, 10 * count, Infinity]) indexOfSegment(listing, offset)
    expect(asked.elements).toBeLessThanOrEqual(4 * (Math.log2(count) + 1))
  })
})

function missing(path: string): WalIoError {
  return new WalIoError('open', path, Object.assign(new Error('gone'), { code: 'ENOENT' }))
}

/** Runs an action that fails with these errors, one for each listing. Resolves with the number of listings. */
function listingsUntil(errors: readonly Error[], mayBeStale?: (error: unknown) => boolean): Promise<number> {
  let listings = 0
  return whileListed(
    () => Promise.resolve(++listings),
    (nth) => {
      const error = errors[nth - 1]
      return error === undefined ? Promise.resolve(nth) : Promise.reject(error)
    },
    mayBeStale,
  )
}

function missingTimes(count: number, path: string): WalIoError[] {
  return Array.from({ length: count }, () => missing(path))
}

describe('a log is listed again', () => {
  test('for one missing file after another, up to a limit', async () => {
    const errors = Array.from({ length: MAX_OVERTAKEN }, (_, at) => missing(`file ${at}`))
    expect(await listingsUntil(errors.slice(1))).toBe(MAX_OVERTAKEN)
    await expect(listingsUntil(errors)).rejects.toBe(errors.at(-1))
  })

  test('for a file that is listed again and not found, a few times in succession', async () => {
    const some = missingTimes(MAX_ABSENCES - 1, 'a')
    const errors = [...some, missing('b'), ...some]
    expect(await listingsUntil(errors)).toBe(errors.length + 1)
    const last = missing('a')
    await expect(listingsUntil([...errors, last])).rejects.toBe(last)
  })

  test('for no other error', async () => {
    const error = new WalIoError('open', 'a', Object.assign(new Error('no'), { code: 'EACCES' }))
    await expect(listingsUntil([error])).rejects.toBe(error)
  })

  test('for a different error that an old listing may explain, if the listing is the first', async () => {
    const stale = new Error('stale')
    const mayBeStale = (error: unknown) => error === stale
    expect(await listingsUntil([stale, missing('a'), missing('b')], mayBeStale)).toBe(4)
    await expect(listingsUntil([stale, stale], mayBeStale)).rejects.toBe(stale)
    await expect(listingsUntil([missing('a'), stale], mayBeStale)).rejects.toBe(stale)
  })

  test('and each listing is passed to the action, and knows whether it is the first', async () => {
    const seen: [boolean, number | undefined][] = []
    const found = await whileListed(
      (isAgain) => Promise.resolve({ isAgain, listed: segmentsAmong([segmentName(isAgain ? 2 : 1)], '/d') }),
      ({ isAgain, listed: [segment] }) => {
        seen.push([isAgain, segment?.baseOffset])
        return isAgain ? Promise.resolve('found') : Promise.reject(missing('a'))
      },
    )
    expect(found).toBe('found')
    expect(seen).toEqual([
      [false, 1],
      [true, 2],
    ])
  })
})
