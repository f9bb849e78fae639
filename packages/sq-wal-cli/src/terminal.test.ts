/** The command on a terminal, which `script` emulates. The other tests use pipes. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanEnvironment } from './testing/clean-environment.ts'
import { COMMAND } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterAll(() => rmSync(place, { recursive: true }))

async function onTerminal(line: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn('script', ['-qec', `"${process.execPath}" "${COMMAND}" ${line}`, '/dev/null'], {
    cwd: place,
    env: cleanEnvironment({ TERM: 'xterm', ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return text(child.stdout)
}

const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null'], { env: cleanEnvironment() }).status === 0
if (!hasTerminal) process.stderr.write('skipped: there is no "script" command to emulate a terminal\n')

describe.skipIf(!hasTerminal)('on a terminal', () => {
  it.each([
    'ls data',
    'segments data/orders/0',
    'cat data/orders/0',
    'verify data/orders/0',
    'retain data/orders/0 --before 5',
  ])('the output of %s on a terminal is as expected', async (line) => {
    const file = fileURLToPath(new URL(`testing/expected/terminal-${line.split(' ')[0]}.txt`, import.meta.url))
    await expect((await onTerminal(line)).replaceAll('\r\n', '\n')).toMatchFileSnapshot(file)
  })

  it('tables and records have colours unless NO_COLOR is set', async () => {
    for (const line of ['ls data', 'cat data/orders/0', 'verify data/orders/0']) {
      expect(await onTerminal(line)).toContain('\u001B[')
      expect(await onTerminal(line, { NO_COLOR: '1' })).not.toContain('\u001B')
    }
  })

  it('control characters of a record are escaped', async () => {
    const shown = await onTerminal('cat data/orders/0', { NO_COLOR: '1' })
    expect(shown).toContain(String.raw`\u001b[31m`)
    expect(shown).not.toContain('\u001B')
  })

  it('work of more than a second shows a progress bar and removes it at the end', async () => {
    const shown = await onTerminal('bench --seconds 1 --value-bytes 16000000')
    expect(shown).toMatch(/measuring \[=*-*\] \d+ % {2}\d+ s left/)
    const after = shown.slice(shown.lastIndexOf('measuring'))
    expect(after).toContain('\u001B[0K')
    expect(after).toContain('write + fdatasync')
  })
})
