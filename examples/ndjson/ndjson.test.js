/** Imports that are slowed down by the disk, interrupted at any moment, and run as a command. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { cleanEnvironment } from '../clean-environment.js'
import { linesOf } from './lines.js'
import { exportLines, importLines } from './ndjson.js'

/** @typedef {import('@sq/sim/memory').CrashImage} CrashImage */

const COMMAND = fileURLToPath(new URL('ndjson.js', import.meta.url))
const LINE_BYTES = 100

/** @type {string} */
let directory
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sq-ndjson-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/**
 * `count` lines of JSON, each of `LINE_BYTES` and a line feed.
 *
 * @param {number} count
 */
function linesOfJson(count) {
  return Array.from({ length: count }, (_, number) => `${JSON.stringify({ number }).padEnd(LINE_BYTES)}\n`).join('')
}

/**
 * Calls back with the next offset after each durable commit of any log. Returns a function that stops this.
 *
 * @param {(nextOffset: number) => void} listener
 */
function onDurable(listener) {
  const onCommit = (/** @type {unknown} */ message) => {
    const { baseOffset, records, error } = /** @type {import('@sq/storage').CommitEvent} */ (message)
    if (error === null) listener(Number(baseOffset) + records)
  }
  subscribe('sq:wal:commit', onCommit)
  return () => unsubscribe('sq:wal:commit', onCommit)
}

/** @param {string[]} args */
function run(...args) {
  return spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8', env: cleanEnvironment() })
}

test('an import reads ahead of the durable lines only as far as maxPendingBytes allows', async () => {
  const [count, maxPendingBytes] = [5000, 64 * 1024]
  const path = join(directory, 'lines.ndjson')
  writeFileSync(path, linesOfJson(count))
  const [fs, config] = [new InMemoryFileSystem(), { dataDir: '/log', maxPendingBytes }]
  // Everything else continues before a sync completes.
  fs.faults.add({ on: 'sync', when: 'always', fault: { turns: 100 } })
  let [pulled, durable, mostAhead] = [0, 0, 0]
  const stop = onDurable((nextOffset) => (durable = nextOffset))
  async function* counted() {
    for await (const line of linesOf(createReadStream(path))) {
      pulled++
      mostAhead = Math.max(mostAhead, pulled - durable)
      yield line
    }
  }
  assert.equal(await importLines(fs, config, counted()), count)
  stop()
  assert.deepEqual(await buffer(Readable.from(exportLines(fs, config))), readFileSync(path))
  assert.ok(mostAhead > 1 && mostAhead <= maxPendingBytes / 4 / LINE_BYTES + 1, `${mostAhead} lines ahead`)
})

test('an import that was interrupted at any moment continues there when it is run again', async () => {
  const text = linesOfJson(40)
  const lines = () => linesOf(Readable.from([Buffer.from(text)]))
  const config = { dataDir: '/log', maxSegmentBytes: 2000, maxPendingBytes: 3000 }
  /** @type {Map<string, CrashImage>} */
  const images = new Map()
  const fs = new InMemoryFileSystem()
  fs.operations.observe(() => {
    const state = fs.crashState()
    // Nothing that was not durable is left, or everything, as after a kill of the process.
    for (const picks of [[], state.points.map(({ alternatives }) => alternatives - 1)]) {
      const image = state.image({ picks })
      images.set(image.digest(), image)
    }
  })
  assert.equal(await importLines(fs, config, lines()), 40)
  for (const image of images.values()) {
    const rebooted = new InMemoryFileSystem({ image })
    assert.equal(await importLines(rebooted, config, lines()), 40)
    assert.equal((await buffer(Readable.from(exportLines(rebooted, config)))).toString(), text)
  }
  assert.ok(images.size > 40)
})

test('lines are preserved byte for byte, whatever the chunks of the file', async () => {
  const text = '{"a":"\u2028"}\n\n{"b":"ü"}\r\n"end"\n'
  for (const chunkBytes of [1, 2, 7, 100]) {
    const [fs, config] = [new InMemoryFileSystem(), { dataDir: '/log' }]
    const bytes = Buffer.from(text)
    const at = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, chunk) => chunk * chunkBytes)
    const chunks = Readable.from(at.map((from) => bytes.subarray(from, from + chunkBytes)))
    assert.equal(await importLines(fs, config, linesOf(chunks)), 4)
    assert.equal((await buffer(Readable.from(exportLines(fs, config)))).toString(), text)
  }
})

test('the command exports the file that it imported, and a second import adds nothing', () => {
  const [from, log, to] = ['in.ndjson', 'log', 'out.ndjson'].map((name) => join(directory, name))
  assert.ok(from && log && to)
  writeFileSync(from, linesOfJson(1000))
  for (const { status, stdout, stderr } of [run('import', from, log), run('import', from, log)]) {
    assert.deepEqual([status, stdout, stderr], [0, '1000 lines are in the log\n', ''])
  }
  assert.equal(run('export', log, to).status, 0)
  assert.deepEqual(readFileSync(to), readFileSync(from))
})
