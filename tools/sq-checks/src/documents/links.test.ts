/** Checks the links of the pages: to files, headings and tests. URLs are not checked. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../source-tree.ts'
import { anchors, links, namedTests, page, pages } from './documents.ts'

const all = pages()
const headings = new Map(all.map((one) => [one.path, anchors(one)]))

test.each(all)('every link of $path leads to an existing file and heading', (one) => {
  const local = links(one).filter(({ target }) => !/^[a-z]+:/.test(target))
  expect(local.flatMap(({ target, at }) => (leadsSomewhere(one.path, target) ? [] : [`${at}: ${target}`]))).toEqual([])
})

function leadsSomewhere(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? from : fromRoot(from, file)
  if (path.startsWith('..') || !existsSync(join(ROOT, path))) return false
  if (anchor === undefined) return true
  return headings.get(path)?.has(anchor) ?? false
}

function fromRoot(from: string, target: string): string {
  return posix.normalize(posix.join(dirname(from), decodeURI(target)))
}

const naming = all.map((one) => ({ path: one.path, tests: namedTests(one) })).filter(({ tests }) => tests.length > 0)

test.each(naming)('every test that $path names exists in its file', ({ path, tests }) => {
  const missing = tests.filter(({ file, name }) => !titles(fromRoot(path, file)).includes(`'${name}'`))
  expect(missing).toEqual([])
})

/** A test file with its strings unescaped and in single quotes. */
function titles(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8').replaceAll("\\'", "'").replaceAll(/["`]/g, "'")
}

test('every large number in the README comes from a measurement or from the demo', () => {
  const sources = ['docs/benchmarks.md', 'packages/sq-wal-cli/README.md'].map((path) => page(path).text).join('')
  const figures = Array.from(page('README.md').text.matchAll(/\b\d{1,3}(?:,\d{3})+\b/g), ([figure]) => figure)
  expect(figures.length).toBeGreaterThan(0)
  expect(figures.filter((figure) => !sources.includes(figure))).toEqual([])
})
