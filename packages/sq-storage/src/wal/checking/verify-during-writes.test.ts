import { setImmediate } from 'node:timers/promises'
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { listSegments, verify } from '../../index.ts'
import type { LogReport, WalWriter } from '../../index.ts'
import { actingAfterReadAt, inAnotherProcess, inTurns } from '../../testing/another-process.ts'
import { appendAll, appendEach, LogFixture } from '../../testing/log-fixture.ts'

function check(log: LogFixture, fs: FileSystem = log.fs): Promise<LogReport> {
  return verify(fs, log.config, 'orders', 0)
}

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed)

/** The actions of a writer during a verification. */
async function step(log: LogFixture, writer: WalWriter, random: Random): Promise<void> {
  const values = Array.from({ length: 1 + random.int(4) }, () => 'v'.repeat(random.int(700)))
  const actions = [
    () => appendEach(writer, values),
    () => appendAll(writer, values),
    () => writer.closeActiveSegment(),
    () => writer.truncate(writer.nextOffset - BigInt(random.int(4))),
    () => log.fs.faults.failNext(random.pick(['sync', 'write']), 'EIO', /wal$/),
    () => writer.deleteSegments({ maxTotalBytes: 4000 }),
  ]
  await Promise.resolve(random.pick(actions)()).catch(() => {})
}

/** Writes a few bytes at a time and reads slowly, so that readers see every intermediate state. */
function slowDown(log: LogFixture, random: Random): void {
  log.fs.faults.add({ on: 'write', when: { chance: 0.5, random }, fault: { shortBytes: 1 + random.int(200) } })
  for (const on of ['write', 'read', 'open', 'readdir', 'sync', 'size'] as const) {
    log.fs.faults.add({ on, when: { chance: 0.5, random }, fault: { turns: random.int(30) } })
  }
}

describe('while a writer appends, rotates, abandons, deletes and truncates, verify', { timeout: 60_000 }, () => {
  it.each([
    ['in its thread', inTurns],
    ['in another process', inAnotherProcess],
  ])('%s finds no problem', async (_, fileSystemFor) => {
    let looks = 0
    let segments = 0
    for (const seed of SEEDS) {
      const random = new Random(seed)
      const log = new LogFixture({ maxSegmentBytes: 2000 })
      const writer = await log.open()
      slowDown(log, random)
      const state = { isWriting: true }
      const writing = (async () => {
        for (let left = 30; left > 0; left--) await step(log, writer, random)
        state.isWriting = false
      })()
      while (state.isWriting) {
        const report = await check(log, fileSystemFor(log.fs, random))
        expect({ seed, problems: report.problems }).toEqual({ seed, problems: [] })
        expect(report.records).toBe(Number(report.nextOffset - report.firstOffset))
        looks++
        await setImmediate()
        segments += report.segments
      }
      await writing
      // The truncation that failed half-way is completed first.
      log.fs.faults.clear()
      await appendEach(writer, ['end'])
      const durable = writer.nextOffset
      expect((await check(log)).nextOffset).toBe(durable)
      await writer.close().catch(() => {})
    }
    expect(looks).toBeGreaterThan(100)
    expect(segments).toBeGreaterThan(200)
  })
})

it('in another process, verify rereads what was written after its first read, and continues', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(
    writer,
    Array.from({ length: 40 }, () => 'v'.repeat(300)),
  )
  const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
  const fs = actingAfterReadAt(segment?.bytes ?? 0, log.fs, () => appendEach(writer, ['w', 'x', 'y']))
  const before = log.fs.operations.count('open')
  const report = await check(log, fs)
  expect(report).toMatchObject({ problems: [], notes: [], records: 43 })
  expect(log.fs.operations.count('open') - before).toBe(1)
})

describe('with a writer in its thread, verify reports', () => {
  it('acknowledged records that are gone, even if nothing in the file confirms them', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const content = await log.file(log.path(0))
    await log.overwrite(log.path(0), content.subarray(0, -100))
    const where = { path: log.path(0), from: content.length - 144, firstOffset: 1n, lastOffset: 2n }
    expect((await check(log)).problems).toMatchObject([{ kind: 'frame', ...where }])
    await log.overwrite(log.path(0), content.subarray(0, -144))
    expect((await check(log)).problems).toMatchObject([{ kind: 'short', ...where }])
  })

  it('segments that are gone', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await log.fs.unlink(log.path(0))
    const expected = { kind: 'missing', path: log.directory, firstOffset: 0n, lastOffset: 1n, repairs: [] }
    expect((await check(log)).problems).toMatchObject([expected])
  })

  it('nothing of a commit that is being written, or was rejected', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, ['a'])
    log.fs.faults.failNext('sync', 'EIO')
    await expect(appendEach(writer, ['rejected'])).rejects.toThrow('EIO')
    expect(await check(log)).toMatchObject({ nextOffset: 1n, records: 1, problems: [], notes: [] })
    const inOther = await check(log, inAnotherProcess(log.fs, new Random(1)))
    expect(inOther).toMatchObject({ nextOffset: 2n, problems: [], notes: [] })
    await appendEach(writer, ['b'])
    const path = log.path(0)
    expect(await check(log)).toMatchObject({
      nextOffset: 2n,
      records: 2,
      problems: [],
      notes: [{ kind: 'ignored-tail', path }],
    })
  })
})
