/** The conformance suite that every `FileSystem` must pass. */
export type { CrashableFileSystem, FileSystemTest, FileSystemUnderTest } from './conformance.ts'
export { crashTests, fileSystemTests } from './conformance.ts'
