/**
 * The interface of the file system, the real file system, the clocks, and seeded random numbers.
 *
 * @module @sq/sim
 */
export type {
  FileHandle,
  FileLock,
  FileStat,
  FileSystem,
  FileSystemSpace,
  OpenMode,
  OpenOptions,
  Watch,
} from './file-system.ts'
export type { Clock } from './clock.ts'
export { ManualClock, SystemClock } from './clock.ts'
export type { NodeFileSystemOptions } from './node-file-system.ts'
export { NodeFileSystem } from './node-file-system.ts'
export { Random } from './random.ts'
