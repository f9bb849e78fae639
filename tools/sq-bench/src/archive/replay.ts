/** Reading a log from its archive, compared with reading the same objects without a log. */
import { ObjectStoreFileSystem, TieredReader } from '@sq/archive'
import { NodeFileSystem, WalReader } from '@sq/storage'
import { PARTITION, TOPIC } from '../filled-log.ts'
import { timeOf } from '../measure.ts'
import type { Table } from '../part.ts'
import type { ArchivedLog } from './archived.ts'
import type { Contender } from './contender.ts'
import { forEachRange, rangesOf, RAW_AT_ONCE, RAW_RANGE_BYTES } from './ranges.ts'
import { comparison, inTurn, MB_PER_SECOND, rate } from './rounds.ts'
import type { Round } from './rounds.ts'

/** Segments that are read. */
const READ = 4

export async function replay(contender: Contender, log: ArchivedLog, rounds: number): Promise<Table> {
  const segments = log.segments.slice(0, READ)
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const to = segments.at(-1)?.nextOffset ?? 0n
  const ranges = rangesOf(segments, RAW_RANGE_BYTES)
  const { store, raw, names } = contender
  const rated = (work: () => Promise<unknown>) => async () => rate(bytes, await timeOf(work))
  const archive = (): ObjectStoreFileSystem => new ObjectStoreFileSystem(store)
  const ways = {
    'WalReader, batches': rated(async () => {
      const reader = await WalReader.open(archive(), { dataDir: '/' }, TOPIC, PARTITION)
      for await (const _ of reader.readBatches({ to }));
      await reader.close()
    }),
    'WalReader, records': rated(async () => {
      const reader = await WalReader.open(archive(), { dataDir: '/' }, TOPIC, PARTITION)
      for await (const _ of reader.read({ to }));
      await reader.close()
    }),
    'TieredReader, records': rated(async () => {
      const local = [new NodeFileSystem(), { dataDir: `${log.dataDir}-none` }] as const
      const reader = await TieredReader.open(...local, TOPIC, PARTITION, { archive: archive() })
      for await (const _ of reader.read({ to }));
      await reader.close()
    }),
    [names.raw]: rated(() =>
      forEachRange(ranges, RAW_AT_ONCE, ({ key, position }, buffer) => raw.get(key, buffer, position)),
    ),
  }
  const figures: Round[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const found = await inTurn(round, ways)
    if (round > 0) figures.push(found)
  }
  const rows = comparison(figures, Object.keys(ways), MB_PER_SECOND)
  const title = `${names.store}: replay of ${READ} segments of 64 MiB; ${names.raw} read ranges of 1 MiB, ${RAW_AT_ONCE} at a time`
  return { title, columns: ['', 'median', 'rounds'], rows, figures }
}
