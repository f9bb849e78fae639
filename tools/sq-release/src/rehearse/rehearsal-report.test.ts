import { expect, test } from 'vitest'
import { fileList, reportOf } from './rehearsal-report.ts'

const FILES = [
  { path: 'dist/clock.d.ts', sizeBytes: 100 },
  { path: 'dist/clock.d.ts.map', sizeBytes: 20 },
  { path: 'dist/clock.js', sizeBytes: 3000 },
  { path: 'dist/main.js', sizeBytes: 5 },
  { path: 'package.json', sizeBytes: 300 },
]

test('all files built from one source share one line', () => {
  expect(fileList(FILES)).toBe(
    [
      '  3,120 bytes  dist/clock{.d.ts,.d.ts.map,.js}',
      '      5 bytes  dist/main.js',
      '    300 bytes  package.json',
    ].join('\n'),
  )
})

test('a report shows versions, changelog and tarball', () => {
  const manifest = { name: '@sq/sim', version: '0.2.0' }
  const tarball = { fileName: 'sq-sim-0.2.0.tgz', sizeBytes: 1234, files: FILES, manifest }
  const news = '## 0.2.0\n\n- Faults can be held.'
  const report = reportOf({ name: '@sq/sim', before: '0.1.0', after: '0.2.0', news, tarball })
  expect(report.split('\n').filter((line) => line !== '')).toEqual([
    '@sq/sim  0.1.0 -> 0.2.0',
    '  ## 0.2.0',
    '  - Faults can be held.',
    '  sq-sim-0.2.0.tgz: 1,234 bytes, unpacked 3,425 bytes in 5 files',
    '    3,120 bytes  dist/clock{.d.ts,.d.ts.map,.js}',
    '        5 bytes  dist/main.js',
    '      300 bytes  package.json',
  ])
})

test('a package that is not released keeps its version', () => {
  const manifest = { name: '@sq/sim', version: '0.1.0' }
  const tarball = { fileName: 'sq-sim-0.1.0.tgz', sizeBytes: 1, files: [], manifest }
  const report = reportOf({ name: '@sq/sim', before: '0.1.0', after: '0.1.0', news: '', tarball })
  expect(report.split('\n')[0]).toBe('@sq/sim  0.1.0, as it is')
})
