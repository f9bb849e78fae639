/**
 * What every `FileSystem` must do, one test for each promise of `file-system.ts`, for any test runner:
 *
 *     for (const { name, run } of fileSystemTests) it(name, () => run({ fs, directory }))
 */
import type { FileSystem } from '../file-system.ts'
import { durabilityTests } from './durability.ts'
import { handleTests } from './handles.ts'
import { lockTests } from './locks.ts'
import { nameTests } from './names.ts'
import { watchTests } from './watches.ts'

/** What a test works on. */
export interface FileSystemUnderTest {
  readonly fs: FileSystem
  /** An empty directory, durable, of which the test may do what it likes. Each test gets its own. */
  readonly directory: string
}

/** A file system whose power can be cut: only what was made durable is left, and every handle is dead. */
export interface CrashableFileSystem extends FileSystemUnderTest {
  /** Resolves when `fs` is the machine after the power cut. */
  readonly cutPower: () => void | Promise<void>
}

/** A test: a fact, in the present tense, and the function that rejects when it does not hold. */
export interface FileSystemTest<Under = FileSystemUnderTest> {
  readonly name: string
  /** Rejects where it does not hold. */
  readonly run: (under: Under) => Promise<void>
}

/** For every file system. */
export const fileSystemTests: readonly FileSystemTest[] = [
  ...nameTests,
  ...handleTests,
  ...lockTests,
  ...watchTests,
]

/** For those that can lose what was not made durable. */
export const crashTests: readonly FileSystemTest<CrashableFileSystem>[] = durabilityTests
