/** The queue as a process on a real disk: killed while clients produce, restarted, and shut down. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.js'
import { linesOf } from './client.js'

const SERVER = fileURLToPath(new URL('server.js', import.meta.url))
const CLIENTS = 8
/** The numbers of records that the tailing client has received when the process is killed, and when it is shut down. */
const KILL_AT = 100
const END_AT = 200

/** @typedef {{ offset: number, value: unknown }} Taken */

/** @type {string} */
let directory
/** @type {import('node:child_process').ChildProcess | undefined} */
let last
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sq-queue-'))
})
afterEach(() => {
  last?.kill('SIGKILL')
  rmSync(directory, { recursive: true })
})

/** Starts the queue and resolves when it is listening. */
async function start() {
  const child = spawn(process.execPath, [SERVER, directory], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  last = child
  const exited = Promise.all([once(child, 'close'), text(child.stderr)])
  const ended = exited.then(([[status], stderr]) => ({ status, stderr }))
  const listening = once(createInterface(child.stdout), 'line').then(([line]) => String(line))
  const line = await Promise.race([listening, ended.then(({ stderr }) => assert.fail(`it did not start: ${stderr}`))])
  return { child, url: line.replace('listening on ', ''), ended }
}

/**
 * Appends numbered values of `client` one after another until the queue is gone. Returns the acknowledged ones with
 * their offsets. A value that was not acknowledged is not sent again, because it may be in the log.
 *
 * @param {string} url
 * @param {{ client: number, next: number }} state
 */
async function produce(url, state) {
  /** @type {[offset: number, value: string][]} */
  const acknowledged = []
  for (;;) {
    const value = `${state.client}/${state.next++}`
    try {
      const response = await fetch(`${url}/records`, { method: 'POST', body: JSON.stringify(value) })
      // A request during the shutdown is refused.
      if (response.status === 503) return acknowledged
      assert.equal(response.status, 201)
      /** @type {{ offset: number }} */
      const { offset } = JSON.parse(await response.text())
      acknowledged.push([offset, value])
    } catch (error) {
      if (error instanceof TypeError) return acknowledged
      throw error
    }
  }
}

/**
 * Tails the queue, starting after the records that were already received, until the queue is killed. Calls back when a
 * number of records has been received, or no more will come.
 *
 * @param {string} url
 * @param {Taken[]} taken
 * @param {{ count: number, reached: () => void }} mark
 * @returns {Promise<'ended' | 'broken'>}
 */
async function follow(url, taken, { count, reached }) {
  const response = await fetch(`${url}/records?follow&from=${taken.length}`)
  try {
    for await (const record of linesOf(response)) {
      taken.push(record)
      if (taken.length === count) reached()
    }
    return 'ended'
  } catch (error) {
    if (error instanceof TypeError) return 'broken'
    throw error
  } finally {
    if (taken.length < count) reached()
  }
}

test('a queue that is killed while clients produce has every acknowledged value once and in order', async () => {
  const clients = Array.from({ length: CLIENTS }, (_, client) => ({ client, next: 0 }))
  /** @type {Taken[]} */
  const taken = []
  const acknowledged = new Map()
  for (const [count, signal, status, end] of /** @type {const} */ ([
    [KILL_AT, 'SIGKILL', null, 'broken'],
    [END_AT, 'SIGTERM', 0, 'ended'],
  ])) {
    const { child, url, ended } = await start()
    const following = follow(url, taken, { count, reached: () => child.kill(signal) })
    const producing = clients.map((state) => produce(url, state))
    const [seen, ...produced] = await Promise.all([following, ...producing])
    assert.deepEqual([seen, await ended], [end, { status, stderr: '' }])
    for (const [offset, value] of produced.flat()) acknowledged.set(offset, value)
  }

  const { child, url, ended } = await start()
  /** @type {Taken[]} */
  const log = []
  for await (const record of linesOf(await fetch(`${url}/records?limit=${END_AT * 10}`))) log.push(record)
  child.kill()
  await ended

  assert.deepEqual(
    log.map(({ offset }) => offset),
    Array.from(log, (_, offset) => offset),
  )
  assert.deepEqual(taken, log.slice(0, taken.length))
  // Each client was interrupted at most twice.
  assert.ok(acknowledged.size >= taken.length - 2 * CLIENTS)
  for (const [offset, value] of acknowledged) assert.deepEqual(log[offset]?.value, value)
  for (const { client } of clients) {
    const own = log.map(({ value }) => String(value).split('/')).filter(([of]) => of === String(client))
    const counts = own.map(([, count]) => Number(count))
    assert.deepEqual(
      counts,
      Array.from(new Set(counts)).toSorted((a, b) => a - b),
    )
  }
})
