/** Records larger than a string can be, and patterns that never finish. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { cleanEnvironment } from './testing/clean-environment.ts'
import { COMMAND, run, start } from './testing/command.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 120_000 })

const MIB = 2 ** 20
/** Each is escaped with six letters: together more than the 512 MiB of the longest string. */
const CONTROLS = 90 * MIB

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const config = { dataDir: place, maxRecordBytes: 2 ** 30 }
  await using large = await WalWriter.open(new NodeFileSystem(), config, 'large', 0)
  await large.append(null, Buffer.alloc(CONTROLS, 1), [], 1)
  await using slow = await WalWriter.open(new NodeFileSystem(), config, 'slow', 0)
  await slow.append(null, Buffer.from(`${'a'.repeat(60)}!`), [], 1)
})
afterAll(() => rmSync(place, { recursive: true }))

test('a record whose text is too long for a string is printed whole', async () => {
  const child = spawn('sh', ['-c', '"$0" "$1" cat large/0 | wc -c', process.execPath, COMMAND], {
    cwd: place,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const line = '0 1970-01-01 00:00:00.001Z \n'
  expect([Number(stdout), stderr]).toEqual([line.length + 6 * CONTROLS, ''])
})

/** The processor time of a process, or of its children that have exited, in hundredths of a second. */
function processorTicks(pid: number | undefined, whose: 'its own' | 'of its children' = 'its own'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, can contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[whose === 'its own' ? 11 : 13])
}

describe.skipIf(process.platform !== 'linux')('a --grep that never ends', () => {
  let wholeCommandTicks: number

  beforeAll(async () => {
    const before = processorTicks(process.pid, 'of its children')
    await run(['cat', 'slow/0'], { place })
    wholeCommandTicks = processorTicks(process.pid, 'of its children') - before
  })

  test.each([
    ['cat', 'slow/0'],
    ['tail', 'slow/0'],
    ['tail', '-f', 'slow/0'],
  ])('Ctrl-C ends a --grep that never ends: %s %s %s', async (...args) => {
    const { child, ended } = start([...args.filter((arg) => arg !== undefined), '--grep', '^(a+)+$'], { place })
    // Far more time than everything before the matching takes.
    const enough = 5 * wholeCommandTicks
    await vi.waitFor(() => expect(processorTicks(child.pid)).toBeGreaterThan(enough), {
      timeout: 100_000,
      interval: 100,
    })
    child.kill('SIGINT')
    expect(await ended).toEqual({ status: null, stdout: '', stderr: '' })
    expect(child.signalCode).toBe('SIGINT')
  })
})
