/** A process that a test starts inherits nothing from the test runner, so that it runs as for a user. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './source-tree.ts'

/** Programs that are not tests, and start others with the environment of their caller. */
const NO_TESTS = /^(tools\/sq-(bench|release)\/|packages\/sq-wal-cli\/src\/demo\/run-appender\.ts$)/

const sources = ['packages', 'tools', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .filter(
    (path) => /\.(ts|js|mjs)$/.test(path) && !/\/(node_modules|dist|coverage)\//.test(path) && !NO_TESTS.test(path),
  )
  .map((path) => ({ path, code: readFileSync(join(ROOT, path), 'utf8') }))

const starting = sources.filter(({ code }) => /from 'node:child_process'|import\('node:child_process'\)/.test(code))

test('there are such tests in five packages and in the examples', () => {
  const folders = new Set(starting.map(({ path }) => /^examples|^(packages|tools)\/[^/]+/.exec(path)?.[0]))
  const packages = [
    'packages/sq-sim',
    'packages/sq-storage',
    'packages/sq-wal-cli',
    'tools/sq-checks',
    'tools/sq-torture',
  ]
  expect(folders).toEqual(new Set(['examples', ...packages]))
})

test.each(starting.map(({ path, code }) => [path, code] as const))(
  '%s starts processes in a clean environment',
  (_, code) => {
    expect(startsOf(code).filter((call) => !/\benv\b/.test(call) && !/\boptions\b/.test(call))).toEqual([])
    // `env: {}` or `env: cleanEnvironment(...)`, and so with a name in between.
    expect(code).toMatch(/\benv(: {}|: cleanEnvironment\(| = cleanEnvironment\()/)
  },
)

test('no test passes on the environment of the test runner', () => {
  const whole = /\.\.\.process\.env\b|\b(env|environment)(:| =) process\.env\b(?![[.])/
  expect(sources.filter(({ path, code }) => whole.test(code) && !path.endsWith('/processes.test.ts'))).toEqual([])
})

/** The calls that start a process, with their arguments. */
function startsOf(code: string): string[] {
  const names = code.matchAll(/(?<![.\w])(?:spawn|spawnSync|execFile|execFileSync|exec|execSync|fork|execute)\)?\(/g)
  return Array.from(names, ({ index }) => code.slice(index, endOfCall(code, code.indexOf('(', index))))
}

function endOfCall(code: string, from: number): number {
  let depth = 0
  for (let position = from; position < code.length; position++) {
    if (code[position] === '(') depth++
    else if (code[position] === ')' && --depth === 0 && code[position + 1] !== '(') return position + 1
  }
  return code.length
}
