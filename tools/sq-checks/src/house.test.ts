import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageFolders, ROOT, shippedSources } from './source-tree.ts'
import type { SourceFile } from './source-tree.ts'

const NAMES = {
  'packages/sq-archive': '@sq/archive',
  'packages/sq-sim': '@sq/sim',
  'packages/sq-storage': '@sq/storage',
  'packages/sq-wal-cli': '@sq/wal-cli',
  'tools/sq-bench': '@sq/bench',
  'tools/sq-checks': '@sq/checks',
  'tools/sq-release': '@sq/release',
  'tools/sq-torture': '@sq/torture',
}

const archive = shippedSources('packages/sq-archive')
const sim = shippedSources('packages/sq-sim')
const storage = shippedSources('packages/sq-storage')
const cli = shippedSources('packages/sq-wal-cli')

const WAL = 'packages/sq-storage/src/wal/'

/** The files that break a rule, each with the text that breaks it. */
function violations(files: readonly SourceFile[], breaks: (file: SourceFile) => string | undefined): string[] {
  return files.flatMap((file) => {
    const found = breaks(file)
    return found === undefined ? [] : [`${file.path}: ${found}`]
  })
}

/** The files that import something that does not match `allowed`. */
function importsBeyond(files: readonly SourceFile[], allowed: RegExp): string[] {
  return violations(files, ({ imports }) => imports.find(({ target }) => !allowed.test(target))?.target)
}

function except(files: readonly SourceFile[], path: RegExp): SourceFile[] {
  return files.filter((file) => !path.test(file.path))
}

test('every package has its expected name and folder', () => {
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
])('the file %s exists, where a newcomer looks for it', (path) => {
  expect(existsSync(join(ROOT, 'packages', path))).toBe(true)
})

describe('allowed imports', () => {
  test('@sq/sim imports only Node and its two optional dependencies', () => {
    expect(importsBeyond(sim, /^(node:|packages\/sq-sim\/|memfs$|fs-native-extensions$)/)).toEqual([])
  })

  test('only memory/ imports memfs', () => {
    expect(importsBeyond(except(sim, /\/memory\//), /^(?!memfs)/)).toEqual([])
  })

  test('files outside memory/ do not import its files', () => {
    expect(importsBeyond(except(sim, /\/memory\//), /^(?!packages\/sq-sim\/src\/memory\/)/)).toEqual([])
  })

  test('only the real file system and its parts import node:fs', () => {
    const parts = 'descriptor|regular-file|new-file|file-lock|directory-watch|path-watch|lock-binding|required-package'
    const others = except([...sim, ...storage], new RegExp(`/(node-file-system|${parts})\\.ts$`))
    expect(importsBeyond(others, /^(?!node:fs|fs-native-extensions)/)).toEqual([])
  })

  test('@sq/storage imports only Node and @sq/sim, without the file system in memory', () => {
    expect(importsBeyond(storage, /^(node:|packages\/sq-storage\/|@sq\/sim$)/)).toEqual([])
  })

  test('@sq/archive imports only Node, @sq/sim and @sq/storage, and only s3/ its optional dependency', () => {
    expect(importsBeyond(archive, /^(node:|packages\/sq-archive\/|@sq\/(sim|storage)$|@aws-sdk\/client-s3$)/)).toEqual(
      [],
    )
    const others = except(archive, /\/s3\//)
    expect(importsBeyond(others, /^(?!@aws-sdk|packages\/sq-archive\/src\/s3\/)/)).toEqual([])
  })

  test('files of @sq/archive outside memory/ and testing/ do not import theirs', () => {
    const others = except(archive, /\/(memory|testing)\//)
    expect(importsBeyond(others, /^(?!node:fs|packages\/sq-archive\/src\/(memory|testing)\/)/)).toEqual([])
  })

  /** Each folder of the log, and each of its top-level files, with what it may import. */
  test.each([
    ['format/', ['node:util/types', 'node:zlib', 'config.ts', 'errors.ts']],
    ['segment.ts', ['format/']],
    ['segments/', ['node:path', 'config.ts', 'errors.ts', 'format/', 'segment.ts']],
    ['shared/', ['node:timers', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['reading/', ['config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/', 'shared/']],
    ['writing/', ['node:', 'config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/', 'shared/']],
    ['checking/', ['node:path', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['copy-log.ts', ['node:path', 'config.ts', 'errors.ts', 'segments/', 'shared/', 'checking/', 'writing/']],
    ['dump.ts', ['config.ts', 'errors.ts', 'format/', 'segment.ts', 'segments/']],
    ['listing.ts', ['node:path', 'config.ts', 'errors.ts', 'segment.ts', 'segments/', 'shared/']],
    ['reader.ts', ['@sq/sim', 'config.ts', 'errors.ts', 'format/', 'segments/', 'shared/', 'reading/']],
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
  ])('%s of the log imports only the layers below it', (layer, allowed) => {
    const files = storage.filter(({ path }) => path.startsWith(`${WAL}${layer}`))
    expect(files).not.toEqual([])
    const isAllowed = (target: string): boolean =>
      [layer, ...allowed].some((start) =>
        [start, `${WAL}${start}`, `packages/sq-storage/src/${start}`].some((path) => target.startsWith(path)),
      )
    const wrong = ({ imports }: SourceFile) =>
      imports.find(({ target, typeOnly }) => !isAllowed(target) && !(typeOnly && target === '@sq/sim'))?.target
    expect(violations(files, wrong)).toEqual([])
  })

  test('the log has nine top-level files and six folders', () => {
    const topLevel = storage.filter(({ path }) => path.startsWith(WAL) && !path.slice(WAL.length).includes('/'))
    const names = ['copy-log', 'delete-log', 'dump', 'listing', 'reader', 'repair', 'segment', 'verify', 'writer']
    expect(topLevel.map(({ path }) => path).toSorted()).toEqual(names.map((name) => `${WAL}${name}.ts`))
    const folders = new Set(storage.flatMap(({ path }) => /\/wal\/(\w+)\//.exec(path)?.[1] ?? []))
    expect([...folders].toSorted()).toEqual(['checking', 'format', 'reading', 'segments', 'shared', 'writing'])
  })

  test('every type that the interface of a package uses can be imported from it', () => {
    for (const name of ['sq-sim', 'sq-storage']) {
      const report = readFileSync(join(ROOT, `packages/${name}/api/index.api.md`), 'utf8')
      expect(report.match(/^(?:class|interface|type) \w+/gm)).toBeNull()
    }
  })

  test('the command imports the three packages by name, and its three dependencies', () => {
    const named =
      /^(node:|packages\/sq-wal-cli\/|@sq\/archive(\/s3)?$|@sq\/sim$|@sq\/storage$|commander$|cli-progress$|picocolors$)/
    expect(importsBeyond(cli, named)).toEqual([])
  })

  test.each(packageFolders())('%s has no circular imports, not even of types', (folder) => {
    expect(circularImport(shippedSources(folder))).toBeUndefined()
  })
})

test('a package is published if it is in packages/, and private if it is in tools/', () => {
  for (const folder of packageFolders()) {
    const manifest: unknown = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
    if (folder.startsWith('tools/')) expect(manifest).toMatchObject({ private: true })
    else expect(manifest).not.toHaveProperty('private')
  }
})

test('only the clock reads the time, and only the watch of a real directory sets a timer', () => {
  const libraries = except([...archive, ...sim, ...storage], /\/(clock|directory-watch|path-watch)\.ts$/)
  expect(
    violations(
      libraries,
      ({ code }) => /Date\.now|performance\.now|hrtime|new Date\(\)|setTimeout|setInterval/.exec(code)?.[0],
    ),
  ).toEqual([])
})

test('only random.ts makes random numbers', () => {
  const libraries = except([...archive, ...sim, ...storage], /\/random\.ts$/)
  expect(
    violations(
      libraries,
      ({ code }) => /Math\.random|randomBytes|randomInt|randomUUID|getRandomValues/.exec(code)?.[0],
    ),
  ).toEqual([])
})

test('exports are listed by name, without export *', () => {
  expect(violations([...archive, ...sim, ...storage, ...cli], ({ code }) => /^export \*/m.exec(code)?.[0])).toEqual([])
})

/** The paths of a circular import, or undefined if there is none. */
function circularImport(files: readonly SourceFile[]): string[] | undefined {
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
