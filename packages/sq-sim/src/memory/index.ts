/**
 * The in-memory file system, its faults and its crashes. Needs memfs.
 *
 * @module @sq/sim/memory
 */
export type { InMemoryFileSystemOptions } from './in-memory-file-system.ts'
export { InMemoryFileSystem } from './in-memory-file-system.ts'
export type { FailedSyncModel } from './machine.ts'
export type { CrashChoice, CrashPoint, Fill, TornSector } from './crash.ts'
export { CrashImage, CrashState } from './crash.ts'
export type {
  ActiveRule,
  BitFlip,
  Delay,
  ErrorFault,
  Fault,
  Faults,
  FaultRule,
  FaultTime,
  Hold,
  PathMatch,
  ShortWrite,
} from './faults.ts'
export type { Operation, OperationEvent, OperationListener, Operations, Target, Trace } from './operations.ts'
