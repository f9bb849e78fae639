/** The worked example of `docs/wal-format.md`: a writer writes these bytes, and they mean what the page says. */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import { expect, test } from 'vitest'
import { codeBlocks, page } from './documents.ts'

const TIMESTAMP_MS = 1_700_000_000_000
/** The position at which the row of zeros ends. */
const ZEROS_END = 4096

/** A line of the example: `120  46 52                    marker  "FR"`. */
interface Line {
  readonly position: number
  readonly bytes: Buffer
  /** The explanation, without the name of the field. */
  readonly value: string
  /** True for the row of zeros, of which only the first ones are shown. */
  readonly isZeros: boolean
}

const format = page('docs/wal-format.md')
const [first, second] = codeBlocks(format)
  .map(({ code }) => exampleLines(code))
  .filter((lines) => lines.length > 0)

function exampleLines(code: string): Line[] {
  const found = code.matchAll(/^ *(\d+) {2}((?:[0-9a-f]{2} ?)+?)( \.\.\.)?(?: {2,}(.*))?$/gm)
  return Array.from(found, ([, position, digits = '', ellipsis, shown = '']) => ({
    position: Number(position),
    bytes: Buffer.from(digits.replaceAll(' ', ''), 'hex'),
    value: shown.split(/ {2,}/)[1] ?? '',
    isZeros: ellipsis !== undefined,
  }))
}

/** Writes the log of the example. Resolves with the bytes of its files. */
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
])('the example shows every byte of %s', (_, lines = [], file = Buffer.alloc(0), { from, to }) => {
  let position = from
  for (const { position: shownAt, bytes, isZeros } of lines) {
    expect(shownAt).toBe(position)
    position = isZeros ? ZEROS_END : shownAt + bytes.length
    expect(file.subarray(shownAt, position), `at ${shownAt}`).toEqual(
      isZeros ? Buffer.alloc(ZEROS_END - shownAt) : bytes,
    )
  }
  expect(position).toBe(to)
})

test('the numbers and texts next to the bytes are what the bytes mean', () => {
  const shown = [...(first ?? []), ...(second ?? [])].filter(({ value }) => /^(?:"|0x|\d+$|\d+,)/.test(value))
  expect(shown.length).toBeGreaterThan(70)
  for (const { position, bytes, value } of shown) expect(read(bytes, value), `at ${position}`).toBe(shownValue(value))
})

/** Decodes bytes to the kind of value that is next to them. */
function read(bytes: Buffer, value: string): string | bigint {
  if (value.startsWith('"')) return bytes.toString('latin1').replaceAll('\0', '')
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
}

/** The value next to the bytes, without its explanation. */
function shownValue(value: string): string | bigint {
  const [text = ''] = value.split(',')
  return text.startsWith('"') ? text.slice(1, -1) : BigInt(text)
}

test('every checksum that the page computes is right', () => {
  const [file = Buffer.alloc(0)] = files
  const sums = Array.from(format.text.matchAll(/crc\(bytes \[(\d+), (\d+)\)(?:, (0x\w+))?\)\s=\s(0x\w+)/g))
  expect(sums).toHaveLength(3)
  for (const [sum, from, to, seed = 0, result] of sums) {
    expect(crc32(file.subarray(Number(from), Number(to)), Number(seed)), sum).toBe(Number(result))
  }
  const [, text = '', check] = /crc\("(\w+)", 0\) = (0x\w+)/.exec(format.text) ?? []
  expect(crc32(text, 0)).toBe(Number(check))
})

test('the second file has the size that the page states, and ends with the MARK pair', () => {
  const [, file = Buffer.alloc(0)] = files
  const description = format.text.replaceAll('\n', ' ').split('It then holds one commit')[1] ?? ''
  const numbers = Array.from(description.matchAll(/\d+/g), Number)
  const [records = 0, length = 0, mark = 0, zeros = 0, last = 0, durable, size] = numbers
  expect([records + length, mark + 40 + zeros, last + 40]).toEqual([mark, last, size])
  expect([mark, last].map((position) => file.readUInt8(position + 2))).toEqual([3, 3])
  expect([file.readUInt32LE(mark + 4), file.readUInt32LE(last + 24), file.length]).toEqual([zeros, durable, size])
})
