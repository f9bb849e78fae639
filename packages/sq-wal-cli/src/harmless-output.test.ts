/** Text from logs, files and arguments cannot control the terminal, in any output of the command. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const FIRST = '00000000000000000000.wal'
/** C0 and C1 control codes, bidirectional controls, and a line break with a forged message after it. */
const EVIL = '\u001B[31m\u0007\u009B31m\u202Ecod\u2066\u2028\nsq-wal: all is well\r'

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'evil'))
  writeFileSync(join(place, 'evil/orders/0', EVIL), '')
  await run(['append', 'evil/c1/0', '--format', 'prefixed'], { place }, prefixed(EVIL))
  await run(
    ['append', 'evil/c1/0', '--format', 'json', '--key-field', 'k', '--header-field', EVIL],
    { place },
    JSON.stringify({ k: EVIL, [EVIL]: EVIL }),
  )
  writeFileSync(join(place, 'topic.wal'), withTopic('\u001B[31m\u009Bx\n'))
  mkdirSync(join(place, `broken ${EVIL}`, 'orders/0'), { recursive: true })
  writeFileSync(join(place, `broken ${EVIL}`, 'orders/0', FIRST), withTopic('\u001B[2Jevil\n'))
  mkdirSync(join(place, `empty ${EVIL}`))
  writeFileSync(join(place, `input ${EVIL}`), 'a\n{"a":1}\n')
})
afterAll(() => rmSync(place, { recursive: true }))

/** A segment file with another topic in its header. */
function withTopic(topic: string): Buffer {
  const bytes = readFileSync(join(place, 'evil/orders/0', FIRST))
  bytes.fill(0, 8, 28)
  bytes.writeUInt16LE(topic.length, 6)
  bytes.write(topic, 8, 'latin1')
  return bytes
}

function prefixed(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(text))
  return Buffer.concat([length, Buffer.from(text)])
}

it.each([
  ['a name in the log', ['verify', 'evil/orders/0']],
  ['a record', ['cat', 'evil/c1/0']],
  ['a record', ['cat', 'evil/c1/0', '--format', 'json']],
  ['a key', ['cat', 'evil/c1/0', '--format', 'hex']],
  ['a record', ['tail', 'evil/c1/0']],
  ['a topic in a file', ['dump', 'topic.wal']],
  ['a topic in a file', ['dump', 'topic.wal', '--json']],
  ['a topic in a file', ['dump', 'topic.wal', '--hex']],
  ['a topic in a log', ['cat', 'orders/0', '-d', `broken ${EVIL}`]],
  ['a topic in a log', ['segments', 'orders/0', '-d', `broken ${EVIL}`]],
  ['a topic in a log', ['verify', 'orders/0', '-d', `broken ${EVIL}`]],
  ['a topic in a log', ['verify', '--all', '-d', `broken ${EVIL}`]],
  ['a topic in a log', ['ls', `broken ${EVIL}`]],
  ['a topic in a log', ['ls', `broken ${EVIL}`, '--json']],
  ['a topic in a log', ['repair', 'orders/0', '-d', `broken ${EVIL}`]],
  ['a directory', ['ls', `empty ${EVIL}`]],
  ['a directory', ['verify', '--all', '-d', `empty ${EVIL}`]],
  ['a directory', ['ls', `missing ${EVIL}`]],
  ['a directory', ['bench', `missing ${EVIL}`]],
  ['a directory', ['demo', '--dir', `empty ${EVIL}/..`, '--input', `input ${EVIL}`]],
  ['a file', ['dump', `missing ${EVIL}`]],
  ['a file', ['append', 'x/0', `missing ${EVIL}`]],
  ['a file', ['append', 'x/0', '--format', 'json', `input ${EVIL}`]],
  ['a file', ['segments', 'evil/orders/0', '--svg', `missing/${EVIL}`]],
  ['a file', ['demo', '--kills', '0', '--input', `input ${EVIL}`]],
  ['an argument', [`cat${EVIL}`]],
  ['an argument', ['help', `cat${EVIL}`]],
  ['an argument', [`--${EVIL}`]],
  ['an argument', ['cat', EVIL]],
  ['an argument', ['cat', 'evil/orders/0', EVIL]],
  ['an argument', ['cat', 'evil/orders/0', '--from', EVIL]],
  ['an argument', ['cat', 'evil/orders/0', '--count', EVIL]],
  ['an argument', ['cat', 'evil/orders/0', '--format', EVIL]],
  ['an argument', ['cat', 'evil/orders/0', '--grep', `(${EVIL}`]],
  ['an argument', ['retain', 'evil/orders/0', '--age', EVIL]],
  ['an argument', ['append', 'x/0', '--format', 'json', '--timestamp-field', EVIL, `input ${EVIL}`]],
])('%s is escaped in the output of %j', async (_, args) => {
  expectHarmless(await run(args, { place }))
})

function expectHarmless({ stdout, stderr, status }: Ended): void {
  expect([0, 1, 2]).toContain(status)
  expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]|[\p{Bidi_Control}\u2028\u2029]/u)
  expect(stdout + stderr).not.toMatch(/^sq-wal: all is well/m)
  if (stderr !== '' && !stderr.startsWith('Usage:')) expect(stderr).toMatch(/^(sq-wal: .*\n)+$/)
}

it('escaped JSON stays valid JSON', async () => {
  const { stdout } = await run(['cat', 'evil/c1/0', '--format', 'json'], { place })
  const [first, second] = stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  expect(first).toMatchObject({ value: EVIL })
  expect(second).toMatchObject({ key: EVIL, headers: [{ key: EVIL, value: EVIL }] })
  const dumped = (await run(['dump', 'topic.wal', '--json'], { place })).stdout.split('\n')[0] ?? ''
  expect(JSON.parse(dumped)).toMatchObject({ segment: { topicStart: '\u001B[31m\u009Bx\n' } })
  expect(JSON.parse((await run(['ls', `broken ${EVIL}`, '--json'], { place })).stdout)).toHaveLength(1)
})

it('only --format raw prints bytes unchanged', async () => {
  const { stdout } = await run(['cat', 'evil/c1/0', '--format', 'raw', '--count', '1'], { place })
  expect(stdout).toBe(`${EVIL}\n`)
})
