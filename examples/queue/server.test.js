/** The responses of the queue, on a disk in memory that can be slow, full or broken. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import { linesOf } from './client.js'
import { QueueServer } from './server.js'

const MAX_BODY_BYTES = 1024 * 1024
const config = { dataDir: '/data', maxPendingBytes: 16_384 }
/** @type {InMemoryFileSystem} */
let fs
/** @type {QueueServer} */
let queue

beforeEach(async () => {
  fs = new InMemoryFileSystem()
  queue = await QueueServer.open(fs, config, 0)
})
afterEach(async () => {
  await queue.close()
  assert.equal(fs.openHandles, 0)
})

/** @param {string | Uint8Array} body */
async function produce(body) {
  return answerOf('/records', { method: 'POST', body })
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function answerOf(path, init) {
  const response = await fetch(queue.url + path, init)
  const retryAfter = response.headers.get('Retry-After')
  return { status: response.status, retryAfter, body: JSON.parse(await response.text()) }
}

/** @param {string} query */
async function fetchAll(query) {
  const records = []
  for await (const record of linesOf(await fetch(`${queue.url}/records${query}`))) records.push(record)
  return records
}

describe('producing', () => {
  test('a request with several values gets the offset of the first, and values are fetched in order', async () => {
    const bodies = Array.from({ length: 20 }, (_, client) => `{"client":${client}}\n"second"\n`)
    const answers = await Promise.all(bodies.map(produce))
    const records = await fetchAll('?from=0')
    assert.deepEqual(
      records.map(({ offset }) => offset),
      Array.from({ length: 40 }, (_, offset) => offset),
    )
    for (const [client, { status, body }] of answers.entries()) {
      assert.equal(status, 201)
      assert.deepEqual(records[body.offset]?.value, { client })
      assert.equal(records[body.offset + 1]?.value, 'second')
    }
  })

  test('a response is sent only when the values are durable', async () => {
    const held = fs.faults.hold('sync')
    let answered = false
    const answer = produce('1').finally(() => (answered = true))
    await held.reached
    assert.deepEqual(await fetchAll('?from=0'), [])
    assert.equal(answered, false)
    held.release()
    assert.deepEqual((await answer).body, { offset: 0, records: 1 })
  })

  test('an append gets 503 while the backlog is full, and succeeds afterwards', async () => {
    const held = fs.faults.hold('sync')
    const first = produce(JSON.stringify('x'.repeat(16_000)))
    await held.reached
    const { status, retryAfter } = await produce('2')
    assert.deepEqual({ status, retryAfter }, { status: 503, retryAfter: '1' })
    held.release()
    assert.equal((await first).body.offset, 0)
    assert.equal((await produce('2')).body.offset, 1)
  })

  test('an append gets 503 if the disk fails, and succeeds afterwards', async () => {
    fs.faults.failNext('sync', 'EIO')
    assert.equal((await produce('1')).status, 503)
    assert.deepEqual((await produce('1')).body, { offset: 0, records: 1 })
  })

  for (const [what, body] of /** @type {const} */ ([
    ['no value', '\n'],
    ['a line that is not JSON', '1\n{'],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ])) {
    test(`an append with ${what} gets 400, and nothing is appended`, async () => {
      assert.equal((await produce(body)).status, 400)
      assert.deepEqual(await fetchAll(''), [])
    })
  }

  test('a body that is too long gets 413', async () => {
    const { status, body } = await produce(JSON.stringify('x'.repeat(16 * MAX_BODY_BYTES)))
    assert.equal(status, 413)
    assert.equal(body.maxBytes, MAX_BODY_BYTES)
  })
})

describe('fetching', () => {
  test('a fetch starts at an offset and ends at a limit', async () => {
    await produce('0\n1\n2\n3')
    assert.deepEqual(
      (await fetchAll('?from=1&limit=2')).map(({ value }) => value),
      [1, 2],
    )
  })

  test('a fetch from a deleted offset gets 410 with the first offset', async () => {
    await queue.close()
    const writer = await WalWriter.open(fs, config, 'queue', 0)
    for (const value of ['0', '1']) await writer.append(null, Buffer.from(value), [], 0)
    await writer.closeActiveSegment()
    await writer.deleteSegments({ belowOffset: 2n })
    await writer.close()
    queue = await QueueServer.open(fs, config, 0)
    for (const path of ['/records?from=0', '/records?from=0&follow']) {
      const { status, body } = await answerOf(path)
      assert.deepEqual([status, body.firstOffset], [410, 2])
    }
  })

  for (const [path, expected] of /** @type {const} */ ([
    ['/records?from=1', 416],
    ['/records?from=-1', 400],
    ['/records?from=9007199254740993', 400],
    ['/records?limit=0', 400],
    ['/unknown', 404],
    ['//', 404],
    ['/positions/', 404],
  ])) {
    test(`a request of ${path} gets ${expected}`, async () => assert.equal((await answerOf(path)).status, expected))
  }
})

describe('following', () => {
  test('a tailing client gets each record once it is durable, until it disconnects', async () => {
    const gone = new AbortController()
    const records = linesOf(await fetch(`${queue.url}/records?follow`, { signal: gone.signal }))
    for (let offset = 0; offset < 5; offset++) {
      await produce(String(offset))
      assert.deepEqual((await records.next()).value?.value, offset)
    }
    gone.abort()
    await assert.rejects(records.next(), { name: 'AbortError' })
  })

  test('a tailing response ends cleanly when the queue is closed', async () => {
    await produce('0')
    const records = linesOf(await fetch(`${queue.url}/records?follow`))
    assert.equal((await records.next()).value?.offset, 0)
    const [, end] = await Promise.all([queue.close(), records.next()])
    assert.equal(end.done, true)
    queue = await QueueServer.open(fs, config, 0)
  })
})

test('a committed position survives a power cut, and the log of positions does not grow forever', async () => {
  assert.deepEqual((await answerOf('/positions/billing')).body, { offset: 0 })
  for (let offset = 1; offset <= 3; offset++) {
    assert.equal((await answerOf('/positions/billing', { method: 'PUT', body: String(offset) })).status, 200)
    await queue.close()
    fs.crash()
    queue = await QueueServer.open(fs, config, 0)
    assert.deepEqual((await answerOf('/positions/billing')).body, { offset })
    const segments = (await fs.readdir('/data/positions/0')).filter((name) => name.endsWith('.wal'))
    assert.equal(segments.length, 1)
  }
})

test('health has the counters of the writer', async () => {
  await produce('1\n2')
  const { status, body } = await answerOf('/health')
  assert.equal(status, 200)
  assert.deepEqual([body.nextOffset, body.records, body.commits, body.recovery], [2, 2, 1, 'clean'])
})
