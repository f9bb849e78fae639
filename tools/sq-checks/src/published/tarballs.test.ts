/** What is in the tarballs, beside what publint finds. */
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

test('the three packages are published, and no other', () => {
  expect([...tarballs.keys()]).toEqual(['@sq/sim', '@sq/storage', '@sq/wal-cli'])
})

describe.each(['@sq/sim', '@sq/storage', '@sq/wal-cli'])('%s', (name) => {
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

  test('has its licence, its README and what was built', () => {
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(files.filter((path) => /^dist\/.*\.js$/.test(path))).not.toEqual([])
  })

  test('has no test, no helper of tests that is not exported, and no record of the build', () => {
    const unwanted = './testing' in manifest.exports ? /\.test|tsbuildinfo/ : /\.test|tsbuildinfo|testing\//
    expect(files.filter((path) => unwanted.test(path))).toEqual([])
  })

  test('has every file that its README leads to', async () => {
    const readme = await readFile(join(directory, name, 'README.md'), 'utf8')
    const targets = Array.from(readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g), ([, target = '']) => target)
    const relative = targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => target.replace(/^\.\//, ''))
    expect(relative.filter((target) => !files.includes(target))).toEqual([])
  })

  test('has every file that a map leads to', () => {
    const maps = files.filter((path) => path.endsWith('.js.map'))
    const sources = maps.map((path) => path.replace(/^dist(.*)\.js\.map$/, 'src$1.ts'))
    expect(files).toEqual(expect.arrayContaining(sources))
  })

  test('depends on releases, not on the workspace', () => {
    expect(JSON.stringify(manifest)).not.toContain('workspace:')
  })

  test('leads nobody to sources that Node does not run', () => {
    expect(JSON.stringify(manifest.exports)).not.toContain('@sq/source')
  })

  test('is published for everyone, with provenance', () => {
    expect(manifest).toMatchObject({
      license: 'Apache-2.0',
      engines: { node: '>=20.19' },
      publishConfig: { access: 'public', provenance: true },
    })
  })

  test('has types that fit its code, wherever ES modules are resolved', async () => {
    const attw = tool('@arethetypeswrong/cli/dist/index.js')
    await run(process.execPath, [attw, tarballs.get(name) ?? '', '--profile', 'esm-only'], { directory })
  })
})
