/**
 * Functions that read a log whose files disappear meanwhile: a writer deletes them, or a listing names missing ones.
 */
import type { FileSystem } from '@sq/sim'
import { describe, expect, it, test } from 'vitest'
import { listExpired, listSegments, verify, WalIoError, WalReader } from '../index.ts'
import type { ReadOptions, WalWriter } from '../index.ts'
import { actingBeforeOpening } from '../testing/another-process.ts'
import { append, appendEach, LogFixture, TIMESTAMP_MS } from '../testing/log-fixture.ts'
import { segmentName } from './segment.ts'
import { MAX_ABSENCES, MAX_OVERTAKEN } from './segments/segment-listing.ts'
import { offsetAt } from '../testing/offset-at.ts'

async function read(fs: FileSystem, log: LogFixture, options: ReadOptions): Promise<bigint[]> {
  const reader = await WalReader.open(fs, log.config, 'orders', 0)
  const offsets: bigint[] = []
  for await (const { offset } of reader.read(options)) offsets.push(offset)
  return offsets
}

/** The end of a log according to each function that reads it. */
const LOOKS: readonly [string, (fs: FileSystem, log: LogFixture) => Promise<bigint | undefined>][] = [
  [
    'verify',
    async (fs, log) => {
      const { problems, notes, records, firstOffset, nextOffset } = await verify(fs, log.config, 'orders', 0)
      expect({ problems, notes, records }).toEqual({
        problems: [],
        notes: [],
        records: Number(nextOffset - firstOffset),
      })
      return nextOffset
    },
  ],
  ['listSegments', async (fs, log) => (await listSegments(fs, log.config, 'orders', 0)).at(-1)?.nextOffset],
  [
    'listExpired',
    async (fs, log) => {
      const at = { policy: { belowOffset: 1000n }, nowMs: TIMESTAMP_MS }
      return (await listExpired(fs, log.config, 'orders', 0, at)).at(-1)?.nextOffset
    },
  ],
  ['a reader', async (fs, log) => ((await read(fs, log, {})).at(-1) ?? -1n) + 1n],
  ['a reader from a time', async (fs, log) => ((await read(fs, log, { fromTimestampMs: 1 })).at(-1) ?? -1n) + 1n],
  [
    'the search for a time',
    async (fs, log) => {
      const reader = await WalReader.open(fs, log.config, 'orders', 0)
      return ((await offsetAt(reader, 1)) ?? -1n) + 1n
    },
  ],
]

/** Appends a record, ends the segment, and deletes all others. */
async function rotateAndDelete(writer: WalWriter): Promise<void> {
  const offset = await append(writer, 'v')
  await writer.closeActiveSegment()
  await writer.deleteSegments({ belowOffset: offset })
}

describe('while a writer deletes each listed segment before it is opened', () => {
  it.each(LOOKS)('%s continues with what is left of the log', async (_, look) => {
    const log = new LogFixture()
    const writer = await log.open()
    await rotateAndDelete(writer)
    const fs = actingBeforeOpening(3 * MAX_ABSENCES, log.fs, () => rotateAndDelete(writer))
    expect(await look(fs, log)).toBe(writer.nextOffset)
    expect(writer.nextOffset).toBeGreaterThan(MAX_ABSENCES)
    expect(log.fs.openHandles).toBe(1)
    await writer.close()
  })
})

describe('while a writer deletes faster than segments are read', () => {
  test('verify lists the log a few times, and drops what is no longer there', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    for (let count = 0; count < 60; count++) {
      await appendEach(writer, ['v'])
      await writer.closeActiveSegment()
    }
    let kept = 0n
    const fs = actingBeforeOpening(20, log.fs, () => writer.deleteSegments({ belowOffset: (kept += 2n) }))
    const before = log.fs.operations.count('readdir')
    const report = await verify(fs, log.config, 'orders', 0)
    expect(report).toMatchObject({
      problems: [],
      notes: [],
      firstOffset: 40n,
      nextOffset: 60n,
      segments: 20,
      records: 20,
    })
    // The writer lists the directory twice for each deletion.
    expect(log.fs.operations.count('readdir') - before - 20).toBeLessThanOrEqual(3)
    await writer.close()
  })

  test('verify leaves out segments that are created after it began', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const fs = actingBeforeOpening(500, log.fs, async () => {
      await writer.closeActiveSegment()
      await append(writer, 'v')
    })
    const report = await verify(fs, log.config, 'orders', 0)
    expect(report).toMatchObject({ problems: [], segments: 1, records: 2, firstOffset: 0n, nextOffset: 2n })
    await writer.close()
  })
})

/** A file system in which every listing names one segment, which does not exist. */
function withoutFiles(nameOf: (listings: number) => string): { fs: FileSystem; listings: () => number } {
  const { fs } = new LogFixture()
  let listings = 0
  fs.readdir = () => Promise.resolve([nameOf(++listings)])
  fs.stat = () => Promise.resolve({ kind: 'directory', sizeBytes: 0, links: 1, identity: 'log' })
  return { fs, listings: () => listings }
}

describe('if no listed file is there', () => {
  it.each(LOOKS)('%s gives up on the same file after some listings', async (_, look) => {
    const { fs, listings } = withoutFiles(() => segmentName(7))
    await expect(look(fs, new LogFixture())).rejects.toThrow(WalIoError)
    expect(listings()).toBeGreaterThanOrEqual(MAX_ABSENCES)
    expect(listings()).toBeLessThanOrEqual(MAX_ABSENCES + 1)
  })

  it.each(LOOKS.filter(([name]) => name !== 'verify'))(
    '%s gives up after many listings if each one names a different missing file',
    async (_, look) => {
      const { fs, listings } = withoutFiles((nth) => segmentName(nth))
      await expect(look(fs, new LogFixture())).rejects.toThrow(WalIoError)
      expect(listings()).toBe(MAX_OVERTAKEN)
    },
  )

  test('verify returns after many listings the current start of the log, and no segment', async () => {
    const { fs, listings } = withoutFiles((nth) => segmentName(nth))
    const report = await verify(fs, { dataDir: '/data' }, 'orders', 0)
    expect(listings()).toBeLessThan(MAX_OVERTAKEN + 20)
    const offset = BigInt(listings())
    expect(report).toMatchObject({ segments: 0, records: 0, firstOffset: offset, nextOffset: offset, problems: [] })
  })
})
