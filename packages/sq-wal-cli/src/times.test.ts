/** Selects records by time, in a time zone, with the built command. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

/** The hours of 25 October 2026 in UTC, when Berlin sets its clocks back at 1:00, by offset. */
const SEGMENTS = [[1, 0, 9], [2, 3], [12]]

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const writer = await openExample(join(place, 'data'), 'orders', 0)
  for (const hours of SEGMENTS) {
    for (const hour of hours) await writer.append(null, Buffer.from(String(hour)), [], Date.UTC(2026, 9, 25, hour))
    await writer.closeActiveSegment()
  }
  await writer.close()
})
afterAll(() => rmSync(place, { recursive: true }))

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place, env: { TZ: 'Europe/Berlin' } })
}

async function valuesOf(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run('cat', 'data/orders/0', '--format', 'raw', ...args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout.trimEnd().replaceAll('\n', ' ')
}

describe('--since and --until', () => {
  it.each([
    [['--since', '2026-10-25T02:00'], '9 2 3 12'],
    [['--until', '2026-10-25T02:00'], '1 0'],
    [['--since', '2026-10-25T01:00', '--until', '2026-10-25T09:00'], '1 2 3'],
    [['--since', '2026-10-25T02:00', '--from', '3'], '2 3 12'],
    [['--until', '2026-10-25T03:00', '--to', '4'], '1 0 2'],
    [['--since', '2026-10-25T02:00', '--count', '2'], '9 2'],
    [['--since', '@1761350400', '--until', 'now', '--count', '1'], '1'],
  ])('%j select records by their timestamps, in any order', async (args, values) => {
    expect(await valuesOf(...args)).toBe(values)
  })

  it('select the last records that tail prints', async () => {
    const { stdout } = await run('tail', '-n', '3', 'data/orders/0', '--format', 'raw', '--since', '2026-10-25T03:00')
    expect(stdout).toBe('9\n3\n12\n')
  })

  it.each([
    [['--since', '2030-01-01'], 'no records in this range'],
    [['--until', '2020-01-01'], 'no records in this range'],
    [['--since', '2026-10-25T04:00', '--until', '2026-10-25T05:00'], 'none of 3 records matches --since and --until'],
  ])('say why they select nothing: %j', async (args, told) => {
    const { status, stdout, stderr } = await run('cat', 'data/orders/0', ...args)
    expect([status, stdout, stderr]).toEqual([0, '', `sq-wal: ${told}\n`])
  })

  it('read no segment after the last one with an earlier timestamp', async () => {
    cpSync(join(place, 'data'), join(place, 'damaged'), { recursive: true })
    const last = join(place, 'damaged/orders/0/00000000000000000005.wal')
    const bytes = readFileSync(last)
    const at = bytes.indexOf('12')
    writeFileSync(last, bytes.with(at, 0x33))
    const args = ['damaged/orders/0', '--format', 'raw']
    expect(await run('cat', ...args, '--until', '2026-10-25T04:00')).toEqual({
      status: 0,
      stdout: '1\n0\n2\n3\n',
      stderr: '',
    })
    expect(await run('cat', ...args)).toMatchObject({ status: 1 })
  })

  it('take a number only as @SECONDS', async () => {
    const { status, stderr } = await run('cat', 'data/orders/0', '--since', '1761350400')
    expect([status, stderr]).toEqual([2, expect.stringMatching(/ For seconds since 1970, write @1761350400\.\n$/)])
  })
})

describe('--local', () => {
  it('prints times with their offset', async () => {
    const { stdout } = await run('cat', 'data/orders/0', '--local', '--from', '0', '--to', '2')
    expect(stdout).toBe('0 2026-10-25 02:00:00.000+01:00 1\n1 2026-10-25 02:00:00.000+02:00 0\n')
  })

  it.each([
    ['2026-10-25T02:00', '1 0 9 2 3 12'],
    ['2026-10-25T02:00+01:00', '1 9 2 3 12'],
    ['2026-10-25T02:00Z', '9 2 3 12'],
    ['2026-10-25 13:00', '12'],
    ['2026-10-25', '1 0 9 2 3 12'],
  ])('reads a time without a zone as a local one, of two equal ones the first: %s', async (since, values) => {
    expect(await valuesOf('--since', since, '--local')).toBe(values)
  })

  it.each([
    ['ls', 'data'],
    ['segments', 'data/orders/0'],
    ['dump', 'data/orders/0/00000000000000000005.wal'],
  ])('%s prints local times', async (...args) => {
    expect((await run(...args, '--local')).stdout).toContain('2026-10-25 13:00:00.000+01:00')
  })

  it('refuses a time that the zone does not have', async () => {
    expect(await run('cat', 'data/orders/0', '--from', '2026-03-29T02:30', '--local')).toEqual({
      status: 2,
      stdout: '',
      stderr: 'sq-wal: 2026-03-29T02:30 does not exist in the local time zone, where clocks were set forward\n',
    })
  })

  it('begins a day without a midnight with its first hour', async () => {
    const args = ['cat', 'data/orders/0', '--since', '2018-11-04', '--count', '1', '--local', '--format', 'raw']
    expect(await command.run(args, { place, env: { TZ: 'America/Sao_Paulo' } })).toMatchObject({
      status: 0,
      stdout: '1\n',
    })
  })

  it('refuses a zone that is not known', async () => {
    expect(await command.run(['ls', 'data', '--local'], { place, env: { TZ: 'Mars/Olympus' } })).toEqual({
      status: 2,
      stdout: '',
      stderr: 'sq-wal: $TZ is "Mars/Olympus", expected the name of a time zone, such as Europe/Berlin\n',
    })
  })
})
