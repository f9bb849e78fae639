/** The processes of clients, and what they print. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { cleanEnvironment } from '../../clean-environment.js'

/** @typedef {import('node:child_process').ChildProcessWithoutNullStreams} Child */
/** @typedef {import('./debian.js').Program} Program */
/** A broker, and what starts kcat with its address, or another program. */
/** @typedef {{ broker: import('../broker-process.js').BrokerProcess, kcat: (...args: string[]) => Child, spawn: (program: Program, ...args: string[]) => Child }} Setting */

export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
export const VALUES = Array.from({ length: 1000 }, (_, index) => `value ${index}`)

/**
 * @param {Program} program
 * @param {string[]} args
 * @returns {Child}
 */
export function start({ command: [file = '', ...options], env, cwd }, args) {
  const all = { env: cleanEnvironment(env), ...(cwd !== undefined && { cwd }) }
  return spawn(file, [...options, ...args], { ...all, stdio: ['pipe', 'pipe', 'pipe'] })
}

/**
 * Gives a process its input, and resolves with what it prints. Rejects if it fails.
 *
 * @param {Child} child
 * @param {string} [input]
 */
export async function run(child, input = '') {
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`the client failed: ${errors}`)
  return out
}

/**
 * The lines that a process prints, for `printed`.
 *
 * @param {import('node:stream').Readable} stream
 */
export function lines(stream) {
  return createInterface(stream)[Symbol.asyncIterator]()
}

/**
 * Resolves when a process has printed a line that matches. What it prints later is left.
 *
 * @param {AsyncIterator<string>} of
 * @param {RegExp} expected
 */
export async function printed(of, expected) {
  const before = []
  for (let next = await of.next(); !next.done; next = await of.next()) {
    if (expected.test(next.value)) return
    before.push(next.value)
  }
  throw new Error(`it ended before it printed ${expected}: ${before.join('\n')}`)
}

/**
 * @param {Setting} setting
 * @param {string} topic
 * @param {number} numPartitions
 */
export async function createTopic({ broker }, topic, numPartitions) {
  const { Kafka, logLevel } = await import('kafkajs')
  const admin = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions }] })
  await admin.disconnect()
}
