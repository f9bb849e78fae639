/** The formats in which records are printed for other programs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const writer = await openExample(join(place, 'data'), 'web', 3)
  const headers = [
    { key: 'h', value: Buffer.from('1') },
    { key: 'i', value: Buffer.from('"2"') },
  ]
  await writer.append(Buffer.from('k'), Buffer.from('say "hi"\nthere'), headers, 1000)
  await writer.append(null, null, [], 2000)
  await writer.append(Buffer.from(''), Buffer.from([0xff, 0x22]), [], 3000)
  await writer.close()
})
afterAll(() => rmSync(place, { recursive: true }))

function cat(...args: string[]): Promise<Ended> {
  return command.run(['cat', 'data/web/3', ...args], { place })
}

test('csv quotes what is there, and leaves what is not there empty', async () => {
  const { stdout } = await cat('--format', 'csv')
  expect(stdout).toBe(
    'offset,timestampMs,key,value,headers\n' +
      '0,1000,"k","say ""hi""\nthere","[{""key"":""h"",""value"":""1""},{""key"":""i"",""value"":""\\""2\\""""}]"\n' +
      '1,2000,,,\n' +
      '2,3000,"","\uFFFD""",\n',
  )
})

test('csv of no record is the title line', async () => {
  expect((await cat('--format', 'csv', '--key', 'none')).stdout).toBe('offset,timestampMs,key,value,headers\n')
})

it.each([
  ['%t/%p %o %T %K %k %S %s %h|', 'web/3 0 1000 1 k 14 say "hi"\nthere h=1,i="2"|web/3 1 2000 -1  -1  |'],
  ['100%% %o\\n', '100% 0\n100% 1\n'],
  ['%o\\t\\x41\\\\\\0', '0\tA\\\u00001\tA\\\u0000'],
])('the template %j has the fields of a record', async (template, expected) => {
  expect((await cat('-f', template, '--count', '2')).stdout).toBe(expected)
  expect((await command.run(['tail', 'data/web/3', '--template', template], { place })).stdout).toContain(expected)
})

it.each([
  [['-f', '%x'], /the template has the unknown field "%x"; expected one of %% %t/],
  [['-f', '%o%'], /the template has the unknown field "%"/],
  [['-f', '\\q'], /unknown escape "\\\\q"; expected/],
  [['--format', 'json', '--delimiter', ' '], /--delimiter needs --format raw/],
])('%j is a usage error', async (args, message) => {
  const { status, stdout, stderr } = await cat(...args)
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(message)
})

it.each([
  ['\\0', 'say "hi"\nthere\0'],
  ['', 'say "hi"\nthere'],
  ['--\\n', 'say "hi"\nthere--\n'],
])('raw ends each value with the delimiter %j', async (delimiter, expected) => {
  expect((await cat('--format', 'raw', '--count', '1', '--delimiter', delimiter)).stdout).toBe(expected)
})
