/** Flips bits of a log's files, one at a time, and tells what readers and writers make of each. */
import { join } from 'node:path'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect } from 'vitest'
import { CorruptLogError, UnsupportedFormatError, WalReader, WalWriter } from '../index.ts'
import type { LogRecord } from '../index.ts'
import { flipped } from './hand-bytes.ts'

/** A log as files by name; readers and writers find it at its topic and partition. */
export interface LogFiles {
  readonly topic: string
  readonly partition: number
  readonly files: ReadonlyMap<string, Buffer>
}

const CONFIG = { dataDir: '/data' }

/**
 * Flips each bit from one byte of a file to before another. Resolves with the outcomes, such as `reads 3, refuses to
 * open`, and how many bits had each. Fails where something is returned that was never written, where a refusal changes
 * a file or is none of the two that damage may give, and where a reader sees other records after a writer came.
 */
export async function flipOutcomes(
  log: LogFiles,
  { name, from, to }: { name: string; from: number; to: number },
): Promise<Record<string, number>> {
  const { read: whole } = await readAll(await makeLog(log), log)
  const bytes = log.files.get(name) ?? expect.unreachable(`there is no file ${name}`)
  const counts: Record<string, number> = {}
  for (let bit = 8 * from; bit < 8 * to; bit++) {
    const files = new Map(log.files).set(name, flipped(bytes, bit))
    const found = await outcome({ ...log, files }, whole)
    counts[found] = (counts[found] ?? 0) + 1
  }
  return counts
}

/** What a damaged log gives: to a reader, to a writer, and to a reader after it. */
async function outcome(log: LogFiles, whole: readonly string[]): Promise<string> {
  const fs = await makeLog(log)
  const before = await contents(fs, log)
  const first = await readAll(fs, log)
  expect(whole.slice(0, first.read.length)).toEqual(first.read)
  expect(await contents(fs, log)).toEqual(before)

  let refused: unknown = null
  try {
    const options = { clock: new ManualClock(), random: new Random(1) }
    await (await WalWriter.open(fs, CONFIG, log.topic, log.partition, options)).close()
  } catch (error) {
    refused = error
    expect(await contents(fs, log)).toEqual(before)
  }
  const second = await readAll(fs, log)
  // What was read before a writer came is there after it too, and nothing else.
  expect(second.read).toEqual(first.read)
  for (const error of [first.error, second.error, refused]) if (error !== null) expect(error).toSatisfy(isRefusal)
  const reading = first.error === null && second.error === null ? `reads ${first.read.length}` : 'refuses to read'
  return `${reading}, ${refused === null ? 'opens' : 'refuses to open'}`
}

function isRefusal(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof UnsupportedFormatError
}

async function makeLog(log: LogFiles): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  await fs.mkdir(directoryOf(log))
  for (const [name, bytes] of [['lock', Buffer.alloc(0)] as const, ...log.files]) {
    const handle = await fs.open(join(directoryOf(log), name), 'create')
    await handle.writeDurable([bytes], 0)
    await handle.close()
  }
  await fs.syncDirectory(directoryOf(log))
  return fs
}

function directoryOf({ topic, partition }: LogFiles): string {
  return join(CONFIG.dataDir, topic, String(partition))
}

/** Every file by name, with its bytes in base64. */
async function contents(fs: InMemoryFileSystem, log: LogFiles): Promise<[string, string][]> {
  const directory = directoryOf(log)
  const bytes = (name: string): Buffer => Buffer.from(fs.volume.readFileSync(join(directory, name)))
  return (await fs.readdir(directory)).toSorted().map((name) => [name, bytes(name).toString('base64')])
}

/** What a reader gets, every record as text, and how it ended. */
async function readAll(fs: InMemoryFileSystem, log: LogFiles): Promise<{ read: string[]; error: unknown }> {
  const read: string[] = []
  try {
    const reader = await WalReader.open(fs, CONFIG, log.topic, log.partition)
    for await (const record of reader.read()) read.push(show(record))
    return { read, error: null }
  } catch (error) {
    return { read, error }
  }
}

/** Equal exactly for equal records. */
function show({ offset, timestampMs, key, value, headers }: LogRecord): string {
  const shown = headers.map((header) => [header.name, hex(header.value)])
  return JSON.stringify([`${offset}`, timestampMs, key && hex(key), hex(value), shown])
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
