/** Shows a segment file, part by part. */
import { NodeFileSystem } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { dumpSegment } from '@sq/storage'
import type { SegmentPart } from '@sq/storage'
import { colors, counted, formatBytes, formatTime, isOutputGone, jsonOf, print } from '../output.ts'
import { isOutputUnseen, progressBar } from '../progress.ts'
import { hexDump } from './record-writer.ts'

export interface DumpOptions {
  readonly hex?: boolean
  readonly json?: boolean
}

/** Resolves with the exit status. */
export async function dump(path: string, { hex = false, json = false }: DumpOptions): Promise<number> {
  let isGood = true
  const fs = new NodeFileSystem()
  const total = (await fs.stat(path).catch(() => null))?.sizeBytes ?? null
  const bar = isOutputUnseen() ? await progressBar('reading', { total, format: formatBytes }) : null
  try {
    for await (const part of partsOf(fs, path)) {
      bar?.reached(part.to)
      if (isBad(part)) isGood = false
      const text = json ? `${jsonOf(plainOf(part, hex))}\n` : describe(part)
      await print(hex && !json ? text + hexDump(part.bytes, part.from) : text)
      if (isOutputGone()) break
    }
  } finally {
    bar?.stop()
  }
  return isGood ? 0 : 1
}

/** What stands in a file; of one without a byte, that this is no segment. */
async function* partsOf(fs: FileSystem, path: string): AsyncGenerator<SegmentPart> {
  let isEmpty = true
  for await (const part of dumpSegment(fs, path)) {
    isEmpty = false
    yield part
  }
  if (isEmpty) yield { kind: 'bad', from: 0, to: 0, bytes: Buffer.alloc(0), reason: 'the file is empty' }
}

/** A frame that verifies around a body that means nothing is as bad. */
function isBad(part: SegmentPart): boolean {
  if (part.kind === 'records') return part.records === null
  if (part.kind === 'seal') return part.summary === null
  return part.kind === 'bad'
}

function describe(part: SegmentPart): string {
  const place = `${colors.dim(String(part.from).padStart(10))} ${String(part.to - part.from).padStart(9)} B  `
  if (part.kind === 'bad') return `${place}${colors.red('BAD')}      ${part.reason}\n`
  if (part.kind === 'zeros') return `${place}ZEROS    written ahead\n`
  return `${place}${TITLES[part.kind].padEnd(8)} ${fieldsOf(part)}\n`
}

const TITLES = { 'segment-header': 'SEGMENT', open: 'OPEN', records: 'RECORDS', mark: 'MARK', seal: 'SEAL' } as const

function fieldsOf(part: Exclude<SegmentPart, { kind: 'bad' | 'zeros' }>): string {
  if (part.kind === 'segment-header') {
    const { version, topicStart, topicLength, partition } = part.segment
    const topic = topicLength > topicStart.length ? `${topicStart}...` : topicStart
    return `version ${version}, topic ${topic}, partition ${partition}`
  }
  const { header } = part
  const chain = `durable to ${header.durablePosition}, crc ${hex32(header.headerCrc)} after ${hex32(header.previousCrc)}`
  if (part.kind === 'open') {
    const { topic, segmentId, createdMs, previous } = part.open
    const before = previous === null
      ? 'no segment before it'
      : `after ${previous.baseOffset}, which ends at ${previous.end} with the frame at ${previous.lastPosition}`
    return `offset ${header.baseOffset}, topic ${topic}, id ${hex64(segmentId)}, made ${formatTime(createdMs)}, ${before}`
  }
  if (part.kind === 'records') {
    const last = header.baseOffset + header.recordCount - 1
    const offsets = last === header.baseOffset ? `offset ${last}` : `offsets ${header.baseOffset}-${last}`
    const records = part.records === null ? colors.red('not records') : counted(header.recordCount, 'record')
    return `${offsets}, ${records}, ${chain}`
  }
  if (part.kind === 'mark') return `next offset ${header.baseOffset}, ${chain}`
  if (part.summary === null) return colors.red('not a summary')
  const { minTimestampMs, maxTimestampMs, index } = part.summary
  const times = minTimestampMs > maxTimestampMs ? 'no records' : `${formatTime(minTimestampMs)} to ${formatTime(maxTimestampMs)}`
  return `next offset ${header.baseOffset}, ${times}, ${index.length} index entries, ${chain}`
}

function plainOf(part: SegmentPart, withBytes: boolean): object {
  const { bytes, ...rest } = part
  const plain =
    rest.kind === 'records'
      ? { ...rest, records: rest.records === null ? null : rest.header.recordCount }
      : rest.kind === 'open'
        ? { ...rest, open: { ...rest.open, segmentId: hex64(rest.open.segmentId) } }
        : rest
  return withBytes ? { ...plain, hex: bytes.toString('hex') } : plain
}

function hex64(id: bigint): string {
  return id.toString(16).padStart(16, '0')
}

function hex32(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
