import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageFolders, ROOT, shippedSources } from './source-tree.ts'
import type { SourceFile } from './source-tree.ts'

const NAMES = {
  'sq-bench': '@sq/bench',
  'sq-checks': '@sq/checks',
  'sq-release': '@sq/release',
  'sq-sim': '@sq/sim',
  'sq-storage': '@sq/storage',
  'sq-torture': '@sq/torture',
  'sq-wal-cli': '@sq/wal-cli',
}

const sim = shippedSources('sq-sim')
const storage = shippedSources('sq-storage')
const cli = shippedSources('sq-wal-cli')

/** The files that break a rule, each with what breaks it. */
function offenders(files: readonly SourceFile[], breaks: (file: SourceFile) => string | undefined): string[] {
  return files.flatMap((file) => {
    const found = breaks(file)
    return found === undefined ? [] : [`${file.path}: ${found}`]
  })
}

/** The files that import something that `allowed` does not name. */
function importsBeyond(files: readonly SourceFile[], allowed: RegExp): string[] {
  return offenders(files, ({ imports }) => imports.find(({ target }) => !allowed.test(target))?.target)
}

function except(files: readonly SourceFile[], path: RegExp): SourceFile[] {
  return files.filter((file) => !path.test(file.path))
}

test('every package has the name and the folder it should have', () => {
  const names = packageFolders().map((folder) => {
    const manifest: unknown = JSON.parse(readFileSync(join(ROOT, 'packages', folder, 'package.json'), 'utf8'))
    return [folder, manifest]
  })
  expect(Object.fromEntries(names)).toMatchObject(
    Object.fromEntries(Object.entries(NAMES).map(([folder, name]) => [folder, { name, type: 'module' }])),
  )
  expect(names).toHaveLength(Object.keys(NAMES).length)
})

test.each([
  'sq-sim/src/index.ts',
  'sq-sim/src/file-system.ts',
  'sq-sim/src/clock.ts',
  'sq-sim/src/random.ts',
  'sq-sim/src/node-file-system.ts',
  'sq-sim/src/memory/index.ts',
  'sq-sim/src/memory/in-memory-file-system.ts',
  'sq-sim/src/memory/durable-state.ts',
  'sq-sim/src/memory/faults.ts',
  'sq-sim/src/testing/index.ts',
  'sq-storage/src/index.ts',
  'sq-storage/src/errors.ts',
  'sq-storage/src/config.ts',
  'sq-storage/src/wal/segment.ts',
  'sq-storage/src/wal/format/frame.ts',
  'sq-storage/src/wal/format/record.ts',
  'sq-storage/src/wal/writer.ts',
  'sq-storage/src/wal/reader.ts',
  'sq-storage/src/wal/writing/recovery.ts',
])('%s is where a newcomer looks for it', (path) => {
  expect(existsSync(join(ROOT, 'packages', path))).toBe(true)
})

describe('who may import whom', () => {
  test('@sq/sim imports Node, its two optional bindings, and nothing of ours', () => {
    expect(importsBeyond(sim, /^(node:|packages\/sq-sim\/|memfs$|fs-native-extensions$)/)).toEqual([])
  })

  test('only memory/ imports memfs', () => {
    expect(importsBeyond(except(sim, /\/memory\//), /^(?!memfs)/)).toEqual([])
  })

  test('only the index of memory/ leads there from outside', () => {
    expect(importsBeyond(except(sim, /\/memory\//), /^(?!packages\/sq-sim\/src\/memory\/)/)).toEqual([])
  })

  test('only the real file system and what it is made of import node:fs', () => {
    const parts = 'descriptor|regular-file|new-file|file-lock|directory-watch|path-watch|lock-binding|required-package'
    const others = except([...sim, ...storage], new RegExp(`/(node-file-system|${parts})\\.ts$`))
    expect(importsBeyond(others, /^(?!node:fs|fs-native-extensions)/)).toEqual([])
  })

  test('@sq/storage imports Node and @sq/sim, and not its memory', () => {
    expect(importsBeyond(storage, /^(node:|packages\/sq-storage\/|@sq\/sim$)/)).toEqual([])
  })

  test('the codecs are pure: no I/O, no clock, nothing of @sq/sim', () => {
    const codec = /\/wal\/(integers|given-bytes|frame|segment|open-frame|record|seal|partition)\.ts$/
    const codecs = storage.filter(({ path }) => codec.test(path))
    expect(codecs).toHaveLength(8)
    expect(importsBeyond(codecs, new RegExp(`^(node:zlib|node:path|node:util/types|packages/sq-storage/src/config.ts)$|${codec.source}`))).toEqual([])
  })

  test('what reads a log leads to nothing that writes one', () => {
    const reading = ['reader', 'segments', 'partitions', 'segment-dump', 'verify'].map((name) => `packages/sq-storage/src/wal/${name}.ts`)
    const writing = /\/(writer|log-tail|recovery|repair|truncation|kept-segments|active-segment|commit|segment-directory|partition-lock)\.ts$/
    expect(reachable(storage, reading).filter((path) => writing.test(path))).toEqual([])
  })

  test('only those who make segments take more than types from @sq/sim', () => {
    const others = except(storage, /\/wal\/(writer|repair)\.ts$/)
    const values = offenders(others, ({ imports }) => imports.find(({ target, typeOnly }) => target === '@sq/sim' && !typeOnly)?.target)
    expect(values).toEqual([])
  })

  test('the command imports the two packages by their names', () => {
    const named = /^(node:|packages\/sq-wal-cli\/|@sq\/sim$|@sq\/storage$|commander$|cli-progress$|picocolors$)/
    expect(importsBeyond(cli, named)).toEqual([])
  })

  test.each([
    ['sim', sim],
    ['storage', storage],
    ['wal-cli', cli],
  ])('no files of %s import each other in a circle', (_, files) => {
    expect(circle(files)).toBeUndefined()
  })
})

test('only the clock reads the time, and only the watch of a real directory has a timer', () => {
  const libraries = except([...sim, ...storage], /\/(clock|directory-watch|path-watch)\.ts$/)
  expect(offenders(libraries, ({ code }) => /Date\.now|performance\.now|hrtime|new Date\(\)|setTimeout|setInterval/.exec(code)?.[0])).toEqual([])
})

test('only random makes random numbers', () => {
  const libraries = except([...sim, ...storage], /\/random\.ts$/)
  expect(offenders(libraries, ({ code }) => /Math\.random|randomBytes|randomInt|randomUUID|getRandomValues/.exec(code)?.[0])).toEqual([])
})

test('what a package exports is listed by name', () => {
  expect(offenders([...sim, ...storage, ...cli], ({ code }) => /^export \*/m.exec(code)?.[0])).toEqual([])
})

/** The files that run when some are imported. */
function reachable(files: readonly SourceFile[], from: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const found = new Set(from)
  for (const path of found) {
    for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) if (!typeOnly) found.add(target)
  }
  return [...found]
}

/** A circle of imports that exists when the code runs, as the paths on it; undefined if there is none. */
function circle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    done.add(path)
    for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) {
      const found = typeOnly ? undefined : visit(target, [...trail, path])
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const { path } of files) {
    const found = visit(path, [])
    if (found !== undefined) return found
  }
  return undefined
}
