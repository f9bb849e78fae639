/**
 * A durable, segmented write-ahead log: one writer per partition, any number of readers.
 *
 * @module @sq/storage
 */
export { NodeFileSystem } from '@sq/sim'
export type { WalConfig } from './config.ts'
export type { Damage, WalErrorCode } from './errors.ts'
export {
  AppendAllError,
  AppendFailedError,
  BacklogFullError,
  ClockSuspectError,
  ClosedError,
  CorruptLogError,
  DivergedError,
  InvariantError,
  LockedError,
  LockLostError,
  LogNotFoundError,
  OffsetMismatchError,
  OffsetOutOfRangeError,
  OpaqueBatchError,
  ProblemChangedError,
  UnsupportedFormatError,
  WalError,
  WalIoError,
} from './errors.ts'
export type { AppendAllOptions, AppendedRecords, RecordSource } from './wal/writing/append-all.ts'
export type { BatchOptions, OpaqueBatch } from './wal/writing/checked-metadata.ts'
export type { BadRecordError } from './wal/writing/bad-record.ts'
export type {
  AbandonEvent,
  AppendEvent,
  CommitEvent,
  CommitReason,
  DeleteEvent,
  DeleteRecordsEvent,
  LogEvent,
  RecoverEvent,
  RotateEvent,
  RotateReason,
  ResetEvent,
  TruncateEvent,
  WalEvents,
} from './wal/writing/diagnostics.ts'
export { copyLog } from './wal/copy-log.ts'
export type { CopiedLog, CopyOptions, CopyPlace } from './wal/copy-log.ts'
export { deleteLog } from './wal/delete-log.ts'
export type { FetchResult, LogBounds } from './wal/reading/fetches.ts'
export type { FetchOptions, ReadBatchesOptions, ReadOptions, WaitOptions } from './wal/reading/read-options.ts'
export type { ReaderStats, TimedOffset, WalReaderOptions } from './wal/reader.ts'
export type {
  LogNote,
  LogProblem,
  LogReport,
  NoteKind,
  PossibleRepair,
  ProblemKind,
  RepairKind,
} from './wal/checking/report.ts'
export { WalReader } from './wal/reader.ts'
export type { EncodedBatch } from './wal/format/record-batch.ts'
export { RecordBatch } from './wal/format/record-batch.ts'
export type { LogRecord, RecordHeader, RecordInput } from './wal/format/record.ts'
export type { Recovery } from './wal/writing/recovery.ts'
export type { ChosenRepair, Repaired, RepairOptions } from './wal/repair.ts'
export { repair } from './wal/repair.ts'
export type { ListedPartition, UnreadablePartition } from './wal/listing.ts'
export { listPartitions } from './wal/listing.ts'
export { explainRetention, listExpired } from './wal/listing.ts'
export type { KeptReason, RetentionLimit, RetentionPolicy, RetentionVerdict } from './wal/segments/retention.ts'
export { dumpSegment } from './wal/dump.ts'
export type { DumpedFrame, DumpedPart, SegmentPart } from './wal/dump.ts'
export type { OpaqueContent, TimeRange } from './wal/format/batch-body.ts'
export type { FrameHeader } from './wal/format/frame.ts'
export type { IndexEntry, SegmentSummary } from './wal/format/seal.ts'
export type { OpenBody, SegmentHeader, SegmentLink } from './wal/segment.ts'
export type { ClosedSegment, SegmentInfo } from './wal/segments/describe.ts'
export { listSegments } from './wal/listing.ts'
export type { SegmentBytes, SegmentEnds, SegmentStart } from './wal/segments/segment-ends.ts'
export { readSegmentEnds, readSegmentStart } from './wal/segments/segment-ends.ts'
export { verify } from './wal/verify.ts'
export type { ReadyOptions, ResetOptions, WalWriterOptions } from './wal/writer.ts'
export { WalWriter } from './wal/writer.ts'
export type { SharedLimitsOptions } from './wal/writing/shared-limits.ts'
export { SharedLimits } from './wal/writing/shared-limits.ts'
export type { LogExtent, WriterStats } from './wal/writing/writer-meter.ts'
