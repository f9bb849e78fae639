import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { UsageError } from '../usage-error.ts'
import { inspectInput, readRecords } from './input.ts'

const directory = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0

function fileWith(content: string | Buffer): string {
  const path = join(directory, String(files++))
  writeFileSync(path, content)
  return path
}

async function read(content: string, from = 0): Promise<[key: string | null, value: string][]> {
  const records: [string | null, string][] = []
  for await (const { key = null, value } of readRecords(await inspectInput(fileWith(content)), { from })) {
    records.push([key === null ? null : Buffer.from(key).toString(), String(value)])
  }
  return records
}

describe('the records of a file', () => {
  it('each line is a record, byte for byte', async () => {
    expect(await read('a\n\n b\r\n{')).toEqual([
      [null, 'a'],
      [null, ''],
      [null, ' b\r'],
      [null, '{'],
    ])
  })

  it('each element of a JSON array is a record, byte for byte', async () => {
    expect(await read('[1, {"b":  2},\n"c"]\n')).toEqual([
      [null, '1'],
      [null, '{"b":  2}'],
      [null, '"c"'],
    ])
  })

  it.each(['[1]\n[2]\n', '[2024-01-01] started\n[2024-01-02] stopped\n', '[1,]\n', '[1, 2\n'])(
    'the records of %j, which only looks like an array, are its lines',
    async (text) => {
      expect((await read(text)).map(([, value]) => `${value}\n`).join('')).toBe(text)
    },
  )

  it('a record that is an object with origin and destination has a key', async () => {
    const route = '{"origin":"SFO","destination":"JFK"}'
    const lines = [route, '{"origin":"SFO"}', '{"origin":1,"destination":2}', '"origin"']
    expect((await read(lines.join('\n'))).map(([key]) => key)).toEqual(['SFO-JFK', null, null, null])
    expect((await read(`[${lines.join()}]`)).map(([key]) => key)).toEqual(['SFO-JFK', null, null, null])
  })

  it('records can be read from any index on', async () => {
    expect(await read('a\nb\nc', 1)).toEqual([
      [null, 'b'],
      [null, 'c'],
    ])
    expect(await read('a\nb\nc', 3)).toEqual([])
  })

  it('a record has its index as timestamp and header', async () => {
    const records = []
    for await (const record of readRecords(await inspectInput(fileWith('a\nb')))) records.push(record)
    expect(records.map(({ timestampMs }) => timestampMs)).toEqual([0, 1])
    expect(records[1]?.headers).toEqual([{ key: 'index', value: Buffer.from('1') }])
  })

  it('reading stops once the signal is aborted', async () => {
    const input = await inspectInput(fileWith('a\nb'))
    await expect(readRecords(input, { signal: AbortSignal.abort() }).next()).rejects.toThrow('aborted')
  })
})

describe('the flights', () => {
  it('there are 231,083 flights, without the line of column names', async () => {
    const input = await inspectInput(undefined)
    expect(input.records).toBe(231_083)
    const first = (await readRecords(input).next()).value
    expect(String(first?.key)).toBe('MCI-MDW')
    expect(first?.headers).toEqual([{ key: 'index', value: Buffer.from('0') }])
  })
})

describe('an input is refused', () => {
  it.each([
    ['that is not there', () => join(directory, 'none'), /cannot read the input: ENOENT/],
    ['that is a directory', () => directory, /is a directory/],
    ['that is a device', () => '/dev/null', /is not a regular file/],
    ['that is empty', () => fileWith(''), /contains no records/],
    ['that is an empty array', () => fileWith('[]'), /contains no records/],
    ['with a NUL', () => fileWith('a\nb\0c'), /is not a text file: line 2/],
    ['that is not UTF-8', () => fileWith(Buffer.from([0x41, 0x0a, 0xc3, 0x28])), /is not a text file: line 2/],
    ['with an endless line', () => fileWith(Buffer.alloc(5_000_000, 'x')), /has a line longer than 4194304 bytes/],
  ])('%s', async (_, path, message) => {
    const inspected = inspectInput(path())
    await expect(inspected).rejects.toThrow(UsageError)
    await expect(inspected).rejects.toThrow(message)
  })
})
