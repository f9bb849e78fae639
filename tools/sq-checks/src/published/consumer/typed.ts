/** Uses the types of every entry point. It is only compiled, not run. */
import { ManualClock, NodeFileSystem, Random } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { FaultRule } from '@sq/sim/memory'
import { fileSystemTests } from '@sq/sim/testing'
import type { FileSystemTest } from '@sq/sim/testing'
import {
  AppendFailedError,
  listSegments,
  RecordBatch,
  repair,
  verify,
  WalError,
  WalReader,
  WalWriter,
} from '@sq/storage'
import type {
  ClosedSegment,
  LogRecord,
  ReadOptions,
  RecordInput,
  WalConfig,
  WalErrorCode,
  WalEvents,
} from '@sq/storage'

const config: WalConfig = { dataDir: 'data', maxSegmentBytes: 1024 }
const clock: Clock = new ManualClock()
const rule: FaultRule = { on: 'sync', when: { nth: 2 }, fault: { error: 'EIO' } }

export const suite: readonly FileSystemTest[] = fileSystemTests
export const systems: FileSystem[] = [new NodeFileSystem({ blocking: true }), new InMemoryFileSystem()]

export async function append(fs: FileSystem, records: readonly RecordInput[]): Promise<bigint> {
  const closed: ClosedSegment[] = []
  const onSegmentClosed = (segment: ClosedSegment): number => closed.push(segment)
  await using writer = await WalWriter.open(fs, config, 'orders', 0, { clock, random: new Random(1), onSegmentClosed })
  await writer.appendAll(records)
  return writer.appendBatch(records)
}

export async function* values(fs: FileSystem, options: ReadOptions): AsyncGenerator<LogRecord['value']> {
  await using reader = await WalReader.open(fs, config, 'orders', 0)
  for await (const { value } of reader.read(options)) yield value
  for await (const batch of reader.readBatches({ from: 0n, signal: AbortSignal.timeout(1000) })) {
    for (const { value } of RecordBatch.from(batch).records()) yield value
  }
}

export async function repairAll(fs: FileSystem): Promise<number> {
  const { problems } = await verify(fs, config, 'orders', 0)
  for (const problem of problems) {
    for (const { kind } of problem.repairs) await repair(fs, config, 'orders', 0, { problem, repair: kind })
  }
  return (await listSegments(fs, config, 'orders', 0)).length
}

export function summary(error: unknown, event: WalEvents['sq:wal:commit']): WalErrorCode | bigint | null {
  new InMemoryFileSystem().faults.add(rule)
  if (error instanceof AppendFailedError) return error.nextOffset
  return error instanceof WalError ? error.code : event.baseOffset
}
