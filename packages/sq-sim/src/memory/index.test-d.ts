/** The types that users of the file system in memory rely on. `api/` has all signatures. */
import { describe, expectTypeOf, test } from 'vitest'
import type { FileSystem, Random } from '../index.ts'
import type {
  ActiveRule,
  CrashChoice,
  CrashImage,
  CrashState,
  Fault,
  FaultRule,
  Hold,
  Operation,
  OperationEvent,
  PathMatch,
} from './index.ts'
import { InMemoryFileSystem } from './index.ts'

declare const image: CrashImage

test('a file system in memory is a file system, with optional options', () => {
  expectTypeOf<InMemoryFileSystem>().toExtend<FileSystem>()
  expectTypeOf(InMemoryFileSystem).toBeConstructibleWith()
  expectTypeOf(InMemoryFileSystem).toBeConstructibleWith({ failedSync: 'btrfs', weakNames: true })
})

describe('a crash', () => {
  test('has the worst outcome, a chosen one, a random one, or an image', () => {
    type Outcome = CrashChoice | { readonly random: Random } | CrashImage
    expectTypeOf<InMemoryFileSystem['crash']>().toEqualTypeOf<(outcome?: Outcome) => void>()
    expectTypeOf<InMemoryFileSystem['kill']>().toEqualTypeOf<() => void>()
  })

  test('leaves images that a new file system can start from', () => {
    expectTypeOf<InMemoryFileSystem['crashState']>().returns.toEqualTypeOf<CrashState>()
    expectTypeOf<CrashState['everyChoice']>().returns.toExtend<Iterable<CrashChoice>>()
    expectTypeOf<CrashState['image']>().toEqualTypeOf<(choice: CrashChoice) => CrashImage>()
    expectTypeOf(InMemoryFileSystem).toBeConstructibleWith({ image })
    expectTypeOf<CrashImage['digest']>().returns.toEqualTypeOf<string>()
  })
})

describe('a fault', () => {
  test('that is simple takes one line', () => {
    type Fail = (on: Operation | readonly Operation[], error: string, path?: PathMatch) => ActiveRule
    expectTypeOf<InMemoryFileSystem['faults']['failNext']>().toEqualTypeOf<Fail>()
    expectTypeOf<InMemoryFileSystem['faults']['failAlways']>().toEqualTypeOf<Fail>()
    expectTypeOf<InMemoryFileSystem['faults']['hold']>().returns.toEqualTypeOf<Hold>()
  })

  test('that is not simple is a rule', () => {
    type Rare = { chance: number; random: Random }
    expectTypeOf<{ on: 'read'; path: RegExp; when: Rare; fault: { flipBit: 7 } }>().toExtend<FaultRule>()
    expectTypeOf<{ error: 'ENOSPC'; afterBytes: 100 }>().toExtend<Fault>()
    expectTypeOf<{ on: 'fsync'; fault: { error: 'EIO' } }>().not.toExtend<FaultRule>()
    expectTypeOf<{ on: 'sync'; fault: { broken: true } }>().not.toExtend<FaultRule>()
  })
})

test('operations are counted by name, and observed at their start and end', () => {
  expectTypeOf<InMemoryFileSystem['operations']['count']>().toEqualTypeOf<(operation?: Operation) => number>()
  expectTypeOf<OperationEvent['phase']>().toEqualTypeOf<'start' | 'end'>()
  expectTypeOf<InMemoryFileSystem['operations']['observe']>().returns.toEqualTypeOf<() => void>()
})
