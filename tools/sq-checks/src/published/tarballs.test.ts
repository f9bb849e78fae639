/** The contents of the tarballs. publint checks more. */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from './run.ts'
import { manifestIn, pack } from './tarballs.ts'
import type { Manifest } from './tarballs.ts'
import { tool } from './tools.ts'

let directory: string
let tarballs: Map<string, string>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-tarballs-'))
  tarballs = await pack(directory)
})

afterAll(() => rm(directory, { recursive: true }))

const PUBLISHED = ['@sq/archive', '@sq/sim', '@sq/storage', '@sq/wal-cli']

test('these packages are published, and no other', () => {
  expect([...tarballs.keys()]).toEqual(PUBLISHED)
})

describe.each(PUBLISHED)('%s', (name) => {
  let files: string[]
  let manifest: Manifest

  beforeAll(async () => {
    const tarball = tarballs.get(name) ?? ''
    const unpacked = join(directory, name)
    await mkdir(unpacked, { recursive: true })
    await run('tar', ['xzf', tarball, '-C', unpacked, '--strip-components=1'], { directory })
    const found = await readdir(unpacked, { recursive: true, withFileTypes: true })
    files = found
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(unpacked.length + 1)
          .replaceAll(sep, '/'),
      )
    manifest = await manifestIn(unpacked)
  })

  test('contains its licence, its README and the build', () => {
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(files.filter((path) => /^dist\/.*\.js$/.test(path))).not.toEqual([])
  })

  test('contains no tests, no test helpers that are not exported, and no tsbuildinfo', () => {
    const unwanted = './testing' in manifest.exports ? /\.test|tsbuildinfo/ : /\.test|tsbuildinfo|testing\//
    expect(files.filter((path) => unwanted.test(path))).toEqual([])
  })

  test('contains every file that its README links to', async () => {
    const readme = await readFile(join(directory, name, 'README.md'), 'utf8')
    const targets = Array.from(readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g), ([, target = '']) => target)
    const relative = targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => target.replace(/^\.\//, ''))
    expect(relative.filter((target) => !files.includes(target))).toEqual([])
  })

  test('contains every source that a source map refers to', () => {
    const maps = files.filter((path) => path.endsWith('.js.map'))
    const sources = maps.map((path) => path.replace(/^dist(.*)\.js\.map$/, 'src$1.ts'))
    expect(files).toEqual(expect.arrayContaining(sources))
  })

  test('depends on releases, not on the workspace', () => {
    expect(JSON.stringify(manifest)).not.toContain('workspace:')
  })

  test('exports no TypeScript sources', () => {
    expect(JSON.stringify(manifest.exports)).not.toContain('@sq/source')
  })

  test('is published as public, with provenance', () => {
    expect(manifest).toMatchObject({
      license: 'Apache-2.0',
      engines: { node: '>=20.19' },
      publishConfig: { access: 'public', provenance: true },
    })
  })

  test('has types that match its code in every resolution of ES modules', async () => {
    const attw = tool('@arethetypeswrong/cli/dist/index.js')
    await run(process.execPath, [attw, tarballs.get(name) ?? '', '--profile', 'esm-only'], { directory })
  })
})
