/** How long it takes to the first record of a reader that knows nothing of an archive. */
import { ObjectStoreFileSystem } from '@sq/archive'
import type { ObjectStore } from '@sq/archive'
import { WalReader } from '@sq/storage'
import type { ReadOptions } from '@sq/storage'
import { PARTITION, TOPIC } from '../filled-log.ts'
import { decimals } from '../markdown.ts'
import { timeOf } from '../measure.ts'
import type { Table } from '../part.ts'
import type { ArchivedLog } from './archived.ts'
import type { Contender } from './contender.ts'
import { MS, rowOf } from './rounds.ts'

interface Reading {
  readonly timeMs: number
  readonly requests: number
}

/** By where the reading begins. */
type Figures = Readonly<Record<string, Reading>>

export async function firstRecord(contender: Contender, log: ArchivedLog, rounds: number): Promise<Table> {
  const { store, raw, names } = contender
  const middle = Math.floor(Number(log.segments.at(-1)?.nextOffset ?? 0n) / 2)
  const places: Readonly<Record<string, ReadOptions>> = {
    'at the start': {},
    'in the middle, by offset': { from: BigInt(middle) },
    'in the middle, by time': { fromTimestampMs: middle },
  }
  const [object] = log.segments
  const one = `one range of 64 KiB, by ${names.raw}`
  const figures: Figures[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const found: Record<string, Reading> = {}
    for (const [where, options] of Object.entries(places)) found[where] = await read(store, options)
    const buffer = Buffer.alloc(65_536)
    found[one] = { timeMs: await timeOf(() => raw.get(object?.key ?? '', buffer, 0)), requests: 1 }
    if (round > 0) figures.push(found)
  }
  const rows = [...Object.keys(places), one].map((what) => [
    ...rowOf(figures, what, (round) => round[what]?.timeMs ?? Number.NaN, MS),
    decimals(0)(figures[0]?.[what]?.requests ?? Number.NaN),
  ])
  const title = `${names.store}: from opening a reader to its first record, in ${log.segments.length} segments`
  return { title, columns: ['', 'median', 'rounds', 'requests'], rows, figures }
}

async function read(store: ObjectStore, options: ReadOptions): Promise<Reading> {
  const counted = new CountedRequests(store)
  const timeMs = await timeOf(async () => {
    const fs = new ObjectStoreFileSystem(counted)
    const reader = await WalReader.open(fs, { dataDir: '/' }, TOPIC, PARTITION)
    for await (const _ of reader.read(options)) break
    await reader.close()
  })
  return { timeMs, requests: counted.requests }
}

/** A store that counts what is asked of it. A listing counts as one request. */
class CountedRequests implements ObjectStore {
  requests = 0
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  put(...args: Parameters<ObjectStore['put']>): ReturnType<ObjectStore['put']> {
    this.requests++
    return this.#store.put(...args)
  }

  get(...args: Parameters<ObjectStore['get']>): ReturnType<ObjectStore['get']> {
    this.requests++
    return this.#store.get(...args)
  }

  head(...args: Parameters<ObjectStore['head']>): ReturnType<ObjectStore['head']> {
    this.requests++
    return this.#store.head(...args)
  }

  list(...args: Parameters<ObjectStore['list']>): ReturnType<ObjectStore['list']> {
    this.requests++
    return this.#store.list(...args)
  }

  delete(...args: Parameters<ObjectStore['delete']>): ReturnType<ObjectStore['delete']> {
    this.requests++
    return this.#store.delete(...args)
  }
}
