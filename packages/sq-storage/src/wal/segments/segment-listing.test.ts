import { beforeEach, describe, expect, it, test } from 'vitest'
import { LogNotFoundError, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { segmentName } from '../segment.ts'
import {
  Absences,
  indexOfSegment,
  listSegmentFiles,
  MAX_ABSENCES,
  MAX_OVERTAKEN,
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

  it('in one of no segments finds none', () => {
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

describe('a log is listed again', () => {
  test('for one missing file after another, up to a limit', () => {
    const absences = new Absences()
    for (let at = 1; at < MAX_OVERTAKEN; at++) absences.allow(missing(`file ${at}`))
    const last = missing('the last')
    expect(() => absences.allow(last)).toThrow(last)
  })

  test('for a file that is listed again and not found, a few times in succession', () => {
    const absences = new Absences()
    for (let at = 1; at < MAX_ABSENCES; at++) absences.allow(missing('a'))
    absences.allow(missing('b'))
    for (let at = 1; at < MAX_ABSENCES; at++) absences.allow(missing('a'))
    const last = missing('a')
    expect(() => absences.allow(last)).toThrow(last)
  })

  test('for no other error', () => {
    const error = new WalIoError('open', 'a', Object.assign(new Error('no'), { code: 'EACCES' }))
    expect(() => new Absences().allow(error)).toThrow(error)
  })

  test('and each listing is handed on', async () => {
    const listings = [segmentsAmong([segmentName(1)], '/d'), segmentsAmong([segmentName(2)], '/d')]
    const found = await whileListed(
      () => Promise.resolve(listings.shift() ?? []),
      async ([segment]) => {
        if (segment?.baseOffset === 1) throw missing(segment.path)
        return Promise.resolve(segment?.baseOffset)
      },
    )
    expect(found).toBe(2)
  })
})
