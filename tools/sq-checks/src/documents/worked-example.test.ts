/** The worked example of `docs/wal-format.md`: its bytes are those of a writer, and say what stands beside them. */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import { expect, test } from 'vitest'
import { codeBlocks, page } from './documents.ts'

const TIMESTAMP_MS = 1_700_000_000_000
/** Where the example's row of zeros ends. */
const ROW_END = 4096

/** A line of the example: `120  46 52                    marker  "FR"`. */
interface Line {
  readonly position: number
  readonly bytes: Buffer
  /** Without the name of the field. */
  readonly value: string
  /** True for the row of zeros, of which only the first is shown. */
  readonly isRow: boolean
}

const format = page('docs/wal-format.md')
const [first, second] = codeBlocks(format)
  .map(({ code }) => exampleLines(code))
  .filter((lines) => lines.length > 0)

function exampleLines(code: string): Line[] {
  const found = code.matchAll(/^ *(\d+) {2}((?:[0-9a-f]{2} ?)+?)( \.\.\.)?(?: {2,}(.*))?$/gm)
  return Array.from(found, ([, position, digits = '', row, shown = '']) => ({
    position: Number(position),
    bytes: Buffer.from(digits.replaceAll(' ', ''), 'hex'),
    value: shown.split(/ {2,}/)[1] ?? '',
    isRow: row !== undefined,
  }))
}

/** The log of the example, as a writer writes it: the bytes of each of its files. */
async function writtenFiles(): Promise<Buffer[]> {
  const fs = new InMemoryFileSystem()
  const options = { clock: new ManualClock(), random: new Random(1) }
  const writer = await WalWriter.open(fs, { dataDir: '/data' }, 'orders', 0, options)
  const trace = { key: 'trace', value: Buffer.from([1, 2]) }
  await writer.append(Buffer.from('user-1'), Buffer.from('created'), [trace], TIMESTAMP_MS)
  await writer.appendBatch([
    { key: null, value: Buffer.from('paid'), headers: [], timestampMs: TIMESTAMP_MS + 1 },
    { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [], timestampMs: TIMESTAMP_MS + 5 },
  ])
  await writer.closeActiveSegment()
  await writer.append(null, Buffer.from('shipped'), [], TIMESTAMP_MS + 9)
  await writer.close()
  const names = ['00000000000000000000.wal', '00000000000000000003.wal']
  return Promise.all(names.map((name) => content(fs, join('/data/orders/0', name))))
}

async function content(fs: InMemoryFileSystem, path: string): Promise<Buffer> {
  const file = await fs.open(path, 'read')
  const bytes = Buffer.alloc(await file.size())
  await file.read(bytes, 0)
  await file.close()
  return bytes
}

const files = await writtenFiles()

test.each([
  ['the first file', first, files[0], { from: 0, to: 4160 }],
  ['the head of the second', second, files[1], { from: 32, to: 120 }],
])('every byte of %s stands in the example', (_, lines = [], file = Buffer.alloc(0), { from, to }) => {
  let position = from
  for (const { position: shownAt, bytes, isRow } of lines) {
    expect(shownAt).toBe(position)
    position = isRow ? ROW_END : shownAt + bytes.length
    expect(file.subarray(shownAt, position), `at ${shownAt}`).toEqual(isRow ? Buffer.alloc(ROW_END - shownAt) : bytes)
  }
  expect(position).toBe(to)
})

test('what stands beside a number or a text is what its bytes say', () => {
  const shown = [...(first ?? []), ...(second ?? [])].filter(({ value }) => /^(?:"|0x|\d+$|\d+,)/.test(value))
  expect(shown.length).toBeGreaterThan(70)
  for (const { position, bytes, value } of shown) expect(read(bytes, value), `at ${position}`).toBe(written(value))
})

/** Bytes, read as what stands beside them. */
function read(bytes: Buffer, value: string): string | bigint {
  if (value.startsWith('"')) return bytes.toString('latin1').replaceAll('\0', '')
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
}

/** What stands beside bytes, without what explains it. */
function written(value: string): string | bigint {
  const [text = ''] = value.split(',')
  return text.startsWith('"') ? text.slice(1, -1) : BigInt(text)
}

test('every checksum that the page works out is right', () => {
  const [file = Buffer.alloc(0)] = files
  const sums = Array.from(format.text.matchAll(/crc\(bytes \[(\d+), (\d+)\)(?:, (0x\w+))?\)\s=\s(0x\w+)/g))
  expect(sums).toHaveLength(3)
  for (const [sum, from, to, seed = 0, result] of sums) {
    expect(crc32(file.subarray(Number(from), Number(to)), Number(seed)), sum).toBe(Number(result))
  }
  const [, text = '', check] = /crc\("(\w+)", 0\) = (0x\w+)/.exec(format.text) ?? []
  expect(crc32(text, 0)).toBe(Number(check))
})

test('the second file is as long as the page says, and ends in the MARK pair', () => {
  const [, file = Buffer.alloc(0)] = files
  const told = format.text.replaceAll('\n', ' ').split('It then holds one commit')[1] ?? ''
  const numbers = Array.from(told.matchAll(/\d+/g), Number)
  const [records = 0, length = 0, mark = 0, zeros = 0, last = 0, durable, size] = numbers
  expect([records + length, mark + 40 + zeros, last + 40]).toEqual([mark, last, size])
  expect([mark, last].map((position) => file.readUInt8(position + 2))).toEqual([3, 3])
  expect([file.readUInt32LE(mark + 4), file.readUInt32LE(last + 24), file.length]).toEqual([zeros, durable, size])
})
