/**
 * The conformance suite that every `FileSystem` must pass.
 *
 * @module @sq/sim/testing
 */
export type { CrashableFileSystem, FileSystemTest, FileSystemUnderTest } from './fixtures.ts'
export { crashTests, fileSystemTests } from './conformance.ts'
