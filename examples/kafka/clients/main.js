/**
 * Tests the broker with kcat: `node main.js [--require]`. Where kcat cannot be had, it says so and succeeds, unless
 * `--require` is given.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { Random } from '@sq/sim'
import { cleanEnvironment } from '../../clean-environment.js'
import { BrokerProcess } from '../broker-process.js'
import { kcatCommand, NoKcatError } from './kcat.js'

const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const RECORDS = 1000
const KILLS = 20
const LINES_BETWEEN_KILLS = 2000
const CONNECTIONS = 10_000

/** @typedef {{ broker: BrokerProcess, kcat: (...args: string[]) => import('node:child_process').ChildProcessWithoutNullStreams }} Setting */

/** @type {[fact: string, check: (setting: Setting) => Promise<void>][]} */
const FACTS = [
  ['kcat consumes what it has produced with each compression', consumesEachCompression],
  ['kcat consumes from an offset, from the end and from a time', consumesFromAnywhere],
  ['two members of a group share the partitions of a topic', sharesPartitions],
  [`an idempotent producer loses nothing and stores nothing twice during ${KILLS} kills`, survivesKills],
  [`the broker lives after ${CONNECTIONS} connections that do not speak its protocol`, survivesGarbage],
]

const { require: isRequired } = parseArgs({ options: { require: { type: 'boolean', default: false } } }).values
try {
  const [loader = '', ...options] = await kcatCommand()
  let failures = 0
  for (const [fact, check] of FACTS) {
    const directory = mkdtempSync(join(tmpdir(), 'sq-kafka-clients-'))
    const broker = await new BrokerProcess(join(directory, 'data')).start()
    /** @type {Setting['kcat']} */
    const kcat = (...args) =>
      spawn(loader, [...options, '-b', broker.address, ...args], {
        env: cleanEnvironment(),
        stdio: ['pipe', 'pipe', 'pipe'],
      })
    try {
      await check({ broker, kcat })
      console.log(`holds: ${fact}`)
    } catch (error) {
      failures++
      console.log(`FAILED: ${fact}\n`, error)
    } finally {
      await broker.kill()
      rmSync(directory, { recursive: true })
    }
  }
  if (failures > 0) process.exitCode = 1
} catch (error) {
  if (isRequired || !(error instanceof NoKcatError)) throw error
  console.log(`skipped: there is no kcat: ${error.message}`)
}

/** @param {Setting} setting */
async function consumesEachCompression({ kcat }) {
  const values = Array.from({ length: RECORDS }, (_, index) => `value ${index}`)
  for (const compression of COMPRESSIONS) {
    for (const acks of ['0', '1', 'all']) {
      const topic = `${compression}-${acks}`
      await run(kcat('-P', '-t', topic, '-z', compression, '-X', `acks=${acks}`), values.join('\n'))
      const consumed = await run(kcat('-C', '-t', topic, '-e', '-q', '-X', 'check.crcs=true'))
      assert.deepEqual(consumed.trimEnd().split('\n'), values)
    }
  }
}

/** @param {Setting} setting */
async function consumesFromAnywhere({ kcat }) {
  for (const value of ['a', 'b', 'c']) await run(kcat('-P', '-t', 't'), value)
  const consume = async (/** @type {string[]} */ ...args) => run(kcat('-C', '-t', 't', '-e', '-q', ...args))
  assert.equal(await consume('-o', '1'), 'b\nc\n')
  assert.equal(await consume('-o', '-1'), 'c\n')
  assert.equal(await consume('-o', 'end'), '')
  const times = await consume('-f', '%T\n')
  assert.equal(await consume('-o', `s@${times.split('\n')[1]}`), 'b\nc\n')
}

/** @param {Setting} setting */
async function sharesPartitions({ broker, kcat }) {
  const { Kafka, logLevel } = await import('kafkajs')
  const admin = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 't', numPartitions: 4 }] })
  await admin.disconnect()
  const members = [kcat('-G', 'g', 't'), kcat('-G', 'g', 't')]
  await Promise.all(members.map((member) => printed(member.stderr, /rebalanced[^\n]*assigned: t \[\d\], t \[\d\]\n/)))
  for (const member of members) {
    const ended = once(member, 'close')
    member.kill('SIGTERM')
    await ended
  }
}

/** @param {Setting} setting */
async function survivesKills({ broker, kcat }) {
  // With -E it goes on while its only broker is down.
  const producer = kcat(
    '-E',
    '-P',
    '-t',
    't',
    '-z',
    'lz4',
    '-X',
    'enable.idempotence=true',
    '-X',
    'reconnect.backoff.max.ms=100',
  )
  const ended = once(producer, 'close')
  producer.stdin.on('error', () => {})
  const errors = text(producer.stderr)
  const random = new Random(1)
  let sent = 0
  for (let kills = 0; kills < KILLS; kills++) {
    for (let line = 0; line < LINES_BETWEEN_KILLS; line++) producer.stdin.write(`${sent++}\n`)
    await new Promise((done) => setTimeout(done, random.int(300)))
    await broker.kill()
    await broker.start()
  }
  producer.stdin.end()
  const [code] = await ended
  assert.equal(code, 0, await errors)
  const consumed = await run(kcat('-C', '-t', 't', '-e', '-q'))
  assert.deepEqual(
    consumed.trimEnd().split('\n'),
    Array.from({ length: sent }, (_, index) => String(index)),
  )
}

/** @param {Setting} setting */
async function survivesGarbage({ broker, kcat }) {
  const random = new Random(2)
  const twoGigabytes = Buffer.from([0x7f, 0xff, 0xff, 0xff])
  const half = Buffer.alloc(1000)
  half.writeInt32BE(1_000_000)
  /** @type {import('node:net').Socket[]} */
  const open = []
  for (let number = 0; number < CONNECTIONS; number++) {
    const socket = connect(broker.port, '127.0.0.1').on('error', () => {})
    socket.write(number % 3 === 0 ? twoGigabytes : number % 3 === 1 ? half : random.bytes(1000))
    open.push(socket)
    // Some of the connections stay, with half a request.
    if (open.length > 500) open.shift()?.destroy()
    if (number % 100 === 0) await new Promise((done) => setImmediate(done))
  }
  await run(kcat('-P', '-t', 't'), 'a')
  for (const socket of open) socket.destroy()
  assert.equal(await run(kcat('-C', '-t', 't', '-e', '-q')), 'a\n')
}

/**
 * Gives a process its input, and resolves with what it prints. Rejects if it fails.
 *
 * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
 * @param {string} [input]
 */
async function run(child, input = '') {
  child.stdin.end(input)
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`kcat failed: ${errors}`)
  return out
}

/**
 * Resolves when a stream has printed what matches.
 *
 * @param {import('node:stream').Readable} stream
 * @param {RegExp} expected
 */
async function printed(stream, expected) {
  let all = ''
  for await (const chunk of stream) {
    all += String(chunk)
    if (expected.test(all)) return
  }
  throw new Error(`it ended before it printed ${expected}: ${all}`)
}
