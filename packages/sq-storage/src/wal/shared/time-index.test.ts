/** Searches by time in a log that changes. `read-ranges.test.ts` tests them in a log that does not. */
import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, repair, verify, WalReader } from '../../index.ts'
import type { WalWriter } from '../../index.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { offsetAt } from '../../testing/offset-at.ts'

let log: LogFixture
let writer: WalWriter
let reader: WalReader

/** Three segments: a and b at 1000, c and d at 2000, e at 3000. */
beforeEach(async () => {
  log = new LogFixture()
  writer = await log.open()
  await appendAt(1000, 'a', 'b')
  await writer.closeActiveSegment()
  await appendAt(2000, 'c', 'd')
  await writer.closeActiveSegment()
  await appendAt(3000, 'e')
  reader = await WalReader.open(log.fs, log.config, 'orders', 0)
})

async function appendAt(timestampMs: number, ...values: string[]): Promise<void> {
  for (const value of values) await writer.append(null, Buffer.from(value), [], timestampMs)
}

/** Appends later records in place of the truncated ones. */
async function goOnLater(): Promise<void> {
  await appendAt(5000, 'C', 'D')
  await writer.closeActiveSegment()
  await appendAt(6000, 'E')
}

describe('a search by time', () => {
  it('during a truncation finds what is left, and later what was appended after it', async () => {
    const hold = log.fs.faults.hold('unlink')
    const truncating = writer.truncate(2n)
    await hold.reached
    expect(await offsetAt(reader, 2500)).toBeNull()
    hold.release()
    await truncating
    await goOnLater()
    expect(await offsetAt(reader, 4000)).toBe(2n)
  })

  it('that a truncation overtakes leaves no wrong entry', async () => {
    const hold = log.fs.faults.hold('size', log.path(2))
    const searching = offsetAt(reader, 2500)
    await hold.reached
    const truncating = writer.truncate(2n)
    hold.release()
    await Promise.all([truncating, searching])
    await goOnLater()
    expect(await offsetAt(reader, 4000)).toBe(2n)
  })

  it('remembers nothing of what another process has truncated and replaced', async () => {
    expect(await offsetAt(reader, 2500)).toBe(4n)
    await writer.close()
    const names = await log.segmentNames()
    for (const name of names.slice(1)) await log.fs.unlink(`${log.directory}/${name}`)
    writer = await log.open()
    await goOnLater()
    expect(await offsetAt(reader, 4000)).toBe(2n)
  })

  it('remembers nothing of what a repair has dropped', async () => {
    await writer.close()
    expect(await offsetAt(reader, 2500)).toBe(4n)
    const content = await log.file(log.path(2))
    content[content.indexOf('c', 150)] = 0x7a
    await log.overwrite(log.path(2), content)
    const [problem] = (await verify(log.fs, log.config, 'orders', 0)).problems
    if (problem === undefined) throw new Error('the damage was not found')
    await repair(log.fs, log.config, 'orders', 0, { problem, repair: 'drop-from' })
    writer = await log.open()
    const { nextOffset } = writer
    await appendAt(5000, ...Array.from({ length: 4 - Number(nextOffset) }, () => 'new'))
    await writer.closeActiveSegment()
    await appendAt(6000, 'E')
    expect(await offsetAt(reader, 4000)).toBe(nextOffset)
  })

  describe('in a log of many segments', () => {
    beforeEach(async () => {
      log = new LogFixture()
      writer = await log.open()
      for (let time = 1; time <= 30; time++) {
        await appendAt(time, 'value')
        await writer.closeActiveSegment()
      }
      await writer.close()
      reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    })

    it('finds each time, whichever was looked for before', async () => {
      for (const time of [30, 1, 17, 2, 29, 16, 8]) expect(await offsetAt(reader, time)).toBe(BigInt(time - 1))
      expect(await offsetAt(reader, 31)).toBeNull()
    })

    it('has few of them open at a time, and none in the end', async () => {
      log.fs.faults.add({ on: 'read', when: 'always', fault: { turns: 3 } })
      let most = 0
      log.fs.operations.observe(() => {
        most = Math.max(most, log.fs.openHandles)
      })
      expect(await offsetAt(reader, 30)).toBe(29n)
      // The segments that are examined together, and the successor of the last one.
      expect([most, log.fs.openHandles]).toEqual([9, 0])
    })

    it('reads no segment again that it knows, and none after the answer', async () => {
      await offsetAt(reader, 20)
      log.fs.operations.resetCounts()
      expect(await offsetAt(reader, 12)).toBe(11n)
      // The segment with the result: once to search in it, and once to read.
      expect(log.fs.operations.count('open')).toBe(2)
    })

    it('ignores damage after the answer, and stops at damage before it', async () => {
      await log.overwrite(log.path(20), Buffer.alloc(10))
      expect(await offsetAt(reader, 19)).toBe(18n)
      await expect(offsetAt(reader, 25)).rejects.toThrow(CorruptLogError)
    })
  })

  it('finds nothing in a log without records', async () => {
    await writer.truncate(0n)
    expect(await offsetAt(reader, 0)).toBeNull()
    await writer.close()
    for (const name of await log.segmentNames()) await log.fs.unlink(`${log.directory}/${name}`)
    expect(await offsetAt(reader, 0)).toBeNull()
  })

  it('skips segments that are deleted meanwhile', async () => {
    const hold = log.fs.faults.hold('open', log.path(2))
    const searching = offsetAt(reader, 3000)
    await hold.reached
    await writer.deleteSegments({ belowOffset: 4n })
    hold.release()
    expect(await searching).toBe(4n)
  })

  it('whose result is deleted before it is read finds the first record left', async () => {
    const opening = log.fs.faults.hold('open', log.path(0))
    const searching = offsetAt(reader, 500)
    await opening.reached
    const listing = log.fs.faults.hold('readdir')
    opening.release()
    await listing.reached
    await writer.deleteSegments({ belowOffset: 4n })
    listing.release()
    expect(await searching).toBe(4n)
  })
})
