/** What followers cost the writer beside them: its throughput with 100 of them, as a share of that with none. */
import type { WalReader, WalWriter } from '@sq/storage'
import { openReader, openWriter } from './filled-log.ts'
import { decimals } from './markdown.ts'
import { median, spread, timeOf } from './measure.ts'
import type { Settings, Table } from './part.ts'

const FOLLOWERS = 100
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

/** The offsets from one on, before another. */
type Stretch = readonly [from: bigint, to: bigint]

/** Follows up to an offset. `arrived` is called with every commit. */
async function follow(reader: WalReader, [from, to]: Stretch, arrived: () => void): Promise<void> {
  for await (const { nextOffset } of reader.readBatches({ from, to, follow: true })) {
    arrived()
    if (nextOffset >= to) break
  }
}

/** Followers that have begun: each has had a first commit, made for that. They end after as many as `produce` makes. */
async function startFollowing(writer: WalWriter, reader: WalReader): Promise<Promise<void>[]> {
  const from = writer.nextOffset
  const stretch: Stretch = [from, from + BigInt(1 + PRODUCERS * APPENDS_EACH)]
  const following: Promise<void>[] = []
  const begun = Array.from(
    { length: FOLLOWERS },
    () => new Promise<void>((resolve) => following.push(follow(reader, stretch, resolve))),
  )
  await writer.append(null, VALUE, [], 0)
  await Promise.all(begun)
  return following
}

export async function* followers(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const config = { dataDir: directory }
  const writer = await openWriter(config)
  const reader = await openReader(config)
  const figures: { aloneMs: number; followedMs: number }[] = []
  // Twice as many records as are measured with: before that the machine code is not what it will be.
  for (let warming = 0; warming < 2; warming++) {
    const following = await startFollowing(writer, reader)
    await produce(writer)
    await Promise.all(following)
  }
  for (let round = 0; round < rounds; round++) {
    const aloneMs = await timeOf(() => produce(writer))
    const following = await startFollowing(writer, reader)
    figures.push({ aloneMs, followedMs: await timeOf(() => produce(writer)) })
    await Promise.all(following)
  }
  await writer.close()
  const shares = figures.map(({ aloneMs, followedMs }) => (100 * aloneMs) / followedMs)
  const percent = decimals(0, ' %')
  const rows = [[`with ${FOLLOWERS} followers`, percent(median(shares)), spread(shares, percent)]]
  const title = `${PRODUCERS} producers, beside the same without followers`
  yield { title, columns: ['', 'of their throughput', 'rounds'], rows, figures }
}
