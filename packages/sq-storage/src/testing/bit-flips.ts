/** Flips bits of the files of a log, one at a time, and records what readers and writers do. */
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ManualClock, Random } from '@sq/sim'
import { CrashImage, InMemoryFileSystem } from '@sq/sim/memory'
import { expect } from 'vitest'
import { CorruptLogError, UnsupportedFormatError, WalReader, WalWriter } from '../index.ts'
import type { LogRecord } from '../index.ts'
import { flipped } from './hand-bytes.ts'

/** The files of a log by name; readers and writers find it under its topic and partition. */
export interface LogFiles {
  readonly topic: string
  readonly partition: number
  readonly files: ReadonlyMap<string, Buffer>
}

const CONFIG = { dataDir: '/data' }

/**
 * Flips each bit of the bytes `[from, to)` of a file. Resolves with the outcomes, for example `reads 3, refuses to
 * open`, and the number of bits with each. Fails if a record is returned that was never written, if a refusal changes a
 * file or is not one of the two errors for damage, or if a reader gets different records after a writer has opened the
 * log.
 */
export async function flipOutcomes(
  log: LogFiles,
  { name, from, to }: { name: string; from: number; to: number },
): Promise<Record<string, number>> {
  // Restarting a file system from another image takes a fraction of the time of making another one.
  const fs = new InMemoryFileSystem({ image: imageOf(log) })
  const { read: whole } = await readAll(fs, log)
  const bytes = log.files.get(name) ?? expect.unreachable(`there is no file ${name}`)
  const counts: Record<string, number> = {}
  for (let bit = 8 * from; bit < 8 * to; bit++) {
    const files = new Map(log.files).set(name, flipped(bytes, bit))
    fs.crash(imageOf({ ...log, files }))
    const found = await outcome(fs, log, whole)
    counts[found] = (counts[found] ?? 0) + 1
  }
  return counts
}

/** The outcome for a damaged log: of a reader, of a writer, and of a reader after it. */
async function outcome(fs: InMemoryFileSystem, log: LogFiles, whole: readonly string[]): Promise<string> {
  const before = await contents(fs, log)
  const first = await readAll(fs, log)
  expectSame(whole.slice(0, first.read.length), first.read)
  expectSame(await contents(fs, log), before)

  let refused: unknown = null
  try {
    const options = { clock: new ManualClock(), random: new Random(1) }
    await (await WalWriter.open(fs, CONFIG, log.topic, log.partition, options)).close()
  } catch (error) {
    refused = error
    expectSame(await contents(fs, log), before)
  }
  const second = await readAll(fs, log)
  // What was read before the writer is read after it too, and nothing else.
  expectSame(second.read, first.read)
  for (const error of [first.error, second.error, refused]) {
    if (error !== null && !isRefusal(error)) expect(error).toSatisfy(isRefusal)
  }
  const reading = first.error === null && second.error === null ? `reads ${first.read.length}` : 'refuses to read'
  return `${reading}, ${refused === null ? 'opens' : 'refuses to open'}`
}

function isRefusal(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof UnsupportedFormatError
}

/** Calling `expect` takes as long as reading the log, so it is called only to report a difference. */
function expectSame(found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected)
}

/** A disk with the log. */
function imageOf(log: LogFiles): CrashImage {
  const directory = directoryOf(log)
  const entries = new Map<string, Uint8Array | null>()
  for (const path of [dirname(dirname(directory)), dirname(directory), directory]) entries.set(path, null)
  for (const [name, bytes] of [['lock', Buffer.alloc(0)] as const, ...log.files])
    entries.set(join(directory, name), bytes)
  return new CrashImage(entries)
}

function directoryOf({ topic, partition }: LogFiles): string {
  return join(CONFIG.dataDir, topic, String(partition))
}

/** Every file by name, with its bytes in base64. */
async function contents(fs: InMemoryFileSystem, log: LogFiles): Promise<[string, Buffer][]> {
  const directory = directoryOf(log)
  const bytes = (name: string): Buffer => Buffer.from(fs.volume.readFileSync(join(directory, name)))
  return (await fs.readdir(directory)).toSorted().map((name) => [name, bytes(name)])
}

/** What a reader gets, each record as text, and how it ended. */
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

/** Equal exactly if the records are equal. */
function show({ offset, timestampMs, key, value, headers }: LogRecord): string {
  const shown = headers.map((header) => [header.key, hex(header.value)])
  return JSON.stringify([`${offset}`, timestampMs, key && hex(key), value && hex(value), shown])
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
