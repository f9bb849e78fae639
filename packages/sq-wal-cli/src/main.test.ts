import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended, Started } from './testing/command.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

/** The test's working directory. The command creates its temporary directories in `temporary`. */
let place: string
let temporary: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  temporary = join(place, 'temporary')
  mkdirSync(temporary)
})
afterEach(() => rmSync(place, { recursive: true }))

function start(args: readonly string[]): Started {
  return command.start(args, { place, env: { TMPDIR: temporary } })
}

function run(...args: string[]): Promise<Ended> {
  return start(args).ended
}

function write(name: string, content: string | Buffer): string {
  writeFileSync(join(place, name), content)
  return name
}

function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index}\n`).join('')
}

/** Resolves when a directory holds something, with the path of it. */
async function firstEntry(directory: string): Promise<string> {
  const watcher = watch(directory)
  const changed = once(watcher, 'change')
  if (readdirSync(directory).length === 0) await changed
  watcher.close()
  return join(directory, readdirSync(directory)[0] ?? '')
}

describe('sq-wal demo', () => {
  it('the demo finds every record intact after its kills, and removes its files', async () => {
    const { status, stdout, stderr } = await run('demo', '--input', write('lines', lines(20_000)), '--kills', '3')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^20,000 lines of lines; kills: 3, seed: 1\n\nkill .*\n1 .*\n2 .*\n3 .*\n\n/)
    expect(stdout).toMatch(/\nsegment .*\n0{20}\.wal .*\n/)
    expect(stdout).toMatch(/\nappended +[\d,]+ records\/s, .* MB\/s .*\nread back +[\d,]+ records\/s, /)
    expect(stdout).toMatch(/\n20000 of 20000 records intact\n$/)
    expect(readdirSync(temporary)).toEqual([])
  })

  it.each([[[]], [['archived']]])('the demo archives the log, deletes it and restores it (%j)', async (store) => {
    const input = write('lines', lines(20_000))
    const { status, stdout } = await run('demo', '--input', input, '--kills', '1', '--archive', ...store)
    expect(stdout).toMatch(/\narchived +\d+ segments, .*\nrestored +\d+ segments, .* after the log was deleted here\n/)
    expect(stdout).toMatch(/\n20000 of 20000 records intact\n$/)
    expect(status).toBe(0)
    expect(readdirSync(temporary)).toEqual([])
    const kept = existsSync(join(place, 'archived')) ? readdirSync(join(place, 'archived'), { recursive: true }) : []
    expect(kept.filter((name) => name.toString().endsWith('.wal'))).toEqual([])
  })

  it('the demo prints no escape codes without a terminal', async () => {
    const { stdout, stderr } = await run('demo', '--input', write('lines', lines(10)), '--kills', '1')
    expect(stdout + stderr).not.toContain('\u001B')
  })

  it('the demo accepts a JSON array, and runs without kills', async () => {
    const { status, stdout } = await run('demo', '--input', write('array.json', '[1, {"a": 2}]'), '--kills', '0')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^2 values of the JSON array in array\.json/)
    expect(stdout).toMatch(/\n2 of 2 records intact\n$/)
  })

  it('--keep keeps the log and prints its path', async () => {
    const { stdout } = await run('demo', '--input', write('lines', lines(10)), '--dir', 'log', '--keep', '--kills', '0')
    expect(stdout).toContain(`\nlog kept in ${join(place, 'log')}\n`)
    expect(existsSync(join(place, 'log/demo/0/00000000000000000000.wal'))).toBe(true)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('on %s the demo kills its child and removes its files', async (signal, status) => {
    const { child, ended } = start(['demo', '--input', write('lines', lines(200_000)), '--kills', '50'])
    // The log's directory in the temporary directory is made by the child.
    await firstEntry(await firstEntry(temporary))
    child.kill(signal)
    expect(await ended).toMatchObject({ status, stderr: '' })
    expect(readdirSync(temporary)).toEqual([])
  })

  it('a demo that is killed leaves no process behind', async () => {
    const { child, ended } = start(['demo', '--input', write('lines', lines(200_000)), '--kills', '50'])
    await firstEntry(await firstEntry(temporary))
    child.kill('SIGKILL')
    expect(await ended).toMatchObject({ status: null, stderr: '' })
  })

  it('the demo continues if its output is closed', async () => {
    const { child, ended } = start(['demo', '--input', write('lines', lines(10)), '--kills', '1'])
    child.stdout.destroy()
    const exited = once(child, 'exit')
    await expect(ended).rejects.toThrow('Premature close')
    expect(await exited).toEqual([0, null])
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('a usage error is one line on stderr, with status 2', () => {
  it.each([
    ['an unknown subcommand', ['dmo-x'], /unknown command 'dmo-x'/],
    ['an unknown option', ['demo', '--bogus'], /unknown option '--bogus'/],
    ['an argument too many', ['demo', 'x'], /too many arguments/],
    ['negative kills', ['demo', '--kills', '-1'], /'-1' is invalid.* whole number from 0 to 1000/],
    ['kills that are not a number', ['demo', '--kills', 'many'], /'many' is invalid/],
    ['a fractional seed', ['demo', '--seed', '1.5'], /'1.5' is invalid/],
    ['an option without its value', ['demo', '--input'], /argument missing/],
    ['an input that is not there', ['demo', '--input', 'none'], /cannot read the input: .*none/],
    ['an input that is a directory', ['demo', '--input', '.'], /is a directory/],
    ['an empty input', ['demo', '--input', 'empty'], /contains no records/],
    ['an input of garbage', ['demo', '--input', 'garbage'], /garbage is not a text file: line 1/],
    ['a directory in use', ['demo', '--dir', '.', '--input', 'good'], /is not empty/],
    [
      'a directory that is a file',
      ['demo', '--dir', 'good', '--input', 'good'],
      /cannot create the directory of the log/,
    ],
  ])('%s', async (_, args, message) => {
    write('empty', '')
    write('garbage', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0x00]))
    write('good', 'a line\n')
    const { status, stdout, stderr } = await run(...args)
    expect(stderr).toMatch(/^sq-wal: .*\n$/)
    expect(stderr).toMatch(message)
    expect(stdout).toBe('')
    expect(status).toBe(2)
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('sq-wal', () => {
  it('--version prints the version', async () => {
    const { status, stdout } = await run('--version')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([['--help'], ['help']])('%s lists the subcommands', async (arg) => {
    const { status, stdout } = await run(arg)
    expect(status).toBe(0)
    expect(stdout).toContain('demo [options]')
  })

  it('the help of a subcommand has its options and examples', async () => {
    const { status, stdout } = await run('demo', '--help')
    expect(status).toBe(0)
    for (const part of ['--input', '--dir', '--keep', '--kills', '--seed', 'Examples:']) expect(stdout).toContain(part)
  })

  it('without a subcommand, the help is printed as a usage error', async () => {
    expect(await run()).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('Usage: sq-wal') })
  })
})
