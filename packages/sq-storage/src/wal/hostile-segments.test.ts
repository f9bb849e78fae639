/**
 * Segments with valid checksums that could make readers use far more memory or time than their size, or that are too
 * long.
 */
import { beforeEach, describe, expect, it } from 'vitest'
import { dumpSegment, listSegments, verify, WalReader, WalWriter } from '../index.ts'
import type { LogReport, SegmentPart } from '../index.ts'
import { joined } from '../testing/hand-bytes.ts'
import { LogFixture } from '../testing/log-fixture.ts'
import { MeasuredFiles } from '../testing/measured-files.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'
import { checksum, encodeFrameHeader, FrameType } from './format/frame.ts'
import { encodeSealBody } from './format/seal.ts'

/** The most bytes that a walk and two searches may read at once. */
const WINDOW = 512 * 1024
/** A body of this length makes a frame of exactly 2^32 bytes. */
const BODY_OF_2_32 = 2 ** 32 - 40

let log: LogFixture
let measured: MeasuredFiles

beforeEach(() => {
  log = new LogFixture()
  measured = new MeasuredFiles(log.fs)
})

const USES: Readonly<Record<string, () => Promise<unknown>>> = {
  async open() {
    await (await WalWriter.open(measured.fs, log.config, 'orders', 0)).close()
  },
  async read() {
    const reader = await WalReader.open(measured.fs, log.config, 'orders', 0)
    let records = 0
    for await (const batch of reader.readBatches()) records += batch.recordCount
    return records
  },
  async 'read by time'() {
    const reader = await WalReader.open(measured.fs, log.config, 'orders', 0)
    for await (const _ of reader.readBatches({ fromTimestampMs: 1 }));
  },
  list: () => listSegments(measured.fs, log.config, 'orders', 0),
  verify: check,
  dump: async () => (await dump()).length,
}

function check(): Promise<LogReport> {
  return verify(measured.fs, log.config, 'orders', 0)
}

async function dump(): Promise<SegmentPart[]> {
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(measured.fs, log.path(0))) parts.push(part)
  return parts
}

/** Frames that each break the chain, with a frame at the end that confirms them all. */
function broken(frames: number): SegmentBytes {
  const segment = new SegmentBytes()
  for (let at = 0; at < frames; at++)
    segment.frame({ type: FrameType.MARK, previousCrc: at * 7, baseOffset: at * 2 }, Buffer.alloc(0))
  return segment.mark()
}

/** Commits of one empty record, none of which says that anything is durable. */
function unconfirmed(commits: number): SegmentBytes {
  const segment = new SegmentBytes()
  const body = new SegmentBytes().records('').bytes.subarray(-24)
  for (let at = 0; at < commits; at++)
    segment.frame({ type: FrameType.RECORDS, recordCount: 1, durablePosition: 0 }, body)
  return segment
}

const BROKEN = broken(10_000)
const UNCONFIRMED = unconfirmed(10_000)

describe('many frames', () => {
  it.each(['open', 'read', 'read by time', 'list', 'verify', 'dump'])(
    'that each break the chain, or confirm nothing, are read only a few times, however many they are: %s',
    async (use) => {
      for (const segment of [BROKEN, UNCONFIRMED]) {
        log = new LogFixture()
        measured = new MeasuredFiles(log.fs)
        await log.makeSegments(segment)
        await USES[use]?.().catch((error: unknown) => expect(error).toMatchObject({ code: 'SQ_WAL_CORRUPT' }))
        expect(measured.bytesRead).toBeLessThan(12 * segment.bytes.length + 12 * WINDOW)
        // A dump reads each bad part to show it.
        expect(measured.reads).toBeLessThan(use === 'dump' ? segment.frames.length : 100)
      }
    },
  )

  it('that each break the chain make a report of a thousand problems, the last of which goes to the end', async () => {
    const segment = BROKEN
    await log.makeSegments(segment)
    const { problems, records } = await check()
    expect(problems).toHaveLength(1000)
    expect(problems.at(0)).toMatchObject({ kind: 'frame', from: segment.headBytes, to: segment.headBytes + 40 })
    expect(problems.at(-1)?.to).toBeGreaterThan(segment.bytes.length - 100)
    expect(problems.at(-1)?.reason).toMatch(/; more damage follows, up to \d+$/)
    expect(records).toBe(0)
  })

  it('of MARKs whose bodies are not zero make at most a thousand notes', async () => {
    const segment = new SegmentBytes()
    for (let mark = 0; mark < 3000; mark++) segment.frame({ type: FrameType.MARK, bodyCrc: 1 }, Buffer.alloc(8))
    await log.makeSegments(segment)
    const { problems, notes } = await check()
    expect(problems).toEqual([])
    expect(notes).toHaveLength(1000)
    expect(notes.at(-1)).toMatchObject({ kind: 'mark', to: segment.bytes.length })
  })

  it('that nothing confirms are written again in few pieces, with the same bytes', async () => {
    const segment = UNCONFIRMED
    await log.makeSegments(segment)
    await USES['open']?.()
    expect(measured.mostBuffers).toBeLessThan(10)
    expect((await log.file(log.path(0))).subarray(0, segment.bytes.length).equals(segment.bytes)).toBe(true)
    expect((await log.records()).length).toBe(10_000)
  })
})

describe('a frame that no writer of this version makes', () => {
  const good = new SegmentBytes().records('a')
  const LONG: [string, { type: number; recordCount?: number; bodyLength: number }][] = [
    ['of 2 GiB', { type: FrameType.RECORDS, recordCount: 1, bodyLength: 2 ** 31 }],
    ['of exactly 2^32 bytes', { type: FrameType.RECORDS, recordCount: 1, bodyLength: BODY_OF_2_32 }],
    ['that is a MARK of exactly 2^32 bytes', { type: FrameType.MARK, bodyLength: BODY_OF_2_32 }],
    ['that is a MARK of 4 GiB less 8', { type: FrameType.MARK, bodyLength: 2 ** 32 - 8 }],
    ['that is a SEAL with more of an index than there can be', { type: FrameType.SEAL, bodyLength: 2 ** 20 + 24 }],
  ]

  it.each(LONG)('%s is refused, and nothing is changed', async (_, { type, ...fields }) => {
    const segment = new SegmentBytes()
      .records('a')
      .frame({ type, bodyCrc: 0, ...fields }, Buffer.alloc(0))
      .mark()
    const position = segment.at(1).position
    await log.makeSegments(segment)
    measured.lengthen(log.path(0), 2 ** 32 - 1)
    const before = await log.files()
    for (const use of ['open', 'read', 'list'] as const) {
      await expect(USES[use]?.()).rejects.toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path: log.path(0), position })
    }
    expect(await log.files()).toEqual(before)
    expect((await check()).problems).toMatchObject([{ kind: 'unsupported', from: position }])
    expect(measured.bytesRead).toBeLessThan(12 * WINDOW)
  })

  it('of a length that could be, and with the wrong checksum, is read in pieces and not held', async () => {
    const bodyLength = 65 * 1024 * 1024
    const segment = new SegmentBytes().frame({ type: FrameType.RECORDS, recordCount: 1, bodyLength }, Buffer.alloc(0))
    await log.makeSegments({ baseOffset: 0, bytes: segment.bytes })
    measured.lengthen(log.path(0), segment.bytes.length + bodyLength)
    await USES['read']?.()
    expect(measured.largestRead).toBeLessThanOrEqual(WINDOW + 40)
  })

  it('of a length that could be, and with the right checksum, is read', async () => {
    await log.makeSegments(new SegmentBytes().records('x'.repeat(65 * 1024 * 1024)).records('b'))
    expect(await USES['read']?.()).toBe(2)
  })

  it.each([2 ** 32, 5 * 2 ** 30, 8 * 2 ** 40])('is refused in a last segment of %d bytes', async (size) => {
    await log.makeSegments(good)
    measured.lengthen(log.path(0), size)
    for (const use of ['open', 'read', 'list'] as const) {
      await expect(USES[use]?.()).rejects.toMatchObject({
        code: 'SQ_WAL_UNSUPPORTED',
        path: log.path(0),
        position: 2 ** 32 - 1,
      })
    }
    expect((await check()).problems).toMatchObject([{ kind: 'unsupported', path: log.path(0), lastOffset: null }])
    expect(measured.bytesRead).toBeLessThan(12 * WINDOW)
  })

  it('does not matter behind the end that a successor states', async () => {
    const sealed = new SegmentBytes().records('a').seal()
    await log.makeSegments(sealed, new SegmentBytes({ baseOffset: 1, previous: sealed.link }).records('b'))
    measured.lengthen(log.path(0), 8 * 2 ** 40)
    expect(await USES['read']?.()).toBe(2)
    expect(await USES['list']?.()).toHaveLength(2)
    expect(await check()).toMatchObject({ problems: [], notes: [{ kind: 'ignored-tail', to: 8 * 2 ** 40 }] })
    expect(measured.bytesRead).toBeLessThan(12 * WINDOW)
  })

  it('with offsets past the largest offset confirms damage, up to an unknown offset', async () => {
    for (const baseOffset of [2 ** 53 - 1, 2 ** 53, 2 ** 64 - 2048]) {
      const segment = new SegmentBytes()
        .records('a', 'b')
        .frame({ type: FrameType.MARK, previousCrc: 1 }, Buffer.alloc(0))
      segment.frame({ type: FrameType.MARK, baseOffset }, Buffer.alloc(0)).mark()
      log = new LogFixture()
      measured = new MeasuredFiles(log.fs)
      await log.makeSegments(segment)
      for (const use of ['open', 'read'] as const) {
        const lastOffset = baseOffset < 2 ** 53 ? 2n ** 53n - 2n : null
        await expect(USES[use]?.()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', path: log.path(0), lastOffset })
      }
      expect((await check()).problems.length).toBeGreaterThan(0)
      expect((await dump()).some(({ kind }) => kind === 'bad')).toBe(true)
    }
  })
})

describe('the index of a SEAL', () => {
  it.each([1, 1000, 65_535])(
    'that has %d entries and room for none is no index: the records are read',
    async (entries) => {
      const segment = new SegmentBytes().records('a', 'b')
      const { position } = segment.place
      const entry = { offsetDelta: 0, position: 0, maxTimestampMs: 0 }
      const summary = { minTimestampMs: 0, maxTimestampMs: 0, index: Array.from({ length: entries }, () => entry) }
      segment.frame({ type: FrameType.SEAL }, encodeSealBody(summary, position))
      await log.makeSegments(segment, new SegmentBytes({ baseOffset: 2, previous: segment.link }))
      expect(await USES['list']?.()).toMatchObject([
        { records: 2, state: 'sealed', maxTimestampMs: 1_700_000_000_000 },
        {},
      ])
      expect((await check()).problems).toMatchObject([{ kind: 'summary' }])
      expect((await dump()).at(-1)).toMatchObject({ kind: 'seal', summary: null })
    },
  )
})

describe('an OPEN', () => {
  it.each([
    ['declares 4 GiB in 512 bytes', { bodyLength: 2 ** 32 - 1 }, 'SQ_WAL_UNSUPPORTED'],
    ['declares more than is read of a head', { bodyLength: 1000 }, 'SQ_WAL_CORRUPT'],
    ['holds records', { recordCount: 1 }, 'SQ_WAL_CORRUPT'],
    ['has another type', { type: FrameType.MARK }, 'SQ_WAL_CORRUPT'],
    ['follows something', { previousCrc: 5 }, 'SQ_WAL_CORRUPT'],
  ])('that %s is reported by a dump as by a reader', async (_, fields, code) => {
    const bytes = joined(new SegmentBytes().bytes)
    const seed = checksum(bytes.subarray(0, 32))
    const body = bytes.subarray(72, 72 + bytes.readUInt32LE(36))
    const open = {
      type: FrameType.OPEN,
      attributes: 0,
      bodyLength: body.length,
      baseOffset: 0,
      recordCount: 0,
      position: 32,
    }
    const rest = { durablePosition: 0, previousCrc: seed, bodyCrc: checksum(body) }
    encodeFrameHeader({ ...open, ...rest, ...fields }, bytes, { at: 32, salt: seed })
    await log.makeSegments({ baseOffset: 0, bytes: joined(bytes, Buffer.alloc(2000)) })
    await expect(USES['read']?.()).rejects.toMatchObject({ code })
    expect((await dump()).map(({ kind }) => kind)).toEqual(['segment-header', 'bad'])
  })

  it('may state an impossible segment before it', async () => {
    const previous = { baseOffset: 2 ** 64 - 4096, end: 2 ** 32 - 1, lastPosition: 2 ** 32 - 1, lastCrc: 1 }
    const before = new SegmentBytes().records('a')
    await log.makeSegments(before, new SegmentBytes({ baseOffset: 1, previous }).records('b'))
    await expect(USES['read']?.()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT' })
    expect((await check()).problems).toMatchObject([{ kind: 'missing' }])
  })
})

describe('records', () => {
  it('by the hundred thousand, or with that many headers, are checked and shown one at a time', async () => {
    const segment = new SegmentBytes()
    const empty = new SegmentBytes().records('').bytes.subarray(-24)
    segment.frame(
      { type: FrameType.RECORDS, recordCount: 300_000 },
      Buffer.concat(Array.from({ length: 300_000 }, () => empty)),
    )
    const headers = 300_000
    const record = Buffer.alloc(24 + 8 * headers)
    empty.copy(record)
    record.writeUInt32LE(record.length, 0)
    record.writeUInt32LE(headers, 20)
    segment.frame({ type: FrameType.RECORDS, recordCount: 1 }, record)
    await log.makeSegments(segment)
    expect(await check()).toMatchObject({ problems: [], records: 300_001 })
    const [, , many] = await dump()
    const records = many?.kind === 'records' && many.records !== null ? many.records : []
    expect(records).not.toBeInstanceOf(Array)
    const [first] = records
    expect(first?.offset).toBe(0n)
  })
})
