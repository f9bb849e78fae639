/** Readers for tests of fetches, in the process of the writer and in another one, and what they return. */
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { WalReader } from '../index.ts'
import type { FetchOptions, WalWriter } from '../index.ts'
import { inAnotherProcess } from './another-process.ts'
import { append } from './log-fixture.ts'
import type { LogFixture } from './log-fixture.ts'
import { MeasuredFiles } from './measured-files.ts'

export function openReader(log: LogFixture, fs: FileSystem = log.fs): Promise<WalReader> {
  return WalReader.open(fs, log.config, 'orders', 0, { clock: log.clock })
}

export function openInAnotherProcess(log: LogFixture): Promise<WalReader> {
  return openReader(log, inAnotherProcess(log.fs, new Random(1)))
}

/** Where a reader can be, for tests of both. */
export const PROCESSES = [
  ['in the process of the writer', openReader],
  ['in another process', openInAnotherProcess],
] as const

/** What a fetch returns: the values as text instead of the batches, and the offsets. */
export async function fetched(reader: WalReader, options: FetchOptions) {
  const { batches, ...offsets } = await reader.fetch(options)
  return { values: batches.flatMap((batch) => batch.records().map(({ value }) => String(value))), ...offsets }
}

/** Fills a log with one active segment, 2 MiB unless given otherwise: its writer, and a measured reader of it. */
export async function measuredLog(
  log: LogFixture,
  { values = 500, valueBytes = 4096 } = {},
): Promise<{ writer: WalWriter; reader: WalReader; files: MeasuredFiles }> {
  const files = new MeasuredFiles(log.fs)
  const writer = await log.open()
  for (let at = 0; at < values; at++) await append(writer, Buffer.alloc(valueBytes, at))
  return { writer, reader: await openReader(log, files.fs), files }
}
