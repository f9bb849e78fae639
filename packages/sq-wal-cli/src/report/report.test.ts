import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { run } from '../testing/command.ts'
import { makeExampleLogs, openExample } from '../testing/example-log.ts'
import type { LogData, ReportData } from './log-data.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const HOSTILE = '</script><script>alert(1)</script><!--'

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  const hostile = await openExample(join(place, 'data'), 'hostile', 0)
  await hostile.append(Buffer.from(HOSTILE), Buffer.from('value'), [], 0)
  await hostile.close()
})
afterAll(() => rmSync(place, { recursive: true }))

function dataOf(page: string): ReportData {
  const [, json = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? []
  return JSON.parse(json)
}

async function report(...args: readonly string[]): Promise<{ status: number | null; stderr: string; page: string }> {
  const { status, stderr } = await run(['report', ...args, '-o', 'log.html'], { place })
  const path = join(place, 'log.html')
  const page = existsSync(path) ? readFileSync(path, 'utf8') : ''
  rmSync(path, { force: true })
  return { status, stderr, page }
}

/** A page without the time at which it was made. */
function withoutTime(page: string): string {
  return page.replace(/"madeMs":\d+/, '')
}

function only({ logs: [log] }: ReportData): LogData {
  if (log === undefined || 'error' in log) throw new Error('expected a log')
  return log
}

test('a report has what was read of the log', async () => {
  const { status, stderr, page } = await report('data/orders/0', '--bytes', '5kB')
  expect([status, stderr]).toEqual([0, ''])
  const log = only(dataOf(page))
  expect(log).toMatchObject({ name: 'orders/0', records: 14, firstOffset: 0, nextOffset: 14, limitBytes: 5000 })
  expect(log.minTimestampMs).toBe(Date.UTC(2026, 10, 22, 20))
  expect(log.maxTimestampMs).toBe(Date.UTC(2026, 10, 22, 20, 13))
  expect(log.segments).toMatchObject({
    total: 3,
    shown: [{ state: 'sealed' }, { state: 'sealed' }, { state: 'active' }],
  })
  expect(log.cells.reduce((sum, [, , records]) => sum + records, 0)).toBe(14)
  expect(log.cells.reduce((sum, [bytes]) => sum + bytes, 0)).toBe(log.bytes)
  expect(log.buckets.reduce((sum, [, records]) => sum + records, 0)).toBe(14)
  expect(log.histograms.recordsPerCommit).toEqual([{ from: 1, count: 14 }])
  expect(log.keys).toMatchObject({ keyless: 8, distinct: 2, isExact: true })
  expect(log.pauses[0]).toMatchObject({ toMs: expect.any(Number) })
  expect(log.problems).toEqual({ shown: [], total: 0 })
})

test('the file loads nothing: only the scripts and styles in it are allowed', async () => {
  const { page } = await report('data/orders/0')
  const [, policy = ''] = /Content-Security-Policy" content="([^"]+)"/.exec(page) ?? []
  const hashes = (name: string): string[] => {
    return Array.from(page.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs')), ([, text = '']) => {
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
    })
  }
  expect(hashes('script')).toHaveLength(1)
  expect(policy).toBe(
    `default-src 'none'; script-src ${hashes('script')[0]}; style-src ${hashes('style')[0]}; base-uri 'none'; form-action 'none'`,
  )
  expect(page.match(/https?:\/\/[^"'`]*/g)).toEqual(['http://www.w3.org/2000/svg'])
})

test('a key that would end the script is data', async () => {
  const { page } = await report('data/hostile/0')
  expect(page).not.toContain(HOSTILE)
  expect(page.match(/<script/g)).toHaveLength(2)
  expect(only(dataOf(page)).keys.top).toEqual([{ key: HOSTILE, records: 1 }])
})

test('--all reports on every log, also on one that cannot be read', async () => {
  symlinkSync('loop', join(place, 'data/loop'))
  const { status, stderr, page } = await report('--all', '-d', 'data').finally(() => rmSync(join(place, 'data/loop')))
  expect(status).toBe(1)
  expect(stderr).toMatch(/^sq-wal: loop.*\n$/)
  const { logs } = dataOf(page)
  expect(logs.map(({ name }) => name)).toEqual(['audit/7', 'hostile/0', 'loop', 'orders/0'])
  expect(logs[2]).toMatchObject({ error: expect.any(String) })
})

test('damage is in the report, and the exit status is 1', async () => {
  const path = join(place, 'data/orders/0/00000000000000000000.wal')
  const bytes = readFileSync(path)
  const changed = Buffer.from(bytes)
  changed[300] = 1 + (bytes[300] ?? 0)
  writeFileSync(path, changed)
  const { status, page } = await report('data/orders/0').finally(() => writeFileSync(path, bytes))
  expect(status).toBe(1)
  const log = only(dataOf(page))
  expect(log.problems).toMatchObject({ total: 1, shown: [{ kind: 'frame', from: 272, to: 344 }] })
  expect(log.cells.reduce((sum, [, , , damaged]) => sum + damaged, 0)).toBe(72)
})

test('the size of the file is bounded, however many commits there are', async () => {
  const writer = await openExample(join(place, 'large'), 'orders', 0)
  for (let commit = 0; commit < 9000; commit++) {
    await writer.append(Buffer.from(`key ${commit}`), Buffer.alloc(10), [], 1_700_000_000_000 + 1000 * commit)
  }
  await writer.close()
  const { page } = await report('large/orders/0')
  const log = only(dataOf(page))
  expect(log.cells.length).toBeLessThanOrEqual(4000)
  expect(log.buckets.length).toBeLessThanOrEqual(2000)
  expect(log.keys.top).toHaveLength(20)
  expect(page.length).toBeLessThan(400_000)
})

test('with -o -, the report is the only output', async () => {
  const { status, stdout } = await run(['report', 'data/orders/0', '-o', '-'], { place })
  expect(status).toBe(0)
  expect(withoutTime(stdout)).toBe(withoutTime((await report('data/orders/0')).page))
})

test.each([
  [['data/orders/0'], /required option '-o, --output <file>' not specified/, 2],
  [['-o', 'log.html'], /expected logs .*, or --all/, 2],
  [['data/orders/0', '--all', '-o', 'log.html'], /expected logs .*, or --all/, 2],
  [['data/orders/0', '-o', 'none/log.html'], /cannot write the report: .*none/, 1],
  [['data/none/0', '-o', 'log.html'], /none/, 1],
])('report %j is refused', async (args, message, status) => {
  const ended = await run(['report', ...args], { place })
  expect(ended.stderr).toMatch(message)
  expect([ended.status, ended.stdout]).toEqual([status, ''])
})
