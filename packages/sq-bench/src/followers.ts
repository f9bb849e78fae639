/** What followers cost the writer beside them: its throughput with 100 of them, as a share of that with none. */
import type { WalReader, WalWriter } from '@sq/storage'
import { openReader, openWriter } from './filled-log.ts'
import { median, print, timeOf } from './measure.ts'

const FOLLOWERS = 100
const PRODUCERS = 64
const APPENDS_EACH = 400
const ROUNDS = 9
const VALUE = Buffer.alloc(256, 'value ')

/** 64 producers, each waiting for its own acknowledgement. */
async function produce(writer: WalWriter): Promise<void> {
  const produceOne = async (): Promise<void> => {
    for (let i = 0; i < APPENDS_EACH; i++) await writer.append(null, VALUE, [], i)
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produceOne))
}

async function follow(reader: WalReader, from: bigint, to: bigint): Promise<void> {
  for await (const { nextOffset } of reader.readBatches({ from, to, follow: true })) {
    if (nextOffset >= to) break
  }
}

export async function followers(directory: string): Promise<void> {
  const config = { dataDir: directory }
  const writer = await openWriter(config)
  const reader = await openReader(config)
  const shares: number[] = []
  // Twice as many records as are measured with: before that the machine code is not what it will be.
  for (let warming = 0; warming < 2; warming++) {
    const [from, to] = [writer.nextOffset, writer.nextOffset + BigInt(PRODUCERS * APPENDS_EACH)]
    const following = Array.from({ length: FOLLOWERS }, () => follow(reader, from, to))
    await produce(writer)
    await Promise.all(following)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await timeOf(() => produce(writer))
    const from = writer.nextOffset
    const to = from + BigInt(PRODUCERS * APPENDS_EACH)
    const following = Array.from({ length: FOLLOWERS }, () => follow(reader, from, to))
    shares.push(alone / (await timeOf(() => produce(writer))))
    await Promise.all(following)
  }
  const sorted = shares.toSorted((one, other) => one - other)
  const [least = 0, most = 0] = [sorted[0], sorted.at(-1)]
  print(
    `with ${FOLLOWERS} followers, ${PRODUCERS} producers have ${(100 * median(sorted)).toFixed(0)} % of their ` +
      `throughput without (${(100 * least).toFixed(0)} to ${(100 * most).toFixed(0)})`,
  )
  await writer.close()
}
