/** Logs that end with a sealed segment without records: this version writes none, but they are valid. */
import { beforeEach, describe, expect, it } from 'vitest'
import { verify } from '../../index.ts'
import type { WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { locatePartition } from '../segments/partition.ts'
import { readHead } from '../segments/segment-file.ts'

const FIRST = new SegmentBytes({ baseOffset: 5 }).records('a', 'b').seal()

describe.each([
  { name: 'after another segment', before: [FIRST], end: 7, values: ['a', 'b'] },
  { name: 'alone', before: [], end: 5, values: [] },
])('a last segment that is sealed without records, $name,', ({ before, end, values }) => {
  const previous = before[0]?.link ?? { baseOffset: 1, end: 500, lastPosition: 400, lastCrc: 7 }
  let log: LogFixture
  let writer: WalWriter

  beforeEach(async () => {
    log = new LogFixture()
    await log.makeSegments(...before, new SegmentBytes({ baseOffset: end, previous }).seal())
    writer = await log.open()
  })

  /** Closes the log, opens it again, and resolves with its values. */
  async function reopened(): Promise<string[]> {
    await writer.close()
    writer = await log.open()
    expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [] })
    return log.values()
  }

  it('is replaced, and the log is the same', async () => {
    const segments = before.length + 1
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: BigInt(end), segments })
    expect(writer.stats()).toMatchObject({ segments })
    expect(await reopened()).toEqual(values)
    expect(writer.nextOffset).toBe(BigInt(end))
    const segment = { path: log.path(end), baseOffset: end, successor: null }
    const head = await readHead(log.fs, segment, locatePartition('/data', 'orders', 0))
    expect(head.open.previous).toEqual(previous)
  })

  it('has a successor that is part of the log', async () => {
    expect(await append(writer, 'c')).toBe(BigInt(end))
    expect(await log.values()).toEqual([...values, 'c'])
    expect(await reopened()).toEqual([...values, 'c'])
  })

  it('is left if all other segments are deleted', async () => {
    const deleted = await writer.deleteSegments({ maxTotalBytes: 0 })
    expect(deleted.map(({ baseOffset }) => baseOffset)).toEqual(before.map(({ baseOffset }) => BigInt(baseOffset)))
    expect(await append(writer, 'c')).toBe(BigInt(end))
    expect(await reopened()).toEqual(['c'])
  })

  it('is in a checkpoint', async () => {
    await writer.checkpoint('/copy')
    const copy = new LogFixture({ dataDir: '/copy' }, log.fs)
    const writerOfCopy = await copy.open()
    expect(await append(writerOfCopy, 'c')).toBe(BigInt(end))
    await writerOfCopy.close()
    expect(await copy.values()).toEqual([...values, 'c'])
  })
})
