/**
 * The part `tailing`: how much 100 tailing readers in its process slow down a writer.
 */
import type { WalReader, WalWriter } from '@sq/storage'
import { openReader, openWriter } from './filled-log.ts'
import { decimals } from './markdown.ts'
import { median, spread, timeOf } from './measure.ts'
import type { Settings, Table } from './part.ts'

const READERS = 100
const PRODUCERS = 64
const APPENDS_EACH = 1000
const VALUE = Buffer.alloc(256, 'value ')

/** 64 producers, each waiting for its own acknowledgement. */
async function produce(writer: WalWriter): Promise<void> {
  const produceOne = async (): Promise<void> => {
    for (let i = 0; i < APPENDS_EACH; i++) await writer.append(null, VALUE, [], i)
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produceOne))
}

/** Offsets from `from` up to, but not including, `to`. */
type OffsetRange = readonly [from: bigint, to: bigint]

/** Tails the log to the end of a range. Calls `onCommit` for every commit. */
async function tail(reader: WalReader, [from, to]: OffsetRange, onCommit: () => void): Promise<void> {
  for await (const { nextOffset } of reader.readBatches({ from, to, follow: true })) {
    onCommit()
    if (nextOffset >= to) break
  }
}

/**
 * Starts tailing readers, and resolves when each has received a first commit, made for that. They end after as many
 * records as `produce` appends.
 */
async function startReaders(writer: WalWriter, reader: WalReader): Promise<Promise<void>[]> {
  const from = writer.nextOffset
  const range: OffsetRange = [from, from + BigInt(1 + PRODUCERS * APPENDS_EACH)]
  const ended: Promise<void>[] = []
  const begun = Array.from(
    { length: READERS },
    () => new Promise<void>((resolve) => ended.push(tail(reader, range, resolve))),
  )
  await writer.append(null, VALUE, [], 0)
  await Promise.all(begun)
  return ended
}

export async function* tailing(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const config = { dataDir: directory }
  const writer = await openWriter(config)
  const reader = await openReader(config)
  const figures: { withoutMs: number; withReadersMs: number }[] = []
  // Warms up, so that all code is compiled before the first round.
  for (let warming = 0; warming < 2; warming++) {
    const ended = await startReaders(writer, reader)
    await produce(writer)
    await Promise.all(ended)
  }
  for (let round = 0; round < rounds; round++) {
    const withoutMs = await timeOf(() => produce(writer))
    const ended = await startReaders(writer, reader)
    figures.push({ withoutMs, withReadersMs: await timeOf(() => produce(writer)) })
    await Promise.all(ended)
  }
  await writer.close()
  const shares = figures.map(({ withoutMs, withReadersMs }) => (100 * withoutMs) / withReadersMs)
  const percent = decimals(0, ' %')
  const rows = [[`with ${READERS} tailing readers`, percent(median(shares)), spread(shares, percent)]]
  const title = `${PRODUCERS} producers with tailing readers, compared with the same without`
  yield { title, columns: ['', 'throughput', 'rounds'], rows, figures }
}
