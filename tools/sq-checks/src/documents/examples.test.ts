/**
 * Runs the `@example` blocks of the published packages, each in a directory of its own where `./data` holds one log,
 * `orders/0`, with the records `paid`, `packed` and `sent`, of 12:00, 12:01 and 12:02 on 2026-01-01. A comment after
 * `console.log(...)` states the output; several lines are separated by commas.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanEnvironment } from '../clean-environment.ts'
import { ROOT } from '../source-tree.ts'
import { ENTRIES, examplesIn, programOf } from './examples.ts'

/** The result of an example. */
interface Outcome {
  readonly printed: string
  readonly error: string | null
}

const RUNNER = `
import { mkdirSync } from 'node:fs'
import { format } from 'node:util'
import { NodeFileSystem, WalWriter } from '@sq/storage'

const records = ['paid', 'packed', 'sent'].map((text, minute) => {
  return { key: null, value: Buffer.from(text), headers: [], timestampMs: Date.UTC(2026, 0, 1, 12, minute) }
})
const outcomes = []
const root = process.cwd()
for (let number = 0; number < Number(process.argv[2]); number++) {
  const lines = []
  console.log = (...values) => lines.push(format(...values))
  let error = null
  mkdirSync(\`\${root}/run-\${number}\`)
  process.chdir(\`\${root}/run-\${number}\`)
  try {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: './data' }, 'orders', 0)
    await writer.appendBatch(records)
    await writer.close()
    await import(\`\${root}/example-\${number}.mjs\`)
  } catch (thrown) {
    error = String(thrown)
  }
  outcomes.push({ printed: lines.join(', '), error })
}
process.stdout.write(JSON.stringify(outcomes), () => process.exit())
`

const folders = ['packages/sq-sim', 'packages/sq-storage'] as const
const examples = folders.flatMap((folder) => examplesIn(folder)).map((example, number) => ({ ...example, number }))
const exported = new Map<string, Readonly<Record<string, unknown>>>()
for (const entry of folders.flatMap((folder) => ENTRIES[folder])) exported.set(entry, await import(entry))

let place: string

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-examples-'))
  mkdirSync(join(place, 'node_modules/@sq'), { recursive: true })
  for (const name of ['sim', 'storage']) {
    symlinkSync(join(ROOT, `packages/sq-${name}`), join(place, 'node_modules/@sq', name))
  }
  symlinkSync(join(ROOT, 'node_modules/@types'), join(place, 'node_modules/@types'))
  const names = new Map(Array.from(exported, ([entry, values]) => [entry, Object.keys(values)]))
  for (const example of examples) {
    const program = programOf(example, names)
    writeFileSync(join(place, `example-${example.number}.mjs`), program)
    writeFileSync(join(place, `example-${example.number}.mts`), `export {}\n${program}`)
  }
})
afterAll(() => rmSync(place, { recursive: true }))

describe('examples', () => {
  let outcomes: readonly Outcome[]

  beforeAll(() => {
    writeFileSync(join(place, 'run.mjs'), RUNNER)
    const options = { cwd: place, encoding: 'utf8', env: cleanEnvironment() } as const
    const { stdout, stderr } = spawnSync(process.execPath, ['run.mjs', String(examples.length)], options)
    if (stdout === '') throw new Error(stderr)
    outcomes = JSON.parse(stdout)
  })

  it.each(examples)('the example of $at runs and prints what it states', ({ number, printed }) => {
    expect(outcomes[number]).toEqual({ printed, error: null })
  })
})

it('TypeScript accepts every example', () => {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const files = examples.map(({ number }) => `example-${number}.mts`)
  const flags = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  const options = { cwd: place, encoding: 'utf8', env: cleanEnvironment() } as const
  const { stdout } = spawnSync(process.execPath, [compiler, ...flags, '--skipLibCheck', ...files], options)
  const found = stdout.replaceAll(/example-(\d+)\.mts/g, (_, number) => examples[Number(number)]?.at ?? '')
  expect(found).toBe('')
})

it('every function and class that a package exports has an example', () => {
  const callable = [...exported.values()].flatMap((values) => {
    return Object.keys(values).filter((name) => typeof values[name] === 'function' && !name.endsWith('Error'))
  })
  const shown = new Set(examples.map(({ of }) => of))
  expect(callable.filter((name) => !shown.has(name))).toEqual([])
})
