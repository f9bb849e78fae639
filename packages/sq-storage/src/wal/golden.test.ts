/**
 * Logs of format version 1 as bytes that are committed, in `golden/`: the writer must always write the same bytes, and
 * readers must always find the same records in them.
 *
 * To add one: give it a name and a recipe below, and run this test once with `SQ_ADD_GOLDEN=<name>` in the environment.
 * Existing files are never overwritten. `@sq/checks` adds `reading.json`, which says what every reader must find, and
 * compares it with both readers.
 */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ManualClock, NodeFileSystem, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it } from 'vitest'
import { verify, WalReader, WalWriter } from '../index.ts'
import type { LogRecord, RecordBatch, WalConfig } from '../index.ts'
import { append, appendEach, bytes, TIMESTAMP_MS } from '../testing/log-fixture.ts'
import { withTrailer, writtenOver } from '../testing/recycled-bytes.ts'
import type { RecordParts } from './format/record.ts'
import { SegmentScanner } from './segments/scan.ts'
import { openSegment, placeAfterHead } from './segments/segment-file.ts'

const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), '../../golden')
const NAME_TO_ADD = process.env['SQ_ADD_GOLDEN']
const CONFIG: WalConfig = { dataDir: '/data' }
const DESCRIPTION = 'expected.json'

interface Golden {
  readonly name: string
  readonly topic: string
  readonly partition: number
  /** Given if bytes were changed after writing: then there is no `expected.json`, only `reading.json`. */
  readonly damage?: DamagedByte
  /** Writes the log. Its files are kept as they are when this resolves. */
  readonly write: (log: { fs: InMemoryFileSystem; open: () => Promise<WalWriter> }) => Promise<void>
}

interface DamagedByte {
  readonly file: string
  /** The first byte of this text in the file is changed. */
  readonly at: string
}

const FIRST_FILE = '00000000000000000000.wal'

const record = (value: string, timestampMs: number): RecordParts => ({
  key: bytes('k'),
  value: bytes(value),
  headers: [],
  timestampMs,
})

const SHAPES: RecordParts[] = [
  { key: null, value: bytes(''), headers: [], timestampMs: 0 },
  { key: bytes(''), value: bytes(''), headers: [], timestampMs: 1 },
  { key: bytes('key'), value: bytes('value'), headers: [], timestampMs: TIMESTAMP_MS },
  { key: Buffer.from([0, 255, 128]), value: Buffer.alloc(9, 255), headers: [], timestampMs: 2 ** 53 - 1 },
  { key: null, value: bytes('1234567'), headers: [{ key: '', value: bytes('') }], timestampMs: 2 ** 32 },
  {
    key: bytes('ключ'),
    value: bytes('12345678'),
    headers: [
      { key: 'naïve', value: bytes('é') },
      { key: '鍵', value: Buffer.from([0]) },
      { key: '🔑', value: bytes('') },
      { key: '鍵', value: Buffer.alloc(300, 7) },
    ],
    timestampMs: 2 ** 32 - 1,
  },
]

/** Makes the log look as if its first file had held a segment with the same records, and more, before. */
async function recycle(fs: InMemoryFileSystem): Promise<void> {
  const earlier = new InMemoryFileSystem()
  const writer = await WalWriter.open(earlier, CONFIG, 'orders', 0, { clock: new ManualClock(), random: new Random(2) })
  await appendEach(writer, ['first', 'second', 'third', 'fourth', 'x'.repeat(300)])
  await writer.close()
  const path = `/data/orders/0/${FIRST_FILE}`
  const content = writtenOver(withTrailer(await contentOf(earlier, path)), await contentOf(fs, path))
  const handle = await fs.open(path, 'read-write')
  await handle.writeDurable([content], 0)
  await handle.close()
}

const GOLDENS: Golden[] = [
  {
    name: 'record-shapes',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      for (const { key, value, headers, timestampMs } of SHAPES) await writer.append(key, value, headers, timestampMs)
      fs.kill()
    },
  },
  {
    name: 'closed',
    topic: 'Az09._-',
    partition: 4_294_967_295,
    async write({ open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      await writer.appendBatch([record('batch 0', 30), record('batch 1', 10), record('batch 2', 20)])
      await append(writer, 'last')
      await writer.close()
    },
  },
  {
    name: 'sealed-with-index',
    topic: 'orders',
    partition: 7,
    async write({ open }) {
      const writer = await open()
      const random = new Random(2)
      for (let i = 0; i < 5; i++) await writer.append(null, random.bytes(18_000), [], TIMESTAMP_MS + ((i * 7) % 5))
      await writer.closeActiveSegment()
      await append(writer, 'in the next segment')
      await writer.close()
    },
  },
  {
    name: 'long-topic',
    topic: `${'twenty characters of'.replaceAll(' ', '-')}${'-topic'.repeat(38)}.`,
    partition: 1,
    async write({ open }) {
      const writer = await open()
      await append(writer, 'value')
      await writer.close()
    },
  },
  {
    name: 'healed',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      fs.faults.failNext('sync', 'EIO')
      await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
      await append(writer, 'third')
      await writer.close()
    },
  },
  {
    name: 'torn',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      fs.faults.add({ on: 'write', fault: { error: 'EIO', afterBytes: 100 } })
      await expect(append(writer, 'x'.repeat(200))).rejects.toThrow('EIO')
      fs.kill()
    },
  },
  {
    name: 'recycled',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      fs.kill()
      await recycle(fs)
    },
  },
  {
    name: 'torn-recycled',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      fs.faults.add({ on: 'write', fault: { error: 'EIO', afterBytes: 100 } })
      await expect(append(writer, 'x'.repeat(200))).rejects.toThrow('EIO')
      fs.kill()
      await recycle(fs)
    },
  },
  {
    name: 'missing-values',
    topic: 'orders',
    partition: 0,
    async write({ open }) {
      const writer = await open()
      await append(writer, 'first')
      await writer.append(bytes('k'), null, [], TIMESTAMP_MS)
      const headers = [{ key: 'trace', value: bytes('x') }]
      const tombstone = { key: null, value: null, headers, timestampMs: 5 }
      await writer.appendBatch([record('', 1), tombstone, record('value', 3)])
      await writer.closeActiveSegment()
      await writer.append(bytes('k'), null, [], TIMESTAMP_MS)
      await writer.close()
    },
  },
  {
    name: 'metadata-and-opaque',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      const writer = await open()
      await append(writer, 'first')
      // One write with five frames.
      await Promise.all([
        append(writer, 'shared'),
        writer.appendBatch([record('a', 20), record('b', 10)], { metadata: bytes('producer 7, epoch 1, sequence 0') }),
        writer.appendOpaque({ payload: bytes('packed'), recordCount: 3, minTimestampMs: 5, maxTimestampMs: 50 }),
        writer.appendOpaque({
          payload: bytes(''),
          recordCount: 1,
          minTimestampMs: 0,
          maxTimestampMs: 2 ** 53 - 1,
          metadata: bytes('m'),
        }),
        writer.appendBatch([record('c', 30), { ...record('', 31), value: null }], { metadata: Buffer.alloc(300, 7) }),
      ])
      await writer.closeActiveSegment()
      await append(writer, 'last')
      fs.kill()
    },
  },
  {
    // The log begins inside the batch, and its first segment is gone.
    name: 'deleted-records',
    topic: 'orders',
    partition: 0,
    async write({ open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      await writer.closeActiveSegment()
      await append(writer, 'third')
      const records = [record('a', 20), record('b', 10), { ...record('', 31), value: null }]
      await writer.appendBatch(records, { metadata: bytes('producer 7') })
      await append(writer, 'last')
      await writer.deleteRecords(4n)
      await writer.close()
    },
  },
  {
    name: 'zeros-ahead',
    topic: 'orders',
    partition: 0,
    async write({ fs, open }) {
      await appendEach(
        await open(),
        ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(1500)),
      )
      fs.kill()
    },
  },
  {
    name: 'damage-proven',
    topic: 'orders',
    partition: 0,
    damage: { file: FIRST_FILE, at: 'second' },
    async write({ fs, open }) {
      await appendEach(await open(), ['first', 'second', 'third', 'fourth'])
      fs.kill()
    },
  },
  {
    // The only frame after the damage is the rejected commit, whose bytes are ignored: it confirms nothing.
    name: 'damage-stated',
    topic: 'orders',
    partition: 0,
    damage: { file: FIRST_FILE, at: 'second' },
    async write({ fs, open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      fs.faults.failNext('sync', 'EIO')
      await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
      await append(writer, 'third')
      await writer.close()
    },
  },
  {
    name: 'damage-without-loss',
    topic: 'orders',
    partition: 0,
    damage: { file: FIRST_FILE, at: 'FR\x03' },
    async write({ open }) {
      const writer = await open()
      await appendEach(writer, ['first', 'second'])
      await writer.closeActiveSegment()
      await append(writer, 'third')
      await writer.close()
    },
  },
]

function partitionDirectory({ topic, partition }: Golden): string {
  return join(CONFIG.dataDir, topic, String(partition))
}

/** Writes the log of a golden. Returns its files by name. */
async function written(golden: Golden): Promise<Map<string, Buffer>> {
  const fs = new InMemoryFileSystem()
  const options = { clock: new ManualClock(), random: new Random(1) }
  await golden.write({ fs, open: () => WalWriter.open(fs, CONFIG, golden.topic, golden.partition, options) })
  const files = await filesIn(fs, partitionDirectory(golden))
  if (golden.damage !== undefined) damage(files, golden.damage)
  return files
}

/** Flips every bit of one byte. */
function damage(files: ReadonlyMap<string, Buffer>, { file, at }: DamagedByte): void {
  const content = files.get(file) ?? expect.unreachable(`there is no ${file}`)
  const position = content.indexOf(at, 'latin1')
  content.writeUInt8(0xff ^ content.readUInt8(position), position)
}

/** The files of a golden in the repository, by name. */
function committed(golden: Golden): Promise<Map<string, Buffer>> {
  return filesIn(new NodeFileSystem(), join(GOLDEN, golden.name))
}

async function filesIn(fs: InMemoryFileSystem | NodeFileSystem, directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const name of (await fs.readdir(directory)).toSorted()) {
    if (name.endsWith('.wal') || name === 'log-start') files.set(name, await contentOf(fs, join(directory, name)))
  }
  return files
}

async function contentOf(fs: InMemoryFileSystem | NodeFileSystem, path: string): Promise<Buffer> {
  const handle = await fs.open(path, 'read')
  const content = Buffer.alloc(await handle.size())
  await handle.read(content, 0)
  await handle.close()
  return content
}

/** The bytes of each file as text, which compares fast. */
function digits(files: ReadonlyMap<string, Buffer>): [string, string][] {
  return [...files].map(([name, content]) => [name, content.toString('hex')])
}

/** What a reader and then a writer find in log files. */
async function described(golden: Golden, files: ReadonlyMap<string, Buffer>): Promise<unknown> {
  const { topic, partition } = golden
  const fs = new InMemoryFileSystem()
  await fs.mkdir(partitionDirectory(golden))
  for (const [name, content] of files) await make(fs, join(partitionDirectory(golden), name), content)
  const records: unknown[] = []
  let found = 0
  for await (const batch of (await WalReader.open(fs, CONFIG, topic, partition)).readBatches()) {
    found += batch.recordCount
    records.push(...(batch.isOpaque ? [describedOpaque(batch)] : batch.records().map(describedRecord(batch))))
  }
  const report = await verify(fs, CONFIG, topic, partition)
  expect([report.problems, report.records, report.nextOffset - report.firstOffset]).toEqual([[], found, BigInt(found)])
  const { kind, nextOffset, segments, torn } = (await WalWriter.open(fs, CONFIG, topic, partition)).recovery
  const recovery = { kind, nextOffset: `${nextOffset}`, segments, discardedBytes: torn?.discardedBytes ?? 0 }
  return { topic, partition, recovery, records }
}

function describedRecord({ metadata }: RecordBatch): (record: LogRecord) => unknown {
  const ofBatch = metadata === null ? {} : { metadata: show(metadata) }
  return ({ offset, timestampMs, key, value, headers }) => ({
    offset: `${offset}`,
    timestampMs,
    key: key && show(key),
    value: value && show(value),
    headers: headers.map((header) => [header.key, show(header.value)]),
    ...ofBatch,
  })
}

function describedOpaque(batch: RecordBatch): unknown {
  const { baseOffset, nextOffset, minTimestampMs, maxTimestampMs, metadata, payload } = batch
  return {
    baseOffset: `${baseOffset}`,
    nextOffset: `${nextOffset}`,
    minTimestampMs,
    maxTimestampMs,
    metadata: metadata && show(metadata),
    payload: payload && show(payload),
  }
}

/** Bytes in hexadecimal; if there are many, their number and SHA-256. */
function show(content: Uint8Array): string {
  const hash = () => createHash('sha256').update(content).digest('hex')
  return content.length <= 32 ? Buffer.from(content).toString('hex') : `${content.length} bytes, sha256 ${hash()}`
}

async function make(fs: InMemoryFileSystem | NodeFileSystem, path: string, content: Uint8Array): Promise<void> {
  // Mode `create` fails if the file exists.
  const handle = await fs.open(path, 'create')
  await handle.writeDurable([content], 0)
  await handle.close()
}

async function add(golden: Golden): Promise<void> {
  const fs = new NodeFileSystem()
  const folder = join(GOLDEN, golden.name)
  const files = await written(golden)
  await fs.mkdir(folder)
  if (golden.damage === undefined) {
    const description = JSON.stringify(await described(golden, files), null, 2)
    await make(fs, join(folder, DESCRIPTION), bytes(`${description}\n`))
  }
  for (const [name, content] of files) await make(fs, join(folder, name), content)
}

describe.each(GOLDENS)('the golden log $name', (golden) => {
  if (golden.name === NAME_TO_ADD) it('is added', () => add(golden))

  it('is still written as the same bytes', async () => {
    expect(digits(await written(golden))).toEqual(digits(await committed(golden)))
  })

  if (golden.damage !== undefined) return
  it('is still read as the same records', async () => {
    const expected: unknown = JSON.parse(
      String(await contentOf(new NodeFileSystem(), join(GOLDEN, golden.name, DESCRIPTION))),
    )
    expect(await described(golden, await committed(golden))).toEqual(expected)
  })
})

it('every golden log that is committed is checked', async () => {
  const names = (await new NodeFileSystem().readdir(GOLDEN)).filter(
    (name) => !name.startsWith('.') && name !== 'README.md',
  )
  expect(names.toSorted()).toEqual(GOLDENS.map(({ name }) => name).toSorted())
})

/** What the package of before attributes existed (commit ec9356c) has found on the golden logs: `docs/decisions/0013`. */
const FOUND_BEFORE_ATTRIBUTES = [
  { name: 'missing-values', baseOffset: 0, position: 192, attributes: 0x4 },
  { name: 'missing-values', baseOffset: 5, position: 120, attributes: 0x4 },
  { name: 'metadata-and-opaque', baseOffset: 0, position: 264, attributes: 0x1 },
  { name: 'deleted-records', baseOffset: 2, position: 192, attributes: 0x5 },
]

it.each(FOUND_BEFORE_ATTRIBUTES)(
  'a package without attributes found them in $name at $position, after frames that verify',
  async ({ name, baseOffset, position, attributes }) => {
    const path = join(GOLDEN, name, `${String(baseOffset).padStart(20, '0')}.wal`)
    const partition = { topic: 'orders', partition: 0, directory: dirname(path) }
    const listed = { path, baseOffset, successor: null }
    const { handle, head } = await openSegment(new NodeFileSystem(), listed, { partition, mode: 'read' })
    const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit: await handle.size() })
    const found: { position: number; attributes: number }[] = []
    await scanner.run(({ header }) => found.push(header))
    await handle.close()
    expect(found.find((header) => header.attributes !== 0)).toMatchObject({ position, attributes })
  },
)
