import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ManualClock, NodeFileSystem, Random } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { rendered } from '../output.ts'
import { run } from '../testing/command.ts'
import { drawHeatMap, terminal } from './heat-map.ts'
import { LogOverview } from './log-overview.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const HOUR_MS = 3_600_000
const COMMITS = 1000

let place: string

/** 1,000 commits in segments of 32 kB, some of one record and some of twenty, with a pause of six hours. */
beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const options = { clock: new ManualClock(0), random: new Random(1) }
  const config = { dataDir: join(place, 'data'), maxSegmentBytes: 32_000 }
  const writer = await WalWriter.open(new NodeFileSystem(), config, 'orders', 0, options)
  let timestampMs = Date.UTC(2026, 10, 22)
  for (let commit = 0; commit < COMMITS; commit++) {
    timestampMs += commit === COMMITS / 2 ? 6 * HOUR_MS : 1000
    const records = commit % 250 < 75 ? 20 : 1
    const record = { key: null, value: Buffer.alloc(30), headers: [], timestampMs }
    await writer.appendBatch(Array.from({ length: records }, () => record))
  }
  await writer.close()
})
afterAll(() => rmSync(place, { recursive: true }))

async function drawn(env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const { stdout } = await run(['segments', 'data/orders/0'], { place, env })
  const lines = stdout.split('\n')
  return lines.slice(lines.indexOf('') + 1)
}

describe('the drawing of a log with more commits than fit', () => {
  test('its shades are the sizes of commits, its lines in the order of the log', async () => {
    const lines = await drawn()
    const map = lines.slice(0, lines.indexOf(''))
    expect(map.length).toBeLessThanOrEqual(24)
    expect(map.every((line) => /^ *[\d,]+ {2}[:=*#-]+ {2}2026-11-22 [\d:.]+Z$/.test(line))).toBe(true)
    const offsets = map.map((line) => Number(/[\d,]+/.exec(line)?.[0].replace(',', '')))
    expect(offsets).toEqual(offsets.toSorted((left, right) => left - right))
    expect(lines[map.length + 1]).toMatch(/^bytes a commit: {2}: to \d+ B/)
  })

  test('it has block characters where the locale has them', async () => {
    expect((await drawn({ LANG: 'C.UTF-8' })).join('')).toMatch(/[░▒▓█].*▁/su)
    expect((await drawn({ LANG: 'en_US.ISO-8859-1' })).join('')).not.toMatch(/[^ -~]/u)
    expect((await drawn({ LANG: 'C.UTF-8', LC_ALL: 'C' })).join('')).not.toMatch(/[^ -~]/u)
  })

  test('a pause is blank in the line of times, and named', async () => {
    const lines = await drawn()
    expect(lines.find((line) => line.includes(' time '))).toMatch(/time {2}\S+ {20,}\S+$/)
    expect(lines.find((line) => line.startsWith('longest pauses'))).toMatch(
      /^longest pauses: 6 h before offset [\d,]+$/,
    )
  })

  test('one damaged byte is drawn, as the commit that it is in and no more', async () => {
    const directory = join(place, 'data/orders/0')
    const path = join(directory, readdirSync(directory).filter((name) => name.endsWith('.wal'))[2] ?? '')
    const bytes = readFileSync(path)
    const changed = Buffer.from(bytes)
    changed[16_000] = 1 + (bytes[16_000] ?? 0)
    writeFileSync(path, changed)
    try {
      const lines = await drawn()
      const map = lines.slice(0, lines.indexOf('')).join('')
      expect(map.match(/x/g)?.length).toBeGreaterThan(0)
      expect(map.match(/x/g)?.length).toBeLessThanOrEqual(6)
      expect(lines.join('\n')).toContain('x damaged')
    } finally {
      writeFileSync(path, bytes)
    }
  })
})

test('of segments that are not read, the shades are the sizes of records', () => {
  const overview = new LogOverview({ cells: 1000, timeBuckets: 100, pauses: 3, keys: 1 })
  for (let at = 0; at < 200; at++) {
    const [baseOffset, records] = [BigInt(10 * at), 10]
    overview.addUnread({
      path: '',
      topic: 'orders',
      partition: 0,
      state: 'sealed',
      records,
      baseOffset,
      nextOffset: baseOffset + 10n,
      lastOffset: baseOffset + 9n,
      bytes: at < 100 ? 1000 : 100_000,
      minTimestampMs: 1000 * at,
      maxTimestampMs: 1000 * at + 1,
    })
  }
  const lines = drawHeatMap(overview, { columns: 80, hasBlocks: false }).map(rendered)
  expect(lines[0]).toMatch(/^ {4}0 {2}:+=?#+ {2}1970-01-01 00:00:00.000Z$/)
  expect(lines.join('\n')).toContain('bytes a record:  : to 317 B')
})

test('a narrow terminal has no times after the lines', () => {
  const overview = new LogOverview({ cells: 1000, timeBuckets: 100, pauses: 3, keys: 1 })
  overview.addUnread({
    path: '',
    topic: 'orders',
    partition: 0,
    state: 'active',
    records: 1,
    bytes: 100,
    baseOffset: 0n,
    nextOffset: 1n,
    lastOffset: 0n,
    minTimestampMs: 0,
    maxTimestampMs: 0,
  })
  expect(drawHeatMap(overview, { columns: 40, hasBlocks: true }).map(rendered)[0]).toBe(`   0  ${'░'.repeat(34)}`)
})

test.each([
  [{ LANG: 'de_DE.utf8' }, true],
  [{ LANG: 'C' }, false],
  [{}, false],
  [{ LC_CTYPE: 'C.UTF-8', LANG: 'C' }, true],
])('with %j, block characters: %j', (env, hasBlocks) => {
  expect(terminal(env).hasBlocks).toBe(hasBlocks)
})
