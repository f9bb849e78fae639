/** Reads a log with `@sq/storage` or with `examples/read_wal.py`, to plain JSON that can be compared. */
import { spawnSync } from 'node:child_process'
import type { SpawnSyncReturns } from 'node:child_process'
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { CorruptLogError, OpaqueBatchError, UnsupportedFormatError, verify, WalReader } from '@sq/storage'
import type { LogRecord, RecordBatch } from '@sq/storage'
import { cleanEnvironment } from './clean-environment.ts'
import type { CopiedLog } from './golden-logs.ts'
import { ROOT } from './source-tree.ts'

/** Bytes are shown in hexadecimal; more than 32 of them as their number and SHA-256. */
export interface LogReading {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ReadRecord[]
  /** The batches with metadata and the opaque ones, if there are any. */
  readonly batches?: readonly ReadBatch[]
  readonly end: LogEnd
}

/** A batch that is more than its records, or that is opaque and has no records that could be read. */
interface ReadBatch {
  readonly batch: number
  readonly recordCount: number
  readonly metadata: string | null
  readonly opaque: { readonly minTimestampMs: number; readonly maxTimestampMs: number; readonly payload: string } | null
}

interface ReadRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [key: string, value: string])[]
}

/**
 * How a log ends. `clean`: with its last frame. Otherwise `file` and `position` say where reading stopped, and
 * `nextOffset` is the offset of the next record there. The damage in a corrupt log reaches at least to `until`.
 */
type LogEnd =
  | { readonly kind: 'clean' }
  | { readonly kind: 'torn'; readonly file: string; readonly position: number; readonly nextOffset: number }
  | {
      readonly kind: 'corrupt'
      readonly file: string
      readonly position: number
      readonly nextOffset: number
      readonly until: number
    }
  | { readonly kind: 'unsupported'; readonly file: string; readonly position: number }

/** Reads a log with `@sq/storage`. */
export async function readByStorage({ dataDir, topic, partition }: CopiedLog): Promise<LogReading> {
  const fs = new NodeFileSystem()
  const records: ReadRecord[] = []
  const batches: ReadBatch[] = []
  try {
    const reader = await WalReader.open(fs, { dataDir }, topic, partition)
    for await (const record of readableRecords(reader)) records.push(shown(record))
    for await (const batch of reader.readBatches()) {
      if (batch.metadata !== null || batch.isOpaque) batches.push(shownBatch(batch))
    }
  } catch (error) {
    return { topic, partition, records, ...someOf(batches), end: endBy(error) }
  }
  const { notes, nextOffset } = await verify(fs, { dataDir }, topic, partition)
  const torn = notes.find(({ kind }) => kind === 'torn')
  const end: LogEnd =
    torn === undefined
      ? { kind: 'clean' }
      : { kind: 'torn', file: basename(torn.path), position: torn.from, nextOffset: Number(nextOffset) }
  return { topic, partition, records, ...someOf(batches), end }
}

/** The records of all batches but the opaque ones. */
async function* readableRecords(reader: WalReader, from?: bigint): AsyncGenerator<LogRecord> {
  try {
    yield* reader.read({ from })
  } catch (error) {
    if (!(error instanceof OpaqueBatchError)) throw error
    yield* readableRecords(reader, error.nextOffset)
  }
}

function someOf(batches: readonly ReadBatch[]): Pick<LogReading, 'batches'> {
  return batches.length === 0 ? {} : { batches }
}

function shownBatch(batch: RecordBatch): ReadBatch {
  const { baseOffset, recordCount, metadata, payload, minTimestampMs, maxTimestampMs } = batch
  return {
    batch: Number(baseOffset),
    recordCount,
    metadata: metadata && brief(hex(metadata)),
    opaque: payload && { minTimestampMs, maxTimestampMs, payload: brief(hex(payload)) },
  }
}

function endBy(error: unknown): LogEnd {
  if (error instanceof CorruptLogError) {
    const { path, from, firstOffset, to } = error
    return { kind: 'corrupt', file: basename(path), position: from, nextOffset: Number(firstOffset), until: to }
  }
  if (error instanceof UnsupportedFormatError) {
    return { kind: 'unsupported', file: basename(error.path), position: error.position }
  }
  throw error
}

function shown({ offset, timestampMs, key, value, headers }: LogRecord): ReadRecord {
  return {
    offset: Number(offset),
    timestampMs,
    key: key === null ? null : brief(hex(key)),
    value: value && brief(hex(value)),
    headers: headers.map((header) => [brief(hex(Buffer.from(header.key))), brief(hex(header.value))] as const),
  }
}

/** Returns why the Python reader cannot run here, or null if it can. */
export function whyNoPython(): string | null {
  const { error, status } = runProgram('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))'])
  if (error !== undefined) return `python3 cannot be started: ${error.message}`
  return status === 0 ? null : 'python3 is older than 3.10'
}

/** Runs the Python reader. Returns its exit code and each line that it printed. */
export function runPython(directory: string): { status: number | null; lines: PrintedLine[]; stderr: string } {
  const script = join(ROOT, 'examples/read_wal.py')
  const { status, stdout, stderr } = runProgram('python3', [script, directory])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return { status, lines: lines.map((line): PrintedLine => JSON.parse(line)), stderr }
}

/** Reads a log with `examples/read_wal.py`. */
export function readByPython({ directory, topic, partition }: CopiedLog): LogReading {
  const { status, lines, stderr } = runPython(directory)
  const records = lines.filter((line): line is ReadRecord => 'offset' in line)
  const batches = lines.filter((line): line is ReadBatch => 'batch' in line)
  const last = lines.at(-1)
  const end: LogEnd = last !== undefined && 'end' in last ? pythonEnd(last) : { kind: 'clean' }
  if (status !== EXIT_CODES[end.kind]) throw new Error(`exit code ${status} for a log that ends ${end.kind}: ${stderr}`)
  return { topic, partition, records: records.map(abbreviated), ...someOf(batches.map(abbreviatedBatch)), end }
}

const EXIT_CODES = { clean: 0, torn: 0, corrupt: 1, unsupported: 3 }

/** The last line that the Python reader prints for a log that is not clean. */
interface PythonEnd {
  readonly end: 'torn' | 'corrupt' | 'unsupported'
  readonly file: string
  readonly position: number
  readonly nextOffset: number
  readonly until: number
}

type PrintedLine = ReadRecord | ReadBatch | PythonEnd

function pythonEnd({ end, file, position, nextOffset, until }: PythonEnd): LogEnd {
  if (end === 'corrupt') return { kind: end, file, position, nextOffset, until }
  return end === 'torn' ? { kind: end, file, position, nextOffset } : { kind: end, file, position }
}

function abbreviated({ key, value, headers, ...numbers }: ReadRecord): ReadRecord {
  return {
    ...numbers,
    key: key === null ? null : brief(key),
    value: value && brief(value),
    headers: headers.map(([headerKey, content]) => [brief(headerKey), brief(content)] as const),
  }
}

function abbreviatedBatch({ metadata, opaque, ...numbers }: ReadBatch): ReadBatch {
  return {
    ...numbers,
    metadata: metadata && brief(metadata),
    opaque: opaque && { ...opaque, payload: brief(opaque.payload) },
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function brief(digits: string): string {
  const count = digits.length / 2
  if (count <= 32) return digits
  return `${count} bytes, sha256 ${createHash('sha256').update(digits, 'hex').digest('hex')}`
}

function runProgram(program: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(program, args, { encoding: 'utf8', env: cleanEnvironment(), maxBuffer: 2 ** 26 })
}
