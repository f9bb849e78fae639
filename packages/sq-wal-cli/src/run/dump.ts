/** Prints a segment file, part by part. */
import { posix } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { dumpSegment } from '@sq/storage'
import type { SegmentPart } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LogSource } from '../log-source.ts'
import {
  colors,
  counted,
  formatBytes,
  formatCount,
  formatTime,
  isOutputGone,
  jsonOf,
  printBytes,
  printLine,
  rendered,
} from '../output.ts'
import type { Piece } from '../output.ts'
import { isOutputUnseen, progressBar } from '../progress.ts'
import { hexDump, hexPieces } from './byte-text.ts'

export interface DumpOptions {
  readonly hex?: boolean
  readonly json?: boolean
}

/** Resolves with the exit status. */
export async function dump(
  { fs, archive }: LogSource,
  segment: string,
  { hex = false, json = false }: DumpOptions,
): Promise<number> {
  let isGood = true
  // In an archive there is no working directory.
  const path = archive === null ? segment : posix.resolve('/', segment)
  const stat = await fs.stat(path).catch(() => null)
  if (stat?.kind === 'link') {
    const reason = 'it is a symbolic link, and links are not followed; give the path of the file itself'
    throw new CommandError(`cannot open ${path}: ${reason}`)
  }
  const total = stat?.sizeBytes ?? null
  const bar = isOutputUnseen() ? await progressBar('reading', { total, format: formatBytes }) : null
  try {
    for await (const part of partsOf(fs, path)) {
      bar?.reached(part.to)
      if (isBad(part)) isGood = false
      if (json) await writeJsonLine(part, hex)
      else await printLine(...describe(part))
      if (hex && !json) for (const lines of hexDump(part.bytes, part.from)) await printBytes(Buffer.from(lines))
      if (isOutputGone()) break
    }
  } finally {
    bar?.stop()
  }
  return isGood ? 0 : 1
}

/** The parts of a file. An empty file has one bad part. */
async function* partsOf(fs: FileSystem, path: string): AsyncGenerator<SegmentPart> {
  let isEmpty = true
  for await (const part of dumpSegment(fs, path)) {
    isEmpty = false
    yield part
  }
  if (isEmpty) yield { kind: 'bad', from: 0, to: 0, bytes: Buffer.alloc(0), reason: 'the file is empty' }
}

/** A frame whose checksums match but whose body cannot be decoded is bad, too. */
function isBad(part: SegmentPart): boolean {
  if (part.kind === 'records') return part.records === null && part.opaque === null
  if (part.kind === 'seal') return part.summary === null
  return part.kind === 'bad'
}

function describe(part: SegmentPart): readonly Piece[] {
  const place = [colors.dim(String(part.from).padStart(10)), ` ${String(part.to - part.from).padStart(9)} B  `]
  if (part.kind === 'bad') return [...place, colors.red('BAD'), `      ${part.reason}`]
  if (part.kind === 'preallocated') return [...place, 'ZEROS    preallocated']
  if (part.kind === 'stale') return [...place, 'STALE    left by the segment that the file held before']
  return [...place, `${TITLES[part.kind].padEnd(8)} `, ...fieldsOf(part)]
}

const TITLES = { 'segment-header': 'SEGMENT', open: 'OPEN', records: 'RECORDS', mark: 'MARK', seal: 'SEAL' } as const

function fieldsOf(part: Exclude<SegmentPart, { kind: 'bad' | 'preallocated' | 'stale' }>): readonly Piece[] {
  if (part.kind === 'segment-header') {
    const { version, topicStart, topicLength, partition } = part.segment
    const topic = topicLength > topicStart.length ? `${topicStart}...` : topicStart
    return [`version ${version}, topic ${topic}, partition ${partition}`]
  }
  const { header } = part
  const chain = `durable to ${header.durablePosition}, crc ${hex32(header.headerCrc)} after ${hex32(header.previousCrc)}`
  if (part.kind === 'open') {
    const { topic, segmentId, createdMs, previous } = part.open
    const before =
      previous === null
        ? 'no segment before it'
        : `after ${previous.baseOffset}, which ends at ${previous.end} with the frame at ${previous.lastPosition}`
    const made = formatTime(createdMs)
    return [`offset ${header.baseOffset}, topic ${topic}, id ${hex64(segmentId)}, made ${made}, ${before}`]
  }
  if (part.kind === 'records') {
    const last = header.baseOffset + header.recordCount - 1
    const offsets = last === header.baseOffset ? `offset ${last}` : `offsets ${header.baseOffset}-${last}`
    return [`${offsets}, `, ...batchOf(part), `, ${chain}`]
  }
  if (part.kind === 'mark') return [`next offset ${header.baseOffset}, ${chain}`]
  if (part.summary === null) return [colors.red('not a summary')]
  const { minTimestampMs, maxTimestampMs, index } = part.summary
  const entries = `${formatCount(index.length)} index ${index.length === 1 ? 'entry' : 'entries'}`
  const times =
    minTimestampMs > maxTimestampMs ? 'no records' : `${formatTime(minTimestampMs)} to ${formatTime(maxTimestampMs)}`
  return [`next offset ${header.baseOffset}, ${times}, ${entries}, ${chain}`]
}

function batchOf({ header, metadata, records, opaque }: SegmentPart & { kind: 'records' }): readonly Piece[] {
  if (records === null && opaque === null) return [colors.red('not records')]
  const count = counted(header.recordCount, 'record')
  const before = metadata === null ? '' : `, metadata ${counted(metadata.length, 'byte')}`
  if (opaque === null) return [count, before]
  const { minTimestampMs, maxTimestampMs, payload } = opaque
  const times = `${formatTime(minTimestampMs)} to ${formatTime(maxTimestampMs)}`
  return [`${count}${before}, opaque ${counted(payload.length, 'byte')}, ${times}`]
}

async function writeJsonLine(part: SegmentPart, withBytes: boolean): Promise<void> {
  const { bytes, ...plain } = part
  const json = jsonOf(plainOf(plain))
  if (!withBytes) return printLine(json)
  // In pieces: a frame can have more digits than a string can hold.
  await printBytes(Buffer.from(rendered([json.slice(0, -1), ',"hex":"'])))
  for (const piece of hexPieces(bytes)) await printBytes(Buffer.from(piece))
  await printLine('"}')
}

function plainOf(part: WithoutBytes<SegmentPart>): object {
  if (part.kind === 'records') {
    const { metadata, records, opaque, ...rest } = part
    const payload = opaque && { ...opaque, payload: opaque.payload.toString('base64') }
    const extra = { ...(metadata && { metadata: metadata.toString('base64') }), ...(payload && { opaque: payload }) }
    return { ...rest, records: records === null ? null : part.header.recordCount, ...extra }
  }
  return part.kind === 'open' ? { ...part, open: { ...part.open, segmentId: hex64(part.open.segmentId) } } : part
}

type WithoutBytes<Part> = Part extends unknown ? Omit<Part, 'bytes'> : never

function hex64(id: bigint): string {
  return id.toString(16).padStart(16, '0')
}

function hex32(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
