import { describe, expect, it } from 'vitest'
import { dumpSegment, listSegments } from '../index.ts'
import type { LogRecord, SegmentPart } from '../index.ts'
import { actingAfterReadAt } from '../testing/another-process.ts'
import { flipped } from '../testing/hand-bytes.ts'
import { appendEach, LogFixture } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

const PATH = '/data/some-file'

async function dump(bytes: Buffer): Promise<SegmentPart[]> {
  const { fs } = new LogFixture()
  await fs.mkdir('/data')
  const handle = await fs.open(PATH, 'create')
  await handle.write([bytes], 0)
  await handle.close()
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(fs, PATH)) parts.push(part)
  expect(fs.openHandles).toBe(0)
  return parts
}

/** A segment with a frame of every type. */
function varied(): SegmentBytes {
  return new SegmentBytes({ baseOffset: 5 }).records('a').records('b', 'c').mark(16).records('d').seal()
}

function recordsOf(part: SegmentPart | undefined): LogRecord[] {
  if (part?.kind !== 'records' || part.records === null) return expect.unreachable('it should be made of records')
  expect([...part.records]).toEqual([...part.records])
  return [...part.records]
}

/** `records 72-144`: the kind of a part and its range. */
function brief(part: SegmentPart): string {
  return `${part.kind} ${part.from}-${part.to}`
}

describe('a dump of a segment', () => {
  it('shows every part of the file, with its fields', async () => {
    const segment = varied()
    const parts = await dump(segment.bytes)
    expect(parts.map(({ kind }) => kind)).toEqual([
      'segment-header',
      'open',
      'records',
      'records',
      'mark',
      'records',
      'mark',
      'seal',
    ])
    expect(Buffer.concat(parts.map(({ bytes }) => bytes))).toEqual(segment.bytes)
    expect(parts[0]).toMatchObject({ segment: { version: 1, topicStart: 'orders', partition: 0 } })
    expect(parts[1]).toMatchObject({
      open: { segmentId: 1n, topic: 'orders', previous: null },
      header: { baseOffset: 5 },
    })
    expect(recordsOf(parts[3])).toMatchObject([{ offset: 6n, value: Buffer.from('b') }, { offset: 7n }])
    expect(parts[7]).toMatchObject({ summary: { index: [] } })
  })

  it('continues after bytes that do not verify, and says why they do not', async () => {
    const segment = varied()
    const { position } = segment.at(1)
    const next = segment.at(2).position
    const good = (await dump(segment.bytes)).map(brief)
    const damagedHeader = await dump(flipped(segment.bytes, 8 * (position + 9)))
    expect(damagedHeader.map(brief)).toEqual(
      good.map((part) => part.replace(`records ${position}-`, `bad ${position}-`)),
    )
    expect(damagedHeader[3]).toMatchObject({ to: next, reason: 'no frame header of this segment verifies here' })
    const damagedBody = await dump(flipped(segment.bytes, 8 * (position + 50)))
    expect(damagedBody[3]).toMatchObject({ kind: 'bad', to: next, reason: expect.stringMatching(/checksum/) })
    expect(damagedBody).toHaveLength(good.length)
  })

  it.each([
    ['nothing', Buffer.alloc(0), []],
    ['something else', Buffer.from('{"no": "log"}'), ['bad 0-13']],
    ['a segment header alone', varied().bytes.subarray(0, 32), ['segment-header 0-32']],
    ['a damaged OPEN', flipped(varied().bytes, 8 * 50), ['segment-header 0-32', `bad 32-${varied().bytes.length}`]],
  ])('of %s says what is there', async (_, bytes, parts) => {
    expect((await dump(bytes)).map(brief)).toEqual(parts)
  })

  it('rereads what a writer wrote after the first read, before it calls the bytes bad', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(
      writer,
      Array.from({ length: 20 }, () => 'v'.repeat(500)),
    )
    const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
    const fs = actingAfterReadAt(segment?.bytes ?? 0, log.fs, () => appendEach(writer, ['w', 'x', 'y']))
    const kinds: string[] = []
    for await (const { kind } of dumpSegment(fs, log.path(0))) kinds.push(kind)
    expect(kinds).not.toContain('bad')
    expect(kinds.filter((kind) => kind === 'records')).toHaveLength(23)
  })

  it('shows a torn end, and what follows a SEAL', async () => {
    const segment = new SegmentBytes().records('a').records('b')
    const torn = await dump(segment.bytes.subarray(0, -8))
    expect(torn.at(-1)).toMatchObject({
      kind: 'bad',
      from: segment.at(1).position,
      reason: expect.stringMatching(/64 are left/),
    })
    const sealed = varied()
    const more = await dump(Buffer.concat([sealed.bytes, Buffer.alloc(100_000, 1)]))
    expect(more.at(-1)).toMatchObject({ kind: 'bad', from: sealed.bytes.length, reason: expect.stringMatching(/SEAL/) })
    expect(more.at(-1)?.bytes.length).toBe(64 * 1024)
  })

  it('shows frames of an unknown kind as bad parts', async () => {
    const segment = new SegmentBytes().records('a').frame({ type: 9 }, Buffer.alloc(8)).records('b')
    const parts = await dump(segment.bytes)
    expect(parts.map(({ kind }) => kind)).toEqual(['segment-header', 'open', 'records', 'bad', 'records'])
    expect(parts[3]).toMatchObject({ reason: expect.stringMatching(/unsupported: .*type 9/) })
  })

  it('says which file it cannot open', async () => {
    const { fs } = new LogFixture()
    await expect(dumpSegment(fs, '/gone').next()).rejects.toThrow(/cannot open \/gone: ENOENT/)
  })
})
