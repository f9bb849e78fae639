/** The types that users and implementers of a file system rely on. `api/` has all signatures. */
import { describe, expectTypeOf, test } from 'vitest'
import type {
  Clock,
  FileHandle,
  FileLock,
  FileStat,
  FileSystem,
  NodeFileSystemOptions,
  OpenMode,
  OpenOptions,
  Watch,
} from './index.ts'
import { ManualClock, NodeFileSystem, Random, SystemClock } from './index.ts'
import type { CrashableFileSystem, FileSystemTest, FileSystemUnderTest } from './testing/index.ts'
import { crashTests, fileSystemTests } from './testing/index.ts'

describe('a file system', () => {
  test('NodeFileSystem is one, with optional options', () => {
    expectTypeOf<NodeFileSystem>().toExtend<FileSystem>()
    expectTypeOf(NodeFileSystem).toBeConstructibleWith()
    expectTypeOf(NodeFileSystem).toBeConstructibleWith({ blocking: true })
    expectTypeOf<NodeFileSystemOptions>().toEqualTypeOf<{ readonly blocking?: boolean; readonly unlocked?: boolean }>()
  })

  test('opens files in one of three modes', () => {
    expectTypeOf<OpenMode>().toEqualTypeOf<'read' | 'read-write' | 'create'>()
    type Open = (path: string, mode: OpenMode, options?: OpenOptions) => Promise<FileHandle>
    expectTypeOf<FileSystem['open']>().toEqualTypeOf<Open>()
    expectTypeOf<OpenOptions>().toEqualTypeOf<{ readonly like?: string }>()
  })

  test('writes bytes of any kind at a position', () => {
    type Write = (buffers: readonly Uint8Array[], position: number) => Promise<void>
    expectTypeOf<FileHandle['write']>().toEqualTypeOf<Write>()
    expectTypeOf<FileHandle['writeDurable']>().toEqualTypeOf<Write>()
    expectTypeOf<Buffer[]>().toExtend<Parameters<Write>[0]>()
    expectTypeOf<FileHandle['read']>().toEqualTypeOf<(buffer: Uint8Array, position: number) => Promise<number>>()
  })

  test('returns locks and watches as objects', () => {
    expectTypeOf<FileSystem['lock']>().returns.resolves.toEqualTypeOf<FileLock>()
    expectTypeOf<FileSystem['watch']>().toEqualTypeOf<(directory: string, onChange: () => void) => Promise<Watch>>()
    expectTypeOf<FileSystem['stat']>().returns.resolves.toEqualTypeOf<FileStat>()
    expectTypeOf<FileStat['kind']>().toEqualTypeOf<'file' | 'directory' | 'link' | 'other'>()
  })
})

test('SystemClock and ManualClock are clocks', () => {
  expectTypeOf<SystemClock>().toExtend<Clock>()
  expectTypeOf<ManualClock>().toExtend<Clock>()
  expectTypeOf<Clock['setTimer']>().toEqualTypeOf<(delayMs: number, callback: () => void) => () => void>()
  expectTypeOf<ManualClock['timers']>().toEqualTypeOf<number>()
  expectTypeOf<ManualClock['advance']>().toEqualTypeOf<(ms: number) => void>()
  expectTypeOf(ManualClock).toBeConstructibleWith(0)
})

test('random numbers come from a seed', () => {
  expectTypeOf(Random).constructorParameters.toEqualTypeOf<[seed: number | bigint]>()
  expectTypeOf<Random['bytes']>().returns.toEqualTypeOf<Uint8Array>()
  expectTypeOf(new Random(1).pick(['a', 'b'] as const)).toEqualTypeOf<'a' | 'b'>()
})

test('the conformance suite is a list of tests for any test runner', () => {
  expectTypeOf(fileSystemTests).toEqualTypeOf<readonly FileSystemTest[]>()
  expectTypeOf(crashTests).toEqualTypeOf<readonly FileSystemTest<CrashableFileSystem>[]>()
  expectTypeOf<FileSystemTest['run']>().toEqualTypeOf<(under: FileSystemUnderTest) => Promise<void>>()
  expectTypeOf<CrashableFileSystem>().toExtend<FileSystemUnderTest>()
})
