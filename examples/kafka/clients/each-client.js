/**
 * What is checked with every client, by a program in `programs/` that has it: `PROGRAM ADDRESS produce TOPIC COMPRESSION`
 * sends each line that it reads, `consume TOPIC start|end|offset:N|time:MS COUNT` prints the values of as many records,
 * and `join GROUP TOPIC` prints `assigned` and its partitions whenever they change, until SIGTERM.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { COMPRESSIONS, createTopic, lines, printed, run, VALUES } from './processes.js'

/** @typedef {import('./processes.js').Setting} Setting */
/** @typedef {{ name: string, program: import('./debian.js').Program, file: string, lacks?: string[] }} Client */

/**
 * The facts about a client.
 *
 * @param {Client} client
 * @returns {[fact: string, check: (setting: Setting) => Promise<void>][]}
 */
export function factsOf(client) {
  const { name, lacks = [] } = client
  const places = ['an offset', 'the end', 'a time'].filter((place) => !lacks.includes(place))
  return [
    [
      `${name} consumes what it has produced with each compression`,
      (setting) => consumesEachCompression(client, setting),
    ],
    [`${name} consumes from ${places.join(', ')}`, (setting) => consumesFrom(places, client, setting)],
    [`${name} shares the partitions of a topic with another member of its group`, (setting) => shares(client, setting)],
  ]
}

/**
 * Starts the program of a client.
 *
 * @param {Client} client
 * @param {Setting} setting
 * @param {...string} args
 */
function start({ program, file }, { broker, spawn }, ...args) {
  return spawn(program, fileURLToPath(new URL(`programs/${file}`, import.meta.url)), broker.address, ...args)
}

/**
 * @param {Client} client
 * @param {Setting} setting
 */
async function consumesEachCompression(client, setting) {
  for (const compression of COMPRESSIONS.filter((name) => !client.lacks?.includes(name))) {
    await createTopic(setting, compression, 1)
    await run(start(client, setting, 'produce', compression, compression), VALUES.join('\n'))
    const consumed = await run(start(client, setting, 'consume', compression, 'start', String(VALUES.length)))
    assert.deepEqual(consumed.trimEnd().split('\n'), VALUES)
  }
}

/**
 * @param {string[]} places
 * @param {Client} client
 * @param {Setting} setting
 */
async function consumesFrom(places, client, setting) {
  const { kcat } = setting
  for (const value of ['a', 'b', 'c']) await run(kcat('-P', '-t', 't'), value)
  const consume = (/** @type {string[]} */ ...args) => start(client, setting, 'consume', 't', ...args)
  if (places.includes('an offset')) assert.equal(await run(consume('offset:1', '2')), 'b\nc\n')
  if (places.includes('a time')) {
    const times = await run(kcat('-C', '-t', 't', '-e', '-q', '-f', '%T\n'))
    assert.equal(await run(consume(`time:${times.split('\n')[1]}`, '2')), 'b\nc\n')
  }
  const consumed = run(consume('end', '1'))
  const isOver = consumed.then(() => true)
  // Nothing tells when the consumer is at the end, so more comes until it has got one.
  do await run(kcat('-P', '-t', 't'), 'later')
  while (!(await Promise.race([isOver, new Promise((done) => setTimeout(done, 500, false))])))
  assert.equal(await consumed, 'later\n')
}

/**
 * @param {Client} client
 * @param {Setting} setting
 */
async function shares(client, setting) {
  await createTopic(setting, 't', 4)
  const first = start(client, setting, 'join', 'g', 't')
  const of = lines(first.stdout)
  await printed(of, /^assigned 0 1 2 3$/)
  const second = start(client, setting, 'join', 'g', 't')
  await Promise.all([printed(of, /^assigned \d \d$/), printed(lines(second.stdout), /^assigned \d \d$/)])
  second.kill('SIGTERM')
  await Promise.all([printed(of, /^assigned 0 1 2 3$/), once(second, 'close')])
  first.kill('SIGTERM')
  await once(first, 'close')
}
