/** How the commands show missing values, metadata and opaque batches. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

const AT_MS = Date.UTC(2026, 10, 22, 20)
const TIME = '2026-11-22 20:00:00.000Z'
const NOTICE =
  'sq-wal: offsets 4 to 6 are an opaque batch, which only its producer can read; sq-wal dump shows its bytes\n'
const ONE_NOTICE = NOTICE.replace('offsets 4 to 6 are', 'offset 7 is')

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const writer = await openExample(join(place, 'data'), 'mixed', 0)
  await writer.append(Buffer.from('k'), null, [], AT_MS)
  await writer.append(Buffer.from('k'), Buffer.from(String.raw`\N`), [], AT_MS)
  const records = ['a', 'b'].map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: AT_MS }))
  await writer.appendBatch(records, { metadata: Buffer.from('producer 1') })
  const opaque = { payload: Buffer.from('packed'), minTimestampMs: AT_MS, maxTimestampMs: AT_MS + 1 }
  await writer.appendOpaque({ ...opaque, recordCount: 3, metadata: Buffer.from('m') })
  await writer.appendOpaque({ ...opaque, recordCount: 1 })
  await writer.append(null, Buffer.from('last'), [], AT_MS)
  await writer.close()
})
afterAll(() => rmSync(place, { recursive: true }))

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place })
}

describe('cat', () => {
  it('shows a missing value differently from every value, and skips opaque batches with a notice', async () => {
    const { status, stdout, stderr } = await run('cat', 'data/mixed/0')
    const [first, second] = stdout.split('\n')
    expect([first, second]).toEqual([`0 ${TIME} k: \\N`, `1 ${TIME} k: \\\\N`])
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['0', '1', '2', '3', '8', ''])
    expect([status, stderr]).toEqual([0, NOTICE + ONE_NOTICE])
  })

  it('writes null in JSON, no bytes in hex, and leaves the record out of raw output', async () => {
    const json = await run('cat', 'data/mixed/0', '--format', 'json', '--count', '1')
    expect(json.stdout).toBe(`{"offset":0,"timestampMs":${AT_MS},"key":"k","value":null,"headers":[]}\n`)
    const hex = await run('cat', 'data/mixed/0', '--format', 'hex', '--count', '1')
    expect(hex.stdout).toBe(`0 ${TIME} key k, no value\n`)
    const raw = await run('cat', 'data/mixed/0', '--format', 'raw', '--to', '4')
    expect([raw.stdout, raw.stderr]).toEqual(['\\N\na\nb\n', ''])
  })

  it('matches no missing value with --grep', async () => {
    const { stdout } = await run('cat', 'data/mixed/0', '--grep', '^', '--to', '2', '--format', 'raw')
    expect(stdout).toBe('\\N\n')
  })

  it('begins and ends inside an opaque batch', async () => {
    const inside = await run('cat', 'data/mixed/0', '--from', '5', '--format', 'raw')
    expect([inside.stdout, inside.stderr]).toEqual(['last\n', NOTICE + ONE_NOTICE])
    const before = await run('cat', 'data/mixed/0', '--from', '3', '--to', '5', '--format', 'raw')
    expect([before.stdout, before.stderr]).toEqual(['b\n', NOTICE])
  })
})

it('tail skips opaque batches', async () => {
  const { status, stdout, stderr } = await run('tail', '-n', '4', 'data/mixed/0', '--format', 'raw')
  expect([status, stdout, stderr]).toEqual([0, 'last\n', NOTICE + ONE_NOTICE])
})

describe('dump', () => {
  const FILE = 'data/mixed/0/00000000000000000000.wal'

  it('shows metadata and opaque batches', async () => {
    const { status, stdout } = await run('dump', FILE)
    expect(status).toBe(0)
    expect(stdout).toContain('offsets 2-3, 2 records, metadata 10 bytes, durable to')
    const times = `${TIME} to 2026-11-22 20:00:00.001Z`
    expect(stdout).toContain(`offsets 4-6, 3 records, metadata 1 byte, opaque 6 bytes, ${times}, durable to`)
    expect(stdout).toContain(`offset 7, 1 record, opaque 6 bytes, ${times}, durable to`)
  })

  it('shows them in base64 in JSON', async () => {
    const { stdout } = await run('dump', FILE, '--json')
    const parts = stdout.split('\n').filter((line) => line.includes('"records"'))
    expect(parts[2]).toContain('"records":2,"metadata":"cHJvZHVjZXIgMQ=="')
    const opaque = `"opaque":{"minTimestampMs":${AT_MS},"maxTimestampMs":${AT_MS + 1},"payload":"cGFja2Vk"}`
    expect(parts[3]).toContain(`"records":null,"metadata":"bQ==",${opaque}`)
    expect(parts[4]).toContain(`"records":null,${opaque}`)
  })
})

it('verify finds nothing wrong', async () => {
  expect(await run('verify', 'data/mixed/0')).toMatchObject({ status: 0, stderr: '' })
})
