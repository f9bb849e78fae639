/** Colours, suggestions, completion, manual pages, words, and the order of lists. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { cleanEnvironment } from './testing/clean-environment.ts'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'
import { WORDS } from './words.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterAll(() => rmSync(place, { recursive: true }))

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return command.run(args, { place, env })
}

describe('colours in a pipe', () => {
  it.each([
    [[], {}, false],
    [['--color', 'always'], {}, true],
    [['--color', 'always'], { NO_COLOR: '1' }, true],
    [['--color', 'never'], { FORCE_COLOR: '1' }, false],
    [[], { FORCE_COLOR: '1' }, true],
    [[], { FORCE_COLOR: '0' }, false],
    [[], { CLICOLOR_FORCE: '1' }, true],
    [[], { CLICOLOR_FORCE: '0' }, false],
    [[], { CLICOLOR: '1' }, false],
    [[], { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('with %j and %j they are used: %s', async (args, env, isColoured) => {
    const { stdout } = await run(['ls', 'data', ...args], env)
    expect(stdout.includes('\u001B[')).toBe(isColoured)
  })
})

describe('the name that another tool has for a command leads to it', () => {
  it.each([
    ['rm', 'see retain and truncate'],
    ['info', 'see ls and segments'],
    ['consume', 'see cat and tail'],
    ['copy', 'see cp and backup'],
  ])('%s', async (name, advice) => {
    expect(await run([name])).toEqual({
      status: 2,
      stdout: '',
      stderr: `sq-wal: unknown command '${name}' (${advice})\n`,
    })
  })
})

/** What bash offers for the last word. */
async function completed(...words: string[]): Promise<string[]> {
  const { stdout } = await run(['completion', 'bash'])
  const ask = `COMP_WORDS=(${words.map((word) => `"${word}"`).join(' ')}); COMP_CWORD=${words.length - 1}`
  const script = `${stdout}\n${ask}\n_sq_wal\nprintf '%s\\n' "\${COMPREPLY[@]}"`
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', env: cleanEnvironment() }).stdout.trim().split('\n')
}

describe('completion', () => {
  test('of bash knows commands, options and commands of commands', async () => {
    expect(await completed('sq-wal', 'seg')).toEqual(['segments'])
    expect(await completed('sq-wal', 'cat', '--dur')).toEqual(['--durable-only'])
    expect(await completed('sq-wal', 'cat', 'orders/0', '--exit')).toEqual(['--exit-status'])
    expect(await completed('sq-wal', 'archive', 'pu')).toEqual(['push'])
    expect(await completed('sq-wal', 'archive', 'push', '--beg')).toEqual(['--begin'])
  })

  it.each(['zsh', 'fish'])('of %s has every command', async (shell) => {
    const { status, stdout } = await run(['completion', shell])
    expect(status).toBe(0)
    for (const name of ['segments', 'durable-only', 'salvage', 'push']) expect(stdout).toContain(name)
    const checked = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8', env: cleanEnvironment() })
    // The shell may not be installed.
    if (checked.error === undefined) expect([checked.status, checked.stderr]).toEqual([0, ''])
  })
})

describe('man', () => {
  test('has the options and examples of a command', async () => {
    const { status, stdout } = await run(['man', 'cat'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\.TH SQ-WAL-CAT 1 /)
    expect(stdout).toContain(String.raw`\fB\-\-durable\-only\fR`)
    expect(stdout).toContain(String.raw`sq\-wal cat orders/0 \-\-since \-1h`)
  })

  test('has the commands of the program, and of a command', async () => {
    expect((await run(['man'])).stdout).toContain(String.raw`\fBsegments\fR`)
    expect((await run(['man', 'archive', 'push'])).stdout).toMatch(/^\.TH SQ-WAL-ARCHIVE-PUSH 1 /)
    expect((await run(['man', 'nope'])).status).toBe(2)
  })
})

describe('words', () => {
  test('are those of the documentation', () => {
    const page = readFileSync(new URL('../../../docs/architecture.md', import.meta.url), 'utf8')
    for (const [word, meaning] of Object.entries(WORDS)) expect(page).toContain(`| ${word} | ${meaning} |`)
  })

  it.each([[['words']], [['help', 'words']]])('%j explains them', async (args) => {
    const { status, stdout } = await run(args)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^torn +the rest of a write/m)
  })
})

describe('ls', () => {
  test('has a last row with the sums', async () => {
    const { stdout } = await run(['ls', 'data'])
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^2 logs +3 +14 +12\.5 kB$/)
  })

  it.each([
    ['name', ['audit', 'orders']],
    ['size', ['orders', 'audit']],
    ['records', ['orders', 'audit']],
    ['last', ['orders', 'audit']],
  ])('--sort %s', async (sort, topics) => {
    const logs: { topic: string }[] = JSON.parse((await run(['ls', 'data', '--json', '--sort', sort])).stdout)
    expect(logs.map(({ topic }) => topic)).toEqual(topics)
  })
})
