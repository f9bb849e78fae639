/** Machines are killed and lose their disk. What was printed as safe is on the next one, and an old one stops. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DirectoryObjectStore, TieredReader, ObjectStoreFileSystem } from '@sq/archive'
import { NodeFileSystem } from '@sq/storage'
import { cleanEnvironment } from '../clean-environment.js'

const PROGRAM = fileURLToPath(new URL('machine.js', import.meta.url))

/** @type {string} */
let directory
/** @type {{ child: import('node:child_process').ChildProcess, ended: Promise<unknown> }[]} */
let machines
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sq-archive-'))
  machines = []
})
afterEach(async () => {
  for (const { child } of machines) child.kill('SIGKILL')
  await Promise.all(machines.map(({ ended }) => ended))
  rmSync(directory, { recursive: true })
})

/**
 * Starts a machine.
 *
 * @param {string} name
 */
function start(name) {
  const args = [PROGRAM, join(directory, name), join(directory, 'archive')]
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => {})
  const machine = { child, ended: once(child, 'close'), begin: -1, safe: 0, changed: () => {} }
  machines.push(machine)
  createInterface(child.stdout).on('line', (line) => {
    const [, word, number] = /^(begins|safe).* (\d+)$/.exec(line) ?? []
    if (word === 'begins') machine.begin = Number(number)
    if (word === 'safe') machine.safe = Number(number)
    machine.changed()
  })
  return machine
}

/**
 * Resolves once a machine has printed what is waited for.
 *
 * @param {ReturnType<typeof start>} machine
 * @param {() => boolean} isReached
 */
function until(machine, isReached) {
  const reached = new Promise((resolve) => {
    machine.changed = () => {
      if (isReached()) resolve(undefined)
    }
    machine.changed()
  })
  return Promise.race([reached, machine.ended.then(() => assert.fail('the machine ended'))])
}

/**
 * The lines that a machine has, with those that are only in the archive.
 *
 * @param {string} name
 */
async function linesOf(name) {
  const fs = new NodeFileSystem()
  const archive = new ObjectStoreFileSystem(new DirectoryObjectStore(fs, join(directory, 'archive')))
  const reader = await TieredReader.open(fs, { dataDir: join(directory, name) }, 'orders', 0, { archive })
  const lines = []
  for await (const { value } of reader.read()) lines.push(String(value))
  await reader.close()
  return lines
}

test('each machine goes on with every line that was safe on the one before, which is killed', async () => {
  let safe = 0
  /** @type {string[]} */
  let expected = []
  for (const name of ['first', 'second', 'third']) {
    const machine = start(name)
    await until(machine, () => machine.begin >= 0)
    assert.ok(machine.begin >= safe, `${name} begins at ${machine.begin}, and ${safe} lines were safe`)
    const kept = expected.slice(0, machine.begin)
    const lines = Array.from({ length: 50 }, (_, number) => `${name} ${number}`)
    for (const line of lines) machine.child.stdin.write(`${line}\n`)
    await until(machine, () => machine.safe > machine.begin)
    machine.child.kill('SIGKILL')
    await machine.ended
    safe = machine.safe
    expected = [...kept, ...lines]
    const found = await linesOf(name)
    assert.deepEqual(found, expected.slice(0, found.length))
    assert.ok(found.length >= safe)
  }
})

test('a machine that comes back after another has taken over stops, and keeps what only it has', async () => {
  const first = start('first')
  first.child.stdin.write('a\n')
  await until(first, () => first.safe === 1)
  first.child.kill('SIGKILL')
  await first.ended
  const second = start('second')
  second.child.stdin.end('b\n')
  await second.ended
  assert.deepEqual([second.begin, second.safe], [1, 2])
  const back = start('first')
  back.child.stdin.write('only here\n')
  const [status] = await back.ended
  assert.equal(status, 1)
  assert.deepEqual(await linesOf('second'), ['a', 'b'])
})
