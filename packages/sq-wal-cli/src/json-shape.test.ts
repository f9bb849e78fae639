/** What the commands print as JSON is what `docs/sq-wal.schema.json` says. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

/** The part of JSON Schema that the schema uses. */
interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly minimum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
}

const schema: Schema = JSON.parse(readFileSync(new URL('../../../docs/sq-wal.schema.json', import.meta.url), 'utf8'))

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  await makeExampleLogs(join(place, 'broken'))
  const path = join(place, 'broken/orders/0/00000000000000000004.wal')
  const content = readFileSync(path)
  content[300] = 0xff
  writeFileSync(path, content)
  writeFileSync(join(place, 'broken/audit/7/00000000000000000000.wal'), 'something else')
})
afterAll(() => rmSync(place, { recursive: true }))

/** Where a value differs from a schema; empty if nowhere. */
function differences(value: unknown, { $ref, ...rest }: Schema, at: string): string[] {
  if ($ref !== undefined) return differences(value, definition($ref.replace('#/$defs/', '')), at)
  const { anyOf, type, enum: values, minimum, properties, required = [], items } = rest
  if (anyOf !== undefined) {
    const found = anyOf.map((each) => differences(value, each, at))
    return found.some(({ length }) => length === 0) ? [] : found.flat()
  }
  if (values !== undefined) return values.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is not expected`]
  if (type !== undefined && ![type].flat().includes(typeOf(value))) return [`${at}: it is ${typeOf(value)}`]
  if (minimum !== undefined && Number(value) < minimum) return [`${at}: it is less than ${minimum}`]
  if (Array.isArray(value)) {
    return value.flatMap((each: unknown, index) => differences(each, items ?? {}, `${at}[${index}]`))
  }
  if (properties === undefined || typeof value !== 'object' || value === null) return []
  const fields = new Map<string, unknown>(Object.entries(value))
  const missing = required.filter((name) => !fields.has(name)).map((name) => `${at}.${name}: it is missing`)
  const wrong = [...fields].flatMap(([name, each]) => {
    const expected = properties[name]
    return expected === undefined
      ? [`${at}.${name}: it is not in the schema`]
      : differences(each, expected, `${at}.${name}`)
  })
  return [...missing, ...wrong]
}

function definition(name: string): Schema {
  const found = schema.$defs?.[name]
  if (found === undefined) throw new Error(`the schema has no definition ${name}`)
  return found
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isSafeInteger(value) ? 'integer' : typeof value
}

it.each([
  ['ls', 'ls data'],
  ['ls', 'ls broken'],
  ['segments', 'segments data/orders/0'],
  ['segments', 'segments --all -d broken'],
  ['verify', 'verify data/orders/0 --digest'],
  ['verify', 'verify broken/orders/0'],
  ['verifyList', 'verify --all -d broken'],
  ['repairs', 'repair broken/orders/0'],
  ['retain', 'retain data/orders/0 --before 5'],
  ['truncate', 'truncate data/orders/0 --from 5'],
  ['cp', 'cp data/orders/0 copy'],
  ['cp', 'cp data/orders/0 copy --as other/0'],
  ['copied', 'backup data/orders/0 --to backup'],
  ['copied', 'restore orders/0 --from data -d restored'],
  ['diff', 'diff data/orders/0 data/audit/7'],
  ['salvage', 'salvage broken/orders/0 --to saved'],
])('%s is what %s --json prints', async (name, line) => {
  const { stdout } = await command.run([...line.split(' '), '--json'], { place })
  expect(differences(JSON.parse(stdout), definition(name), '')).toEqual([])
})

it.each(['cat data/orders/0', 'tail --all -d data'])('each line of %s --format json is a record', async (line) => {
  const { stdout } = await command.run([...line.split(' '), '--format', 'json'], { place })
  const lines = stdout.trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(5)
  for (const each of lines) expect(differences(JSON.parse(each), definition('record'), '')).toEqual([])
})

test('a field that the schema does not have, or has of another type, is found', () => {
  const log = { topic: 'a', partition: 0, error: 'x' }
  expect(differences(log, definition('failure'), '')).toEqual([])
  expect(differences({ ...log, more: 1 }, definition('failure'), '')).toEqual(['.more: it is not in the schema'])
  expect(differences({ topic: 'a', partition: 0 }, definition('failure'), '')).toEqual(['.error: it is missing'])
  expect(differences({ ...log, topic: 1 }, definition('failure'), '')).toEqual(['.topic: it is integer'])
})
