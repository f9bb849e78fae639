/**
 * Tests the broker with clients in processes of their own: `node main.js [--require] [--quick] [--only WORD]`. With
 * `--quick`, kcat is the only one, there are fewer kills and connections, and all facts are checked at the same time.
 * WORD is in the facts to check. Where the clients cannot be had, it says so and succeeds, unless `--require` is given.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Random } from '@sq/sim'
import { BrokerProcess } from '../broker-process.js'
import { kcatProgram, pythonProgram, UnavailableError } from './debian.js'
import { factsOf } from './each-client.js'
import { nodeWithClients } from './npm.js'
import { COMPRESSIONS, createTopic, lines, printed, run, start, VALUES } from './processes.js'

const LINES_BETWEEN_KILLS = 2000
/** What one fact may take: a client that waits for ever must not hold up what follows. */
const MAX_FACT_MS = 180_000

/** @typedef {import('./processes.js').Setting} Setting */

const {
  require: isRequired,
  quick: isQuick,
  only,
} = parseArgs({
  options: {
    require: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
}).values
const KILLS = isQuick ? 5 : 20
const CONNECTIONS = isQuick ? 1000 : 10_000

/** @type {[fact: string, check: (setting: Setting) => Promise<void>][]} */
const KCAT_FACTS = [
  ['kcat consumes what it has produced with each compression', consumesEachCompression],
  ['kcat consumes from an offset, from the end and from a time', consumesFromAnywhere],
  ['two members of a group share the partitions of a topic', sharesPartitions],
  [`an idempotent producer loses nothing and stores nothing twice during ${KILLS} kills`, survivesKills],
  [
    `the broker lives, and its memory is bounded, after ${CONNECTIONS} connections that do not speak its protocol`,
    survivesGarbage,
  ],
]

try {
  const kcat = await kcatProgram()
  if (isQuick) await Promise.all(KCAT_FACTS.map(([fact, check]) => examine(fact, check, kcat)))
  else for (const [fact, check] of await allFacts()) if (fact.includes(only)) await examine(fact, check, kcat)
} catch (error) {
  if (isRequired || !(error instanceof UnavailableError)) throw error
  console.log(`skipped: ${error.message}`)
}

/** The facts about all clients. */
async function allFacts() {
  const [python, node] = [await pythonProgram(), await nodeWithClients()]
  return [
    ...KCAT_FACTS,
    ...factsOf({ name: 'confluent-kafka', program: python, file: 'confluent.py' }),
    ...factsOf({ name: 'kafka-python', program: python, file: 'kafka_python.py' }),
    ...factsOf({ name: 'kafka-crab-js', program: node, file: 'kafka-crab.js', lacks: ['a time', 'zstd'] }),
    ...factsOf({ name: '@platformatic/kafka', program: node, file: 'platformatic.js' }),
  ]
}

/**
 * Checks a fact with a broker of its own.
 *
 * @param {string} fact
 * @param {(setting: Setting) => Promise<void>} check
 * @param {import('./debian.js').Program} kcat
 */
async function examine(fact, check, kcat) {
  const directory = mkdtempSync(join(tmpdir(), 'sq-kafka-clients-'))
  const broker = await new BrokerProcess(join(directory, 'data')).start()
  /** @type {import('./processes.js').Child[]} */
  const children = []
  /** @type {Setting['spawn']} */
  const spawn = (program, ...args) => {
    const child = start(program, args)
    children.push(child)
    return child
  }
  const isOver = new AbortController()
  const late = sleep(MAX_FACT_MS, null, { signal: isOver.signal }).then(() => {
    throw new Error(`it took longer than ${MAX_FACT_MS} ms`)
  })
  try {
    const checked = check({ broker, spawn, kcat: (...args) => spawn(kcat, '-b', broker.address, ...args) })
    await Promise.race([checked, late])
    console.log(`holds: ${fact}`)
  } catch (error) {
    process.exitCode = 1
    console.log(`FAILED: ${fact}\n`, error)
  } finally {
    late.catch(() => {})
    isOver.abort()
    for (const child of children) child.kill('SIGKILL')
    await broker.kill()
    rmSync(directory, { recursive: true })
  }
}

/** @param {Setting} setting */
async function consumesEachCompression({ kcat }) {
  for (const compression of COMPRESSIONS) {
    for (const acks of ['0', '1', 'all']) {
      const topic = `${compression}-${acks}`
      await run(kcat('-P', '-t', topic, '-z', compression, '-X', `acks=${acks}`), VALUES.join('\n'))
      const consumed = await run(kcat('-C', '-t', topic, '-e', '-q', '-X', 'check.crcs=true'))
      assert.deepEqual(consumed.trimEnd().split('\n'), VALUES)
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
async function sharesPartitions(setting) {
  const { kcat } = setting
  await createTopic(setting, 't', 4)
  const members = [kcat('-G', 'g', 't'), kcat('-G', 'g', 't')]
  await Promise.all(members.map((member) => printed(lines(member.stderr), /rebalanced.*assigned: t \[\d\], t \[\d\]$/)))
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
  const before = broker.residentBytes
  for (let number = 0; number < CONNECTIONS; number++) {
    const socket = connect(broker.port, '127.0.0.1').on('error', () => {})
    socket.write(number % 3 === 0 ? twoGigabytes : number % 3 === 1 ? half : random.bytes(1000))
    open.push(socket)
    // Some of the connections stay, with half a request.
    if (open.length > 500) open.shift()?.destroy()
    if (number % 100 === 0) await new Promise((done) => setImmediate(done))
  }
  await run(kcat('-P', '-t', 't'), 'a')
  const grownBytes = broker.residentBytes - before
  assert.ok(grownBytes < 200 * 2 ** 20, `the broker grew by ${grownBytes} bytes`)
  for (const socket of open) socket.destroy()
  assert.equal(await run(kcat('-C', '-t', 't', '-e', '-q')), 'a\n')
}
