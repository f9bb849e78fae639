import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage, Operation } from '@sq/sim/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { copyLog, listPartitions, verify, WalWriter } from '../index.ts'
import { append, appendEach, LogFixture, numbered } from '../testing/log-fixture.ts'

const config = { dataDir: '/restored', maxSegmentBytes: 700 }

let log: LogFixture
let target: InMemoryFileSystem

beforeEach(() => {
  log = new LogFixture({ maxSegmentBytes: 700 })
  target = new InMemoryFileSystem()
})

function copied(fs: InMemoryFileSystem = target): LogFixture {
  return Object.assign(new LogFixture(config, fs), { directory: '/restored/orders/0' })
}

function copy(options?: { fromOffset: bigint }): ReturnType<typeof copyLog> {
  return copyLog(log, { fs: target, config }, 'orders', 0, options)
}

/** The values of a log in which nothing is damaged. */
async function soundValues(fixture: LogFixture = copied()): Promise<string[]> {
  expect((await verify(fixture.fs, fixture.config, 'orders', 0)).problems).toEqual([])
  return fixture.values()
}

describe('copyLog', () => {
  it('makes a log that can be read, verified and appended to as the first one can', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    await writer.close()
    const made = await copy()
    const names = await log.segmentNames()
    expect(made).toMatchObject({ logStartOffset: 0n, logEndOffset: 30n, segments: names.length })
    expect(await copied().segmentNames()).toEqual(names)
    expect(await listPartitions(target, config)).toEqual([{ topic: 'orders', partition: 0 }])
    expect(await target.readdir('/restored/orders')).toEqual(['0'])
    target.crash()
    expect(await soundValues()).toEqual(numbered(30))
    const second = await copied().open()
    expect([second.recovery.kind, second.nextOffset]).toEqual(['clean', 30n])
    await append(second, 'only there')
    await second.close()
    expect(await soundValues()).toEqual([...numbered(30), 'only there'])
    expect(await soundValues(log)).toEqual(numbered(30))
    expect([log.fs.openHandles, target.openHandles]).toEqual([0, 0])
  })

  it('copies what was acknowledged when it began from under a writer, and nothing of a rejected commit', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow()
    expect((await copy()).logEndOffset).toBe(30n)
    expect(await soundValues()).toEqual(numbered(30))
    target = new InMemoryFileSystem()
    await append(writer, 'last')
    const hold = target.faults.hold('create', (path) => path.endsWith('.wal'))
    const made = copy()
    await hold.reached
    await append(writer, 'later')
    hold.release()
    expect((await made).logEndOffset).toBe(31n)
    expect(await soundValues()).toEqual([...numbered(30), 'last'])
    await writer.close()
  })

  it('copies the segments from the one with an offset on', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    const [, second = 0, , last = 0] = (await log.segmentNames()).map((name) => Number.parseInt(name, 10))
    expect(second).toBeGreaterThan(1)
    const made = await copy({ fromOffset: BigInt(second) + 1n })
    expect(made).toMatchObject({ logStartOffset: BigInt(second), logEndOffset: 30n })
    expect(await soundValues()).toEqual(numbered(30).slice(second))
    target = new InMemoryFileSystem()
    expect(await copy({ fromOffset: 30n })).toMatchObject({ segments: 1, logEndOffset: 30n })
    await using reopened = await copied().open()
    expect(reopened.nextOffset).toBe(30n)
    expect(last).toBeGreaterThan(0)
    target = new InMemoryFileSystem()
    await writer.deleteSegments({ belowOffset: BigInt(second) })
    for (const fromOffset of [BigInt(second) - 1n, 31n]) {
      const range = { offset: fromOffset, firstOffset: BigInt(second), nextOffset: 30n }
      await expect(copy({ fromOffset })).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', ...range })
    }
    expect(await target.readdir('/restored/orders')).toEqual([])
    await writer.close()
  })

  it('keeps records deleted that are deleted inside a segment', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    await writer.deleteRecords(7n)
    expect(await copy()).toMatchObject({ logStartOffset: 7n, logEndOffset: 30n })
    expect(await soundValues()).toEqual(numbered(30).slice(7))
    await writer.close()
  })

  it('copies a log without records, with the offset that it continues at', async () => {
    const writer = await WalWriter.open(log.fs, log.config, 'orders', 0, { firstOffset: 12n })
    expect(await copy()).toMatchObject({ logStartOffset: 12n, logEndOffset: 12n })
    await using second = await copied().open()
    expect(second.nextOffset).toBe(12n)
    await writer.close()
  })

  it('refuses a partition that is there, and changes nothing', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await copy()
    await expect(copy()).rejects.toMatchObject({
      code: 'SQ_WAL_IO',
      message: expect.stringContaining(
        'cannot copy a log to /restored/orders/0: EEXIST: it exists already; choose another data directory',
      ),
    })
    await expect(copyLog(log, log, 'orders', 0)).rejects.toMatchObject({ cause: { code: 'EEXIST' } })
    expect(await soundValues()).toEqual(['a'])
    await writer.close()
  })

  it('refuses a log that does not verify, with its path and position, and leaves nothing', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    await writer.close()
    const content = await log.file(log.path(0))
    content.writeUInt8(content.readUInt8(300) ^ 1, 300)
    await log.overwrite(log.path(0), content)
    await expect(copy()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', path: log.path(0), firstOffset: 2n })
    expect(await target.readdir('/restored/orders')).toEqual([])
    await expect(copyLog(log, { fs: target, config }, 'orders', 1)).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
    const misspelt: object = { fromOffest: 1n }
    await expect(copyLog(log, { fs: target, config }, 'orders', 0, misspelt)).rejects.toThrow('fromOffest')
  })

  it('rejects if its name cannot be made durable', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const hold = target.faults.hold('rename', '/restored/orders/0.tmp')
    const made = expect(copy()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EIO' } })
    await hold.reached
    target.faults.failAlways('syncDirectory', 'EIO', '/restored/orders')
    hold.release()
    await made
    await writer.close()
  })

  it('leaves nothing when the disk is full, and succeeds when there is room', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    await writer.close()
    target.faults.add({ on: 'write', when: { nth: 3 }, fault: { error: 'ENOSPC' } })
    await expect(copy()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'ENOSPC' } })
    expect(await target.readdir('/restored/orders')).toEqual([])
    await copy()
    expect(await soundValues()).toEqual(numbered(30))
  })
})

/** Whether the copy is there; if it is, it is whole. The next copy succeeds. */
async function checkCopy(fs: InMemoryFileSystem, values: readonly string[]): Promise<boolean> {
  const listed = await listPartitions(fs, config).catch(() => [])
  if (listed.length > 0) {
    await (await copied(fs).open()).close()
    expect(await soundValues(copied(fs))).toEqual(values)
    return true
  }
  await copyLog(log, { fs, config }, 'orders', 0)
  expect(await soundValues(copied(fs))).toEqual(values)
  expect(await fs.readdir('/restored/orders')).toEqual(['0'])
  return false
}

describe('copyLog that is interrupted', () => {
  beforeEach(async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(20))
    await writer.close()
  })

  it('by a power cut leaves a whole log or none', async () => {
    const random = new Random(7)
    const images = new Map<string, CrashImage>()
    target.operations.observe(({ phase }) => {
      if (phase === 'start') return
      const state = target.crashState()
      for (const choice of [{ picks: [] }, ...Array.from({ length: 4 }, () => state.randomChoice(random))]) {
        const image = state.image(choice)
        images.set(image.digest(), image)
      }
    })
    await copy()
    const found = new Set<boolean>()
    for (const image of images.values()) found.add(await checkCopy(new InMemoryFileSystem({ image }), numbered(20)))
    expect(found).toEqual(new Set([false, true]))
  })

  it('by a failure of any operation leaves a whole log or none', async () => {
    const operations: Operation[] = ['open', 'create', 'read', 'write', 'sync', 'mkdir', 'readdir', 'stat', 'unlink']
    operations.push('rmdir', 'rename', 'syncDirectory', 'lock')
    for (let nth = 1, hits = 1; hits > 0; nth++) {
      target = new InMemoryFileSystem()
      const rule = target.faults.add({ on: operations, when: { nth }, fault: { error: 'EIO' } })
      const failed = await copy().then(
        () => false,
        () => true,
      )
      hits = rule.hits
      target.faults.clear()
      expect((await checkCopy(target, numbered(20))) || failed).toBe(true)
      expect(target.openHandles).toBe(0)
      target.crash()
      expect(await soundValues()).toEqual(numbered(20))
    }
  })
})
