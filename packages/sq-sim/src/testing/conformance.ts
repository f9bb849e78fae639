/**
 * What every `FileSystem` must do, one test for each promise of `file-system.ts`, for any test runner:
 *
 *     for (const { name, run } of fileSystemTests) it(name, () => run({ fs, directory }))
 */
import { durabilityTests } from './durability.ts'
import type { CrashableFileSystem, FileSystemTest } from './fixtures.ts'
import { handleTests } from './handles.ts'
import { lockTests } from './locks.ts'
import { nameTests } from './names.ts'
import { watchTests } from './watches.ts'

/** Tests for every file system. */
export const fileSystemTests: readonly FileSystemTest[] = [...nameTests, ...handleTests, ...lockTests, ...watchTests]

/** Tests for file systems that can lose what was not made durable. */
export const crashTests: readonly FileSystemTest<CrashableFileSystem>[] = durabilityTests
