import { Random } from '@sq/sim'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, listSegments, OffsetOutOfRangeError, WalReader } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendBatch, appendEach, bytes, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'

const OFFSETS = MIXED_VALUES.map((_, offset) => offset)

let log: LogFixture

beforeEach(async () => {
  log = await mixedLog()
})

function twin(fixture: LogFixture): LogFixture {
  return new LogFixture({}, fixture.fs.clone())
}

describe('truncate', () => {
  it.each([...OFFSETS, MIXED_VALUES.length])('at %d keeps all before it, and continues there', async (offset) => {
    const writer = await log.open()
    await writer.truncate(BigInt(offset))
    expect(writer.nextOffset).toBe(BigInt(offset))
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
    expect(await append(writer, 'next')).toBe(BigInt(offset))
    await writer.close()
    log.fs.crash()
    const { recovery } = await log.open()
    expect(recovery).toMatchObject({ kind: 'clean', nextOffset: BigInt(offset + 1) })
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, offset), 'next'])
  })

  it.each(OFFSETS)('at %d after a failed commit does not bring that commit back', async (offset) => {
    const writer = await log.open()
    log.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    await writer.truncate(BigInt(offset))
    log.fs.crash()
    const reopened = await log.open()
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
    expect(await append(reopened, 'next')).toBe(BigInt(offset))
  })

  it('at every offset after every other leaves nothing of what was there', async () => {
    for (const first of OFFSETS) {
      const once = twin(log)
      const writer = await once.open()
      await writer.truncate(BigInt(first))
      await append(writer, 'between')
      await writer.close()
      for (let second = 0; second <= first + 1; second++) {
        const twice = twin(once)
        const again = await twice.open()
        await again.truncate(BigInt(second))
        expect(await append(again, 'next')).toBe(BigInt(second))
        twice.fs.crash()
        await twice.open()
        const values = [...MIXED_VALUES.slice(0, first), 'between'].slice(0, second)
        expect(await twice.values()).toEqual([...values, 'next'])
      }
    }
  })

  it('at the next offset does nothing', async () => {
    const writer = await log.open()
    const { operations } = log.fs
    operations.resetCounts()
    await writer.truncate(BigInt(MIXED_VALUES.length))
    expect(operations.count()).toBe(0)
  })

  it('at the base offset of a segment replaces the segment, and keeps what it states about the one before', async () => {
    const writer = await log.open()
    await writer.truncate(6n)
    expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([
      { baseOffset: 0n, nextOffset: 2n, state: 'sealed' },
      { baseOffset: 2n, nextOffset: 6n, state: 'abandoned' },
      { baseOffset: 6n, nextOffset: 6n, state: 'active' },
    ])
    await writer.truncate(2n)
    expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([
      { baseOffset: 0n, nextOffset: 2n, state: 'sealed' },
      { baseOffset: 2n, nextOffset: 2n, state: 'active' },
    ])
    await writer.truncate(0n)
    expect(await log.segmentNames()).toEqual(['00000000000000000000.wal'])
  })

  it('inside a batch writes its first records again, before they have their name', async () => {
    const records = await log.records()
    const writer = await log.open()
    const trace = log.fs.operations.trace()
    await writer.truncate(4n)
    const path = log.path(2)
    const changes = trace.lines.filter((line) => /^(write|sync|truncate|rename|unlink|syncD)/.test(line))
    const unfinished = `${log.directory}/next.tmp`
    const cut = 120 + 40 + 3 * 25 + 5 + 72
    const sync = `syncDirectory '${log.directory}'`
    expect(changes.filter((line) => !line.includes('ENOENT'))).toEqual([
      `unlink '${log.path(8)}'`,
      sync,
      `truncate '${path}' ${cut}`,
      // A MARK up to the next multiple of 4096, and a SEAL without an index.
      `write '${path}' ${cut}+${4096 - cut + 40 + 24}`,
      `sync '${path}'`,
      `unlink '${log.path(6)}'`,
      sync,
      `write '${unfinished}' 0+120`,
      `sync '${unfinished}'`,
      `write '${unfinished}' 120+${40 + 2 * 25 + 6}`,
      `sync '${unfinished}'`,
      `rename '${unfinished}' -> '${path}'`,
      sync,
    ])
    expect(await log.records()).toEqual(records.slice(0, 4))
  })

  it('keeps keys, headers and times of the records of a batch, and states its smallest and largest time', async () => {
    log = new LogFixture()
    const writer = await log.open()
    const headers = [{ key: 'ä', value: Buffer.from([0]) }]
    const rest = { key: Buffer.from('k'), value: Buffer.alloc(0), headers }
    await writer.appendBatch([7, 3, 9].map((timestampMs) => ({ ...rest, timestampMs })))
    const records = await log.records()
    await writer.truncate(2n)
    expect(await log.records()).toEqual(records.slice(0, 2))
    expect(await writer.closeActiveSegment()).toMatchObject({
      baseOffset: 0n,
      lastOffset: 1n,
      records: 2,
      minTimestampMs: 3,
      maxTimestampMs: 7,
    })
  })

  it('waits for earlier appends, and later appends wait for it', async () => {
    const writer = await log.open()
    const before = append(writer, 'before')
    const truncating = writer.truncate(9n)
    const after = append(writer, 'after')
    await truncating
    expect(await Promise.all([before, after])).toEqual([11n, 9n])
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, 9), 'after'])
  })

  it('reports no segment as closed, neither the one that is cut nor those that are dropped', async () => {
    const writer = await log.open()
    await writer.truncate(9n)
    await writer.truncate(3n)
    await writer.close()
    expect(log.closed).toEqual([])
  })

  it('leaves no file open', async () => {
    const writer = await log.open()
    for (const offset of [10n, 7n, 6n, 4n]) await writer.truncate(offset)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('works after retention, but not before the log start offset', async () => {
    const writer = await log.open()
    await writer.deleteSegments({ belowOffset: 6n })
    await expect(writer.truncate(5n)).rejects.toMatchObject({
      code: 'SQ_WAL_OFFSET_OUT_OF_RANGE',
      offset: 5n,
      firstOffset: 6n,
      nextOffset: 11n,
    })
    await writer.truncate(6n)
    expect(await append(writer, 'next')).toBe(6n)
    await writer.close()
    expect((await log.open()).nextOffset).toBe(7n)
  })

  it('at the first offset left keeps what the log states about the deleted segment before it', async () => {
    const writer = await log.open()
    const reader = await WalReader.open(inAnotherProcess(log.fs, new Random(1)), log.config, 'orders', 0)
    const iteration = reader.read()
    for (let offset = 0; offset < 6; offset++) await iteration.next()
    await writer.deleteSegments({ belowOffset: 6n })
    await writer.truncate(6n)
    await append(writer, 'next')
    expect(await iteration.next()).toMatchObject({ value: { offset: 6n, value: bytes('next') } })
  })

  it('refuses an offset that the log does not have, and changes nothing', async () => {
    const writer = await log.open()
    const files = await log.files()
    await expect(writer.truncate(12n)).rejects.toThrow(OffsetOutOfRangeError)
    await expect(writer.truncate(-1n)).rejects.toThrow(/offset must be an offset from 0 to 2\^53 - 1: -1/)
    await expect(writer.truncate(1 as unknown as bigint)).rejects.toThrow(TypeError)
    expect(await log.files()).toEqual(files)
    await writer.close()
    await expect(writer.truncate(1n)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    const empty = new LogFixture()
    const first = await empty.open()
    await first.truncate(0n)
    await expect(first.truncate(1n)).rejects.toMatchObject({ firstOffset: 0n, nextOffset: 0n })
  })

  it('refuses if something before the offset is damaged, and changes nothing', async () => {
    const writer = await log.open()
    const content = await log.file(log.path(2))
    content.writeUInt8(content.readUInt8(165) ^ 1, 165)
    await log.overwrite(log.path(2), content)
    const files = await log.files()
    const error: unknown = await writer.truncate(4n).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(CorruptLogError)
    const damage = { path: log.path(2), from: 120, to: content.length, firstOffset: 2n, lastOffset: 3n }
    expect(error).toMatchObject({ ...damage, reason: expect.stringContaining('checksum') })
    expect(await log.files()).toEqual(files)
    expect(await append(writer, 'next')).toBe(11n)
  })

  it('changes nothing once the lock is lost', async () => {
    const writer = await log.open()
    await log.fs.unlink(`${log.directory}/lock`)
    const files = await log.files()
    for (const offset of [9n, 7n, 4n]) {
      await expect(writer.truncate(offset)).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    }
    expect(await log.files()).toEqual(files)
  })
})

describe('a reader in this process', () => {
  it.each([4, 6, 7])('reads nothing from %d on, once the first segment is deleted', async (offset) => {
    const writer = await log.open()
    const hold = log.fs.faults.hold('unlink', log.path(8))
    const truncating = writer.truncate(BigInt(offset))
    await hold.reached
    expect(writer.nextOffset).toBe(BigInt(offset))
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
    expect(await log.outcome({ from: BigInt(offset) })).toEqual({ values: [], error: null })
    const { error } = await log.outcome({ from: BigInt(offset + 1) })
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', nextOffset: BigInt(offset) })
    hold.release()
    await truncating
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
  })

  it('gets only records or errors of the log, at every point', async () => {
    for (const offset of [9, 7, 6, 4, 2]) {
      for (let read = 1; read < MIXED_VALUES.length; read++) {
        const copy = twin(log)
        const writer = await copy.open()
        const iteration = (await WalReader.open(copy.fs, copy.config, 'orders', 0)).read()
        const values: string[] = []
        let error: unknown = null
        for (let at = 0; ; at++) {
          if (at === read) await writer.truncate(BigInt(offset))
          const next = await iteration.next().catch((caught: unknown) => {
            error = caught
            return null
          })
          if (next === null || next.done === true) break
          values.push(String(next.value.value))
        }
        expect(values).toEqual(MIXED_VALUES.slice(0, values.length))
        if (error !== null) expect(error).toHaveProperty('code', expect.stringMatching(/^SQ_WAL_/))
      }
    }
  })
})

test('after appends, truncations, rotations, failures and crashes in any order the log holds the expected records', async () => {
  const random = new Random(8)
  for (let life = 0; life < 60; life++) {
    const fixture = new LogFixture({ maxSegmentBytes: 400 })
    let writer = await fixture.open()
    let expected: string[] = []
    for (let step = 0; step < 25; step++) {
      const kind = random.int(7)
      if (kind === 0 && expected.length > 0) {
        const offset = random.int(expected.length + 1)
        await writer.truncate(BigInt(offset))
        expected = expected.slice(0, offset)
      } else if (kind === 1) {
        await writer.closeActiveSegment()
      } else if (kind === 2) {
        fixture.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
        await expect(append(writer, `rejected ${life} ${step}`)).rejects.toThrow('EIO')
        if (random.chance(0.5)) await writer.closeActiveSegment()
      } else if (kind === 3) {
        await writer.close()
        fixture.fs.crash({ random })
        writer = await fixture.open()
      } else {
        const values = Array.from({ length: 1 + random.int(4) }, (_, index) => `${life} ${step} ${index}`)
        await appendBatch(writer, values)
        expected.push(...values)
      }
      expect(await fixture.values()).toEqual(expected)
      expect(writer.nextOffset).toBe(BigInt(expected.length))
    }
    await writer.close()
    await appendEach(await fixture.open(), ['last'])
    expect(await fixture.values()).toEqual([...expected, 'last'])
  }
})
