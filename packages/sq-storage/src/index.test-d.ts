/** The types that a broker relies on. `api/` has all signatures. */
import type { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Clock, FileSystem, Random } from '@sq/sim'
import { describe, expectTypeOf, test } from 'vitest'
import * as storage from './index.ts'
import type {
  AppendedRecords,
  ChosenRepair,
  ClosedSegment,
  CommitEvent,
  Damage,
  EncodedBatch,
  ListedPartition,
  LogProblem,
  LogRecord,
  LogReport,
  PossibleRepair,
  ReadOptions,
  RecordHeader,
  RecordInput,
  RecordSource,
  Recovery,
  RecoverEvent,
  RepairKind,
  Repaired,
  RetentionPolicy,
  RetentionVerdict,
  SegmentInfo,
  SegmentPart,
  UnreadablePartition,
  WalConfig,
  WalErrorCode,
  WalEvents,
  WalWriterOptions,
} from './index.ts'

type Log = [fs: FileSystem, config: WalConfig, topic: string, partition: number]
const { WalReader, WalWriter } = storage
declare const error: storage.WalError
declare const part: SegmentPart

describe('a writer', () => {
  test('is opened on any file system, with optional options', () => {
    type Open = (...given: [...log: Log, options?: WalWriterOptions]) => Promise<storage.WalWriter>
    expectTypeOf<typeof WalWriter.open>().toEqualTypeOf<Open>()
    expectTypeOf<storage.NodeFileSystem>().toExtend<Log[0]>()
    expectTypeOf<{ clock: Clock; random: Random }>().toExtend<WalWriterOptions>()
    expectTypeOf<WalWriterOptions['firstOffset']>().toEqualTypeOf<bigint | undefined>()
    expectTypeOf<WalWriterOptions['onSegmentClosed']>().toEqualTypeOf<((segment: ClosedSegment) => void) | undefined>()
  })

  test('cannot be constructed without open', () => {
    type Constructible = new (...args: never) => unknown
    expectTypeOf(WalWriter).not.toExtend<Constructible>()
    expectTypeOf(WalReader).not.toExtend<Constructible>()
  })

  test('appends a record, or key, value, headers and time, and resolves with an offset', () => {
    type Given = [
      key: Uint8Array | null,
      value: Uint8Array | null,
      headers: readonly RecordHeader[],
      timestampMs: number,
    ]
    interface Append {
      (record: RecordInput): Promise<bigint>
      (...parts: Given): Promise<bigint>
    }
    expectTypeOf<storage.WalWriter['append']>().toEqualTypeOf<Append>()
    type AppendBatch = (records: readonly RecordInput[], options?: storage.BatchOptions) => Promise<bigint>
    expectTypeOf<storage.WalWriter['appendBatch']>().toEqualTypeOf<AppendBatch>()
    expectTypeOf<storage.WalWriter['appendOpaque']>().toEqualTypeOf<(batch: storage.OpaqueBatch) => Promise<bigint>>()
  })

  test('appends batches as a reader returns them, or as they arrive from a network', () => {
    type AppendEncoded = (batches: readonly storage.EncodedBatch[]) => Promise<bigint>
    expectTypeOf<storage.WalWriter['appendEncoded']>().toEqualTypeOf<AppendEncoded>()
    expectTypeOf<storage.RecordBatch>().toExtend<storage.EncodedBatch>()
  })

  test('appends records from any iterable or stream', () => {
    type AppendAll = (source: RecordSource, options?: storage.AppendAllOptions) => Promise<AppendedRecords>
    expectTypeOf<storage.WalWriter['appendAll']>().toEqualTypeOf<AppendAll>()
    expectTypeOf<storage.AppendAllOptions>().toEqualTypeOf<{ readonly signal?: AbortSignal | undefined }>()
    expectTypeOf<RecordInput[]>().toExtend<RecordSource>()
    expectTypeOf<Generator<RecordInput>>().toExtend<RecordSource>()
    expectTypeOf<AsyncGenerator<RecordInput>>().toExtend<RecordSource>()
    expectTypeOf<ReadableStream<RecordInput>>().toExtend<RecordSource>()
    expectTypeOf<Readable>().toExtend<RecordSource>()
    expectTypeOf<AsyncIterable<string>>().not.toExtend<RecordSource>()
  })

  test('returns the segments that it closes and deletes', () => {
    expectTypeOf<storage.WalWriter['closeActiveSegment']>().returns.resolves.toEqualTypeOf<ClosedSegment | null>()
    type Delete = (policy: RetentionPolicy) => Promise<SegmentInfo[]>
    expectTypeOf<storage.WalWriter['deleteSegments']>().toEqualTypeOf<Delete>()
    expectTypeOf<storage.WalWriter['truncate']>().toEqualTypeOf<(offset: bigint) => Promise<void>>()
    type Reset = (offset: bigint, options?: storage.ResetOptions) => Promise<void>
    expectTypeOf<storage.WalWriter['resetTo']>().toEqualTypeOf<Reset>()
  })

  test('is closed at the end of an `await using` block', () => {
    expectTypeOf<storage.WalWriter>().toExtend<AsyncDisposable>()
    expectTypeOf<storage.WalReader>().toExtend<AsyncDisposable>()
  })

  test('has read-only state', () => {
    expectTypeOf<storage.WalWriter['nextOffset']>().toEqualTypeOf<bigint>()
    expectTypeOf<Pick<storage.WalWriter, 'recovery'>>().toEqualTypeOf<{ readonly recovery: Recovery }>()
    expectTypeOf<Recovery['kind']>().toEqualTypeOf<'clean' | 'torn'>()
    expectTypeOf<Recovery['markError']>().toEqualTypeOf<Error | null>()
    expectTypeOf<storage.WriterStats['failedMarks']>().toEqualTypeOf<number>()
    expectTypeOf<storage.WriterStats['pendingBytes']>().toEqualTypeOf<number>()
  })

  test('waits for room, shares limits and changes its options', () => {
    type Ready = (options?: storage.ReadyOptions) => Promise<void>
    expectTypeOf<storage.WalWriter['ready']>().toEqualTypeOf<Ready>()
    expectTypeOf<{ bytes: undefined; signal: undefined }>().toExtend<storage.ReadyOptions>()
    type Configure = (changes: Omit<WalConfig, 'dataDir'>) => void
    expectTypeOf<storage.WalWriter['configure']>().toEqualTypeOf<Configure>()
    expectTypeOf<{ limits: storage.SharedLimits }>().toExtend<storage.WalWriterOptions>()
    expectTypeOf<object>().not.toExtend<storage.SharedLimitsOptions>()
  })
})

describe('a record', () => {
  test('can be made of Buffers, and is returned as Uint8Arrays', () => {
    expectTypeOf<{ key: Buffer; value: Buffer; headers: []; timestampMs: number }>().toExtend<RecordInput>()
    expectTypeOf<RecordInput['value']>().toEqualTypeOf<Uint8Array | null>()
    expectTypeOf<LogRecord['key']>().toEqualTypeOf<Uint8Array | null>()
    expectTypeOf<LogRecord['value']>().toEqualTypeOf<Uint8Array | null>()
  })

  test('to append needs only a value', () => {
    expectTypeOf<{ value: Buffer }>().toExtend<RecordInput>()
    expectTypeOf<{ value: null; key: undefined; headers: undefined; timestampMs: undefined }>().toExtend<RecordInput>()
    expectTypeOf<{ key: Buffer }>().not.toExtend<RecordInput>()
  })

  test('that was read can be appended to another log unchanged', () => {
    expectTypeOf<LogRecord>().toExtend<RecordInput>()
    expectTypeOf<LogRecord['offset']>().toEqualTypeOf<bigint>()
  })

  test('does not accept strings, nor an offset that is a number', () => {
    expectTypeOf<string>().not.toExtend<RecordInput['value']>()
    expectTypeOf<undefined>().not.toExtend<RecordInput['value']>()
    expectTypeOf<number>().not.toExtend<ReadOptions['from']>()
  })
})

describe('a reader', () => {
  test('is opened like a writer, and iterates over records or over commits', () => {
    type Open = (...given: [...log: Log, options?: storage.WalReaderOptions]) => Promise<storage.WalReader>
    expectTypeOf<typeof WalReader.open>().toEqualTypeOf<Open>()
    type Read = (options?: ReadOptions) => AsyncIterableIterator<LogRecord>
    expectTypeOf<storage.WalReader['read']>().toEqualTypeOf<Read>()
    type ReadBatches = (options?: storage.ReadBatchesOptions) => AsyncIterableIterator<storage.RecordBatch>
    expectTypeOf<storage.WalReader['readBatches']>().toEqualTypeOf<ReadBatches>()
    expectTypeOf<storage.WalReader['offsetAt']>().toEqualTypeOf<
      (timestampMs: number) => Promise<storage.TimedOffset | null>
    >()
  })

  test('fetches batches, and waits for an offset', () => {
    type Fetch = (options: storage.FetchOptions) => Promise<storage.FetchResult>
    expectTypeOf<storage.WalReader['fetch']>().toEqualTypeOf<Fetch>()
    expectTypeOf<storage.FetchResult['batches']>().toEqualTypeOf<readonly storage.RecordBatch[]>()
    type Offsets = Omit<storage.FetchResult, 'batches'>
    expectTypeOf<Offsets>().toEqualTypeOf<Readonly<Record<'logStartOffset' | 'highWatermark' | 'nextOffset', bigint>>>()
    expectTypeOf<{ from: bigint; to: undefined; maxWaitMs: undefined }>().toExtend<storage.FetchOptions>()
    expectTypeOf<object>().not.toExtend<storage.FetchOptions>()
    type WaitFor = (offset: bigint, options?: storage.WaitOptions) => Promise<boolean>
    expectTypeOf<storage.WalReader['waitFor']>().toEqualTypeOf<WaitFor>()
  })

  test('returns commits that can be sent and decoded again', () => {
    expectTypeOf<storage.RecordBatch>().toExtend<EncodedBatch>()
    expectTypeOf<typeof storage.RecordBatch.from>().toEqualTypeOf<(encoded: EncodedBatch) => storage.RecordBatch>()
    expectTypeOf<storage.RecordBatch['records']>().returns.toEqualTypeOf<readonly LogRecord[]>()
  })

  test('treats an undefined option like a missing one', () => {
    expectTypeOf<{ from: undefined; follow: undefined; signal: undefined }>().toExtend<ReadOptions>()
    expectTypeOf<{ dataDir: string; maxSegmentBytes: undefined }>().toExtend<WalConfig>()
    expectTypeOf<object>().not.toExtend<WalConfig>()
    expectTypeOf<{ maxAgeMs: undefined; belowOffset: bigint; trustClock: undefined }>().toExtend<RetentionPolicy>()
  })
})

describe('an error', () => {
  test('is identified by its class or by its code', () => {
    expectTypeOf(error).toExtend<Error>()
    expectTypeOf(error.code).toEqualTypeOf<WalErrorCode>()
    expectTypeOf<'SQ_WAL_LOCKED'>().toExtend<WalErrorCode>()
    expectTypeOf<string>().not.toExtend<WalErrorCode>()
    if (error instanceof storage.AppendFailedError) expectTypeOf(error.nextOffset).toEqualTypeOf<bigint>()
    if (error instanceof storage.OffsetOutOfRangeError) expectTypeOf(error.firstOffset).toEqualTypeOf<bigint>()
    if (error instanceof storage.AppendAllError) expectTypeOf(error.records).toEqualTypeOf<number>()
    if (error instanceof storage.ClockSuspectError) expectTypeOf(error.referenceMs).toEqualTypeOf<number>()
    if (error instanceof storage.OffsetMismatchError) expectTypeOf(error.expected).toEqualTypeOf<bigint>()
    if (error instanceof storage.BacklogFullError) expectTypeOf(error.limit).toEqualTypeOf<'writer' | 'shared'>()
  })

  test('of every exported class is a WalError', () => {
    type Name = Extract<keyof typeof storage, `${string}Error`>
    expectTypeOf<InstanceType<(typeof storage)[Name]>>().toExtend<storage.WalError>()
  })

  test('about a record names its index and the field', () => {
    expectTypeOf<storage.BadRecordError>().toExtend<Error>()
    expectTypeOf<storage.BadRecordError['code']>().toEqualTypeOf<'SQ_WAL_BAD_RECORD'>()
    expectTypeOf<storage.BadRecordError['index']>().toEqualTypeOf<number | null>()
    expectTypeOf<storage.BadRecordError['field']>().toEqualTypeOf<string | null>()
  })

  test('about damage says where it is', () => {
    expectTypeOf<storage.CorruptLogError>().toExtend<Damage>()
    expectTypeOf<Damage['lastOffset']>().toEqualTypeOf<bigint | null>()
  })
})

describe('management', () => {
  test('lists and verifies a log with the arguments of open', () => {
    expectTypeOf(storage.listSegments).toEqualTypeOf<(...log: Log) => Promise<SegmentInfo[]>>()
    expectTypeOf(storage.verify).toEqualTypeOf<(...log: Log) => Promise<LogReport>>()
    expectTypeOf(storage.listPartitions).parameters.toEqualTypeOf<[FileSystem, WalConfig]>()
    expectTypeOf(storage.listPartitions).returns.resolves.items.toEqualTypeOf<ListedPartition | UnreadablePartition>()
    type Asked = [...log: Log, question: { policy: RetentionPolicy; nowMs: number }]
    expectTypeOf(storage.listExpired).toEqualTypeOf<(...asked: Asked) => Promise<SegmentInfo[]>>()
    expectTypeOf(storage.explainRetention).toEqualTypeOf<(...asked: Asked) => Promise<RetentionVerdict[]>>()
    type Kept = 'within-limits' | 'future-timestamp' | 'active' | 'keep-from-offset' | 'older-kept' | null
    expectTypeOf<RetentionVerdict['keptBecause']>().toEqualTypeOf<Kept>()
    expectTypeOf<ClosedSegment>().toExtend<SegmentInfo>()
    expectTypeOf<ClosedSegment['state']>().toEqualTypeOf<'sealed' | 'abandoned'>()
    expectTypeOf<ClosedSegment['lastOffset']>().toEqualTypeOf<bigint>()
    expectTypeOf<SegmentInfo['lastOffset']>().toEqualTypeOf<bigint | null>()
    expectTypeOf<SegmentInfo['state']>().toEqualTypeOf<'active' | 'sealed' | 'abandoned'>()
  })

  test('repairs a problem of a report with one of its repairs', () => {
    expectTypeOf<LogReport['problems']>().toEqualTypeOf<readonly LogProblem[]>()
    expectTypeOf<LogProblem['repairs']>().toEqualTypeOf<readonly PossibleRepair[]>()
    expectTypeOf<PossibleRepair['kind']>().toEqualTypeOf<RepairKind>()
    expectTypeOf(storage.repair).parameter(4).toEqualTypeOf<ChosenRepair>()
    expectTypeOf<ChosenRepair>().toEqualTypeOf<{ readonly problem: LogProblem; readonly repair: RepairKind }>()
    expectTypeOf(storage.repair).returns.resolves.toEqualTypeOf<Repaired>()
  })

  test('narrows a part of a dump by its kind', () => {
    if (part.kind === 'records') expectTypeOf(part.records).toEqualTypeOf<Iterable<LogRecord> | null>()
    if (part.kind === 'bad') expectTypeOf(part.reason).toEqualTypeOf<string>()
    expectTypeOf(storage.dumpSegment).returns.toExtend<AsyncIterable<SegmentPart>>()
  })

  test('types an event by its channel', () => {
    expectTypeOf<WalEvents['sq:wal:commit']>().toEqualTypeOf<CommitEvent>()
    expectTypeOf<WalEvents['sq:wal:recover']>().toEqualTypeOf<RecoverEvent>()
    expectTypeOf<CommitEvent['error']>().toEqualTypeOf<Error | null>()
    expectTypeOf<WalEvents['sq:wal:abandon']['error']>().toEqualTypeOf<Error | null>()
    type OfLog = { readonly topic: string; readonly partition: number }
    expectTypeOf<WalEvents[keyof WalEvents]>().toExtend<OfLog>()
  })
})
