/** Parses the golden segments with the grammar `docs/sqwl.ksy`, and compares the result with that of `dumpSegment`. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { SegmentPart } from '@sq/storage'
import { describe, expect, it } from 'vitest'
import { dump, goldenLogStart, goldenNames, goldenSegments } from './golden-logs.ts'
import { compileGrammar } from './segment-grammar.ts'
import type { ParsedFrame, ParsedSegment } from './segment-grammar.ts'

const [OPEN, RECORDS, MARK, SEAL] = [1, 2, 3, 4]
const { parse, parseLogStart, parseTrailer } = await compileGrammar()

type DumpedFrame = Exclude<SegmentPart, { kind: 'segment-header' | 'preallocated' | 'stale' | 'bad' }>

/** The valid parts of a segment: those before the first bad one, and before the end that its successor states. */
async function validParts(path: string, successor: string | undefined): Promise<SegmentPart[]> {
  const parts = await dump(path)
  const end = successor === undefined ? Infinity : await statedEnd(successor)
  const stop = parts.findIndex((part) => !isValid(part) || part.from >= end)
  return stop === -1 ? parts : parts.slice(0, stop)
}

function isValid({ kind }: SegmentPart): boolean {
  return kind !== 'bad' && kind !== 'preallocated' && kind !== 'stale'
}

async function statedEnd(successor: string): Promise<number> {
  const open = (await dump(successor)).find((part) => part.kind === 'open')
  return open?.open.previous?.end ?? expect.unreachable(`${successor} states no end`)
}

/** A dump as plain data, with the names of the specification. */
function shownDump(parts: readonly SegmentPart[]): unknown {
  const header = parts[0]?.kind === 'segment-header' ? parts[0].segment : null
  const frames = parts.filter(
    (part): part is DumpedFrame =>
      part.kind !== 'segment-header' && part.kind !== 'preallocated' && part.kind !== 'stale',
  )
  const shown = frames.map((part) => ({ from: part.from, to: part.to, ...part.header, body: dumpedBody(part) }))
  return { header, frames: shown }
}

function dumpedBody(part: DumpedFrame): unknown {
  if (part.kind === 'open') return { ...part.open, segmentId: part.open.segmentId.toString(16) }
  if (part.kind === 'seal') return part.summary
  if (part.kind === 'mark') return hex(part.bytes.subarray(40))
  const { metadata, opaque, records } = part
  return {
    metadata: metadata && hex(metadata),
    opaque: opaque && { ...opaque, payload: hex(opaque.payload) },
    records: Array.from(records ?? [], ({ offset, timestampMs, key, value, headers }) => ({
      offset: Number(offset),
      timestampMs,
      key: key && hex(key),
      value: value && hex(value),
      headers: headers.map((pair) => [pair.key, hex(pair.value)]),
    })),
  }
}

/** A parsed segment as the same plain data. */
function shownParse({ header, frames }: ParsedSegment): unknown {
  const { version, lenTopic, topicStart, partition } = header
  const start = Buffer.from(topicStart).toString('latin1', 0, Math.min(lenTopic, 20))
  const segment = { version, topicLength: lenTopic, topicStart: start, partition }
  return { header: segment, frames: frames.map((frame) => shownFrame(frame)) }
}

function shownFrame(frame: ParsedFrame): unknown {
  const { type, attributes, lenBody, baseOffset, recordCount, position, durablePosition, end } = frame.header
  const { previousCrc, bodyCrc, headerCrc } = frame.header
  const places = { from: position, to: end, type, attributes, bodyLength: lenBody, position, durablePosition }
  return { ...places, baseOffset, recordCount, previousCrc, bodyCrc, headerCrc, body: parsedBody(frame) }
}

function parsedBody({ header, body }: ParsedFrame): unknown {
  if (header.type === OPEN) {
    const previous = {
      baseOffset: body.previousBaseOffset,
      end: body.previousEnd,
      lastPosition: body.previousLastPosition,
      lastCrc: body.previousLastCrc,
    }
    const segmentId = Buffer.from(body.segmentId).readBigUInt64LE().toString(16)
    return { segmentId, createdMs: body.createdMs, topic: body.topic, previous: body.hasPrevious ? previous : null }
  }
  if (header.type === MARK) return hex(body)
  if (header.type === SEAL) {
    const { minTimestampMs, maxTimestampMs } = body
    const index = body.entries.map((entry) => {
      const { offsetDelta, position } = entry
      return { offsetDelta, position, maxTimestampMs: entry.maxTimestampMs }
    })
    return { minTimestampMs, maxTimestampMs, index }
  }
  const { metadata, opaque, records } = body
  return {
    metadata: metadata === undefined ? null : hex(metadata),
    opaque: opaque === undefined ? null : shownOpaque(opaque),
    records: records.map(({ offset, timestampMs, key, value, headers }) => ({
      offset,
      timestampMs,
      key: key === undefined ? null : hex(key),
      value: value === undefined ? null : hex(value),
      headers: headers.map((pair) => [pair.key, hex(pair.value)]),
    })),
  }
}

function shownOpaque({ minTimestampMs, maxTimestampMs, payload }: NonNullable<ParsedFrame['body']['opaque']>): unknown {
  return { minTimestampMs, maxTimestampMs, payload: hex(payload) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const segments = goldenNames().flatMap((name) => {
  const paths = goldenSegments(name)
  return paths.map((path, at) => ({ name: `${name}/${basename(path)}`, path, successor: paths[at + 1] }))
})

describe.each(segments)('the grammar parses $name', ({ path, successor }) => {
  it('like dumpSegment, up to its valid end', async () => {
    const parts = await validParts(path, successor)
    const parsed = parse(readFileSync(path).subarray(0, parts.at(-1)?.to))
    expect(shownParse(parsed)).toEqual(shownDump(parts))
    expect(parsed.rest).toHaveLength(0)
  })

  it('with only zeros between its frames, and with records of the stated lengths', async () => {
    const parts = await validParts(path, successor)
    for (const { header, body, padding } of parse(readFileSync(path).subarray(0, parts.at(-1)?.to)).frames) {
      expect(hex(padding)).toBe('00'.repeat(header.end - header.position - 40 - header.lenBody))
      if (header.type !== RECORDS) continue
      const { metadata, opaque, records } = body
      const lead = metadata === undefined ? 0 : 4 + metadata.length
      const content = opaque === undefined ? 0 : 16 + opaque.payload.length
      expect(records.reduce((sum, { lenRecord }) => sum + lenRecord, lead + content)).toBe(header.lenBody)
    }
  })
})

/** Parses the first file of a golden log: the types of its frames, and how many bytes follow them. */
function parseFirst(name: string): { types: number[]; rest: number } {
  const { frames, rest } = parse(readFileSync(goldenSegments(name)[0] ?? ''))
  return { types: frames.map(({ header }) => header.type), rest: rest.length }
}

describe('the grammar parses a whole file', () => {
  it('up to bytes that are not a complete frame', () => {
    expect(parseFirst('torn')).toEqual({ types: [OPEN, RECORDS, RECORDS], rest: 100 })
    expect(parseFirst('damage-without-loss')).toEqual({ types: [OPEN, RECORDS, RECORDS], rest: 4160 - 264 })
  })

  it.each([
    ['marker', 0],
    ['baseOffset', 8],
    ['position', 20],
    ['previousCrc', 28],
  ])('up to a frame with a wrong %s', (_, at) => {
    const file = readFileSync(goldenSegments('closed')[0] ?? '')
    file.writeUInt8(1 ^ file.readUInt8(192 + at), 192 + at)
    const { frames, rest } = parse(file)
    expect(frames.map(({ header }) => header.position)).toEqual([32, 120])
    expect(rest).toHaveLength(file.length - 192)
  })

  it('including its ignored tail, which only the next segment reveals', () => {
    expect(parseFirst('healed')).toEqual({ types: [OPEN, RECORDS, RECORDS, RECORDS], rest: 0 })
  })

  it('and takes nothing after a SEAL for a frame', () => {
    const file = readFileSync(goldenSegments('sealed-with-index')[0] ?? '')
    const { frames, rest } = parse(Buffer.concat([file, file.subarray(120)]))
    expect(frames.at(-1)?.header).toMatchObject({ type: SEAL, end: file.length })
    expect(rest).toHaveLength(file.length - 120)
  })
})

it('the grammar parses a log start', () => {
  const file = readFileSync(goldenLogStart('deleted-records'))
  expect(parseLogStart(file)).toMatchObject({ version: 1, offset: 4, checksum: file.readUInt32LE(16) })
  expect(file).toHaveLength(20)
})

it('the grammar parses the trailer of a recycled file', () => {
  const file = readFileSync(goldenSegments('recycled')[0] ?? '')
  const position = file.length - 16
  expect(parseTrailer(file.subarray(position))).toMatchObject({ position, checksum: file.readUInt32LE(position + 12) })
  expect(parseFirst('recycled').types).toEqual([OPEN, RECORDS, RECORDS])
})

it('the grammar rejects a file that is not a segment of version 1', () => {
  const file = readFileSync(goldenSegments('closed')[0] ?? '')
  for (const position of [0, 4, 32]) {
    const other = Buffer.from(file)
    other.writeUInt8(0xff, position)
    expect(() => parse(other)).toThrow(/not equal|not matching/)
  }
})
