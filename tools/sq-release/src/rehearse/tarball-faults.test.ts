import { expect, test } from 'vitest'
import { tarballFaults } from './tarball-faults.ts'
import type { Manifest } from './public-package.ts'

const VERSIONS = new Map([
  ['@sq/sim', '0.2.0'],
  ['@sq/storage', '0.1.1'],
])
const PATHS = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'dist/index.d.ts',
  'dist/index.d.ts.map',
  'dist/index.js',
  'dist/index.js.map',
  'package.json',
  'src/index.ts',
]
const MANIFEST: Manifest = {
  name: '@sq/storage',
  version: '0.1.1',
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
  dependencies: { '@sq/sim': '^0.2.0', commander: '14.0.3' },
}

/** The faults of a changed copy of a good tarball. */
function faultsOf(change: { readonly manifest?: Partial<Manifest>; readonly paths?: readonly string[] }): string[] {
  const files = (change.paths ?? PATHS).map((path) => ({ path, sizeBytes: 1 }))
  const manifest = { ...MANIFEST, ...change.manifest }
  return tarballFaults({ fileName: 'it.tgz', sizeBytes: 1, files, manifest }, VERSIONS)
}

test('a good tarball has no faults', () => {
  expect(faultsOf({})).toEqual([])
})

test('the style of a page belongs there', () => {
  expect(faultsOf({ paths: [...PATHS, 'dist/browser/page.css'] })).toEqual([])
})

test('a fault names its tarball', () => {
  expect(faultsOf({ manifest: { private: true } })).toEqual(['it.tgz: it is private, and npm would refuse it'])
})

test.each(['CHANGELOG.md', 'LICENSE', 'README.md'])('a missing %s is a fault', (missing) => {
  expect(faultsOf({ paths: PATHS.filter((path) => path !== missing) })).toEqual([`it.tgz: ${missing} is missing`])
})

test.each([
  'dist/.tsbuildinfo',
  'dist/index.test.js',
  'dist/index.css',
  'src/index.test.ts',
  'src/index.test-d.ts',
  'golden/torn/reading.json',
  'tsconfig.json',
  '.env',
])('%s does not belong there', (unwanted) => {
  expect(faultsOf({ paths: [...PATHS, unwanted] })).toEqual([`it.tgz: ${unwanted} does not belong there`])
})

test('a map without its source is a fault', () => {
  expect(faultsOf({ paths: PATHS.filter((path) => path !== 'src/index.ts') })).toEqual([
    'it.tgz: dist/index.d.ts.map leads to src/index.ts, which is missing',
    'it.tgz: dist/index.js.map leads to src/index.ts, which is missing',
  ])
})

test.each<[string, Partial<Manifest>]>([
  ['exports', { exports: { './memory': { default: './dist/memory.js' } } }],
  ['bin', { bin: { 'sq-wal': './dist/memory.js' } }],
  ['bin as one path', { bin: './dist/memory.js' }],
])('what %s leads to may not be missing', (_, manifest) => {
  expect(faultsOf({ manifest })).toEqual(['it.tgz: package.json leads to dist/memory.js, which is missing'])
})

test.each(['dependencies', 'peerDependencies', 'optionalDependencies', 'devDependencies'])(
  'a range in %s that only this repository knows is a fault',
  (kind) => {
    expect(faultsOf({ manifest: { dependencies: {}, [kind]: { '@sq/sim': 'workspace:^' } } })).toEqual([
      'it.tgz: it needs @sq/sim workspace:^, which only this repository knows',
    ])
  },
)

test('a dependency on another version than the one of this release is a fault', () => {
  expect(faultsOf({ manifest: { dependencies: { '@sq/sim': '^0.1.0' } } })).toEqual([
    'it.tgz: it needs @sq/sim ^0.1.0, and this release has 0.2.0',
  ])
})

test('a tarball of another version is a fault', () => {
  expect(faultsOf({ manifest: { version: '0.1.0' } })).toEqual(['it.tgz: it is @sq/storage 0.1.0, not 0.1.1'])
})
