import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageFolders, ROOT, shippedSources } from './source-tree.ts'
import type { SourceFile } from './source-tree.ts'

const NAMES = {
  'packages/sq-sim': '@sq/sim',
  'packages/sq-storage': '@sq/storage',
  'packages/sq-wal-cli': '@sq/wal-cli',
  'tools/sq-bench': '@sq/bench',
  'tools/sq-checks': '@sq/checks',
  'tools/sq-release': '@sq/release',
  'tools/sq-torture': '@sq/torture',
}

const sim = shippedSources('packages/sq-sim')
const storage = shippedSources('packages/sq-storage')
const cli = shippedSources('packages/sq-wal-cli')

const WAL = 'packages/sq-storage/src/wal/'

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
    const manifest: unknown = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
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

  /** Each folder of the log, and each of its doors, with what it may import. */
  test.each([
    ['format/', ['node:util/types', 'node:zlib', 'config.ts']],
    ['segment.ts', ['format/']],
    ['segments/', ['node:path', 'config.ts', 'errors.ts', 'format/', 'segment.ts']],
    ['shared/', ['node:timers', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['reading/', ['config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/', 'shared/']],
    ['writing/', ['node:', 'config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/', 'shared/']],
    ['checking/', ['node:path', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['dump.ts', ['config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['listing.ts', ['node:path', 'config.ts', 'errors.ts', 'segment.ts', 'segments/', 'shared/']],
    ['reader.ts', ['config.ts', 'errors.ts', 'format/', 'segments/', 'shared/', 'reading/']],
    ['verify.ts', ['config.ts', 'errors.ts', 'segments/', 'shared/', 'checking/']],
    [
      'repair.ts',
      [
        'node:path',
        'config.ts',
        'errors.ts',
        'segment.ts',
        'segments/',
        'checking/',
        'verify.ts',
        'writing/',
        '@sq/sim',
      ],
    ],
    ['writer.ts', ['config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/', 'shared/', 'writing/', '@sq/sim']],
  ])('%s of the log imports only what stands below it', (room, allowed) => {
    const files = storage.filter(({ path }) => path.startsWith(`${WAL}${room}`))
    expect(files).not.toEqual([])
    const isAllowed = (target: string): boolean =>
      [room, ...allowed].some((start) =>
        [start, `${WAL}${start}`, `packages/sq-storage/src/${start}`].some((path) => target.startsWith(path)),
      )
    const wrong = ({ imports }: SourceFile) =>
      imports.find(({ target, typeOnly }) => !isAllowed(target) && !(typeOnly && target === '@sq/sim'))?.target
    expect(offenders(files, wrong)).toEqual([])
  })

  test('every file of the log is a door or stands in a folder', () => {
    const doors = storage.filter(({ path }) => path.startsWith(WAL) && !path.slice(WAL.length).includes('/'))
    const names = ['dump', 'listing', 'reader', 'repair', 'segment', 'verify', 'writer']
    expect(doors.map(({ path }) => path).toSorted()).toEqual(names.map((name) => `${WAL}${name}.ts`))
    const folders = new Set(storage.flatMap(({ path }) => /\/wal\/(\w+)\//.exec(path)?.[1] ?? []))
    expect([...folders].toSorted()).toEqual(['checking', 'format', 'reading', 'segments', 'shared', 'writing'])
  })

  test('the command imports the two packages by their names', () => {
    const named = /^(node:|packages\/sq-wal-cli\/|@sq\/sim$|@sq\/storage$|commander$|cli-progress$|picocolors$)/
    expect(importsBeyond(cli, named)).toEqual([])
  })

  test.each(packageFolders())('no files of %s import each other in a circle, types neither', (folder) => {
    expect(circle(shippedSources(folder))).toBeUndefined()
  })
})

test('a package is published if it is in packages/, and private if it is in tools/', () => {
  for (const folder of packageFolders()) {
    const manifest: unknown = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
    if (folder.startsWith('tools/')) expect(manifest).toMatchObject({ private: true })
    else expect(manifest).not.toHaveProperty('private')
  }
})

test('only the clock reads the time, and only the watch of a real directory has a timer', () => {
  const libraries = except([...sim, ...storage], /\/(clock|directory-watch|path-watch)\.ts$/)
  expect(
    offenders(
      libraries,
      ({ code }) => /Date\.now|performance\.now|hrtime|new Date\(\)|setTimeout|setInterval/.exec(code)?.[0],
    ),
  ).toEqual([])
})

test('only random makes random numbers', () => {
  const libraries = except([...sim, ...storage], /\/random\.ts$/)
  expect(
    offenders(libraries, ({ code }) => /Math\.random|randomBytes|randomInt|randomUUID|getRandomValues/.exec(code)?.[0]),
  ).toEqual([])
})

test('what a package exports is listed by name', () => {
  expect(offenders([...sim, ...storage, ...cli], ({ code }) => /^export \*/m.exec(code)?.[0])).toEqual([])
})

/** A circle of imports, as the paths on it; undefined if there is none. */
function circle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    done.add(path)
    for (const { target } of byPath.get(path)?.imports ?? []) {
      const found = visit(target, [...trail, path])
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
