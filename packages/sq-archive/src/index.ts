/** Ended segments of a log in an object store. */
export { Archiver } from './archiving/archiver.ts'
export type { ArchiverOptions, ArchiverStats } from './archiving/archiver.ts'
export type { ArchiveEvent, ArchiveEvents, RetryEvent, StopEvent, UploadEvent } from './archiving/events.ts'
export type {
  ArchivedWriter,
  AttachOptions,
  LocalRetention,
  LogArchiver,
  LogArchiverStats,
} from './archiving/log-archiver.ts'
export { lastArchived, listArchive } from './archived-log.ts'
export type { ArchivedLog, ArchivedSegment, OffsetGap } from './archived-log.ts'
export { checkConditionalPut } from './conditional-put.ts'
export { DirectoryObjectStore } from './directory-object-store.ts'
export { ArchiveDamagedError, ArchiveError, ArchiverClosedError, FencedError, LogMismatchError } from './errors.ts'
export type { ArchiveErrorCode } from './errors.ts'
export { FileSource, sourceOf } from './object-source.ts'
export { hadNoEffect, ObjectStoreError } from './object-store.ts'
export type { ListOptions, ObjectInfo, ObjectSource, ObjectStore, ObjectStoreErrorCode } from './object-store.ts'
export { ObjectStoreFileSystem } from './object-store-file-system.ts'
export type { ObjectStoreFileSystemOptions } from './object-store-file-system.ts'
export { restoreLog } from './restore.ts'
export type { RestoreOptions, RestoreTarget } from './restore.ts'
export { deleteArchived } from './retention.ts'
export type { ArchiveDeletion, ArchiveRetention } from './retention.ts'
export { verifyArchive } from './verify-archive.ts'
export type { ArchiveReport, VerifyOptions } from './verify-archive.ts'
export type { LogPlace } from './segment-key.ts'
export { TieredReader } from './tiered/tiered-reader.ts'
export type { TieredBounds, TieredReaderOptions } from './tiered/tiered-reader.ts'
