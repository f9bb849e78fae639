/** The archive of one log is what its objects state of each other. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ArchiveDamagedError, lastArchived, listArchive, sourceOf } from './index.ts'
import { InMemoryObjectStore } from './memory/index.ts'
import { segmentKey } from './segment-key.ts'

const place = { prefix: 'main', topic: 'orders', partition: 0 }
const config = { dataDir: '/data' }

interface EndedSegment {
  readonly info: SegmentInfo
  readonly content: Buffer
}

/** Ended segments of a log: two records each, the second abandoned. */
async function segmentsOf(topic: string, count: number, seed: number): Promise<EndedSegment[]> {
  const fs = new InMemoryFileSystem()
  const options = { clock: new ManualClock(), random: new Random(seed) }
  const writer = await WalWriter.open(fs, config, topic, 0, options)
  for (let at = 0; at < count; at++) {
    await Promise.all([writer.append({ value: Buffer.from('a') }), writer.append({ value: Buffer.from('b') })])
    if (at === 1) {
      fs.faults.failNext('sync', 'EIO')
      await expect(writer.append({ value: Buffer.from('rejected') })).rejects.toThrow('EIO')
    }
    await writer.closeActiveSegment()
  }
  const segments = (await listSegments(fs, config, topic, 0)).slice(0, count)
  return Promise.all(
    segments.map(async (info) => {
      const file = await fs.open(info.path, 'read')
      const content = Buffer.alloc(info.bytes)
      await file.read(content, 0)
      return { info, content }
    }),
  )
}

let log: EndedSegment[]
let store: InMemoryObjectStore
beforeAll(async () => {
  log = await segmentsOf('orders', 6, 1)
})
beforeEach(() => {
  store = new InMemoryObjectStore({ pageObjects: 4 })
})

async function put(segment: EndedSegment | undefined): Promise<void> {
  if (segment === undefined) throw new Error('there is no such segment')
  await store.put(segmentKey(place, segment.info.baseOffset), sourceOf(segment.content))
}

function offsets(run: readonly { readonly baseOffset: bigint }[]): bigint[] {
  return run.map(({ baseOffset }) => baseOffset)
}

/** Stores the segments with these numbers, and lists the archive by the first offsets of its segments. */
async function listed(...numbers: number[]) {
  for (const number of numbers) await put(log[number])
  const { segments, detached, gaps } = await listArchive(store, place)
  return { segments: offsets(segments), detached: detached.map(offsets), gaps }
}

test('the segments of an archive are those of the log, with the same ends', async () => {
  for (const segment of log) await put(segment)
  const { segments, detached, gaps, foreign } = await listArchive(store, place)
  expect({ detached, gaps, foreign }).toEqual({ detached: [], gaps: [], foreign: [] })
  expect(segments).toEqual(
    log.map(({ info: { path, bytes, baseOffset, nextOffset, createdMs, link, state } }, at) => ({
      key: `main${path.slice('/data'.length)}`,
      bytes,
      baseOffset,
      nextOffset,
      createdMs,
      previous: log[at - 1]?.info.link ?? null,
      link,
      isSealed: state === 'sealed',
    })),
  )
  expect(await lastArchived(store, place)).toEqual(segments.at(-1))
})

test('a cut object is never a segment without records', async () => {
  const [first] = log
  if (first === undefined) throw new Error('there is no segment')
  const reasons = new Set<string>()
  for (let bytes = 0; bytes < first.content.length; bytes++) {
    store = new InMemoryObjectStore()
    await put({ ...first, content: first.content.subarray(0, bytes) })
    try {
      const last = await lastArchived(store, place)
      expect(last?.nextOffset).toBeGreaterThan(0n)
    } catch (error) {
      expect(error).toBeInstanceOf(ArchiveDamagedError)
      reasons.add(/is not a whole segment: (.*?);/.exec(String(error))?.[1] ?? '')
    }
  }
  expect(reasons).toContain('it holds no record, so it was cut')
})

test('an empty archive has no segments and no last one', async () => {
  expect(await listed()).toEqual({ segments: [], detached: [], gaps: [] })
  expect(await lastArchived(store, place)).toBeNull()
})

test('the last segment is found by the listing and two small reads', async () => {
  for (const segment of log) await put(segment)
  const always = { when: 'always', fault: { until: Promise.resolve() } } as const
  const reads = store.faults.add({ on: 'get', ...always, when: { nth: 3 } })
  await lastArchived(store, place)
  expect(reads.hits).toBe(0)
})

describe('segments', () => {
  test('that retention has deleted at the beginning leave no gap', async () => {
    expect(await listed(3, 4, 5)).toEqual({ segments: [6n, 8n, 10n], detached: [], gaps: [] })
  })

  test('that a late upload has left are not part of the log', async () => {
    expect(await listed(1, 4, 5)).toEqual({
      segments: [8n, 10n],
      detached: [[2n]],
      gaps: [{ fromOffset: 4n, toOffset: 8n }],
    })
  })

  test('that are missing in the middle are a gap', async () => {
    expect(await listed(0, 1, 2, 4, 5)).toEqual({
      segments: [8n, 10n],
      detached: [[0n, 2n, 4n]],
      gaps: [{ fromOffset: 6n, toOffset: 8n }],
    })
  })

  test('of another log with the same name do not continue it', async () => {
    const other = await segmentsOf('orders', 3, 2)
    for (const number of [0, 1]) await put(other[number])
    expect(await listed(2, 3)).toMatchObject({ segments: [4n, 6n], detached: [[0n, 2n]], gaps: [] })
  })

  test('that are deleted while they are listed make it list again', async () => {
    for (const segment of log) await put(segment)
    const key = (await listArchive(store, place)).segments[0]?.key ?? ''
    let isDeleted = Promise.resolve()
    store.faults.add({
      on: 'get',
      key,
      fault: {
        get until() {
          return (isDeleted = isDeleted.then(() => store.delete(key)))
        },
      },
    })
    expect(await listed()).toEqual({ segments: [2n, 4n, 6n, 8n, 10n], detached: [], gaps: [] })
  })
})

test('objects with other names are listed, and ignored', async () => {
  const foreign = ['main/orders/0/00000000000000000099.wal.part', 'main/orders/0/a/00000000000000000000.wal']
  for (const key of foreign) await store.put(key, sourceOf(Buffer.from('x')))
  await store.put('main/orders/00/00000000000000000000.wal', sourceOf(Buffer.from('x')))
  await put(log[0])
  const found = await listArchive(store, place)
  expect(found.segments).toHaveLength(1)
  expect(found.foreign).toEqual(foreign.map((key) => ({ key, bytes: 1 })))
  expect(await lastArchived(store, place)).toMatchObject({ baseOffset: 0n })
})

describe('an object with the name of a segment is refused', () => {
  const key = 'main/orders/0/00000000000000000002.wal'
  const refused = async (reason: string) => {
    for (const call of [listArchive(store, place), lastArchived(store, place)]) {
      const error = await call.catch((caught: unknown) => caught)
      expect(error).toMatchObject({ name: 'ArchiveDamagedError', code: 'SQ_ARCHIVE_DAMAGED', key })
      expect(String(error)).toContain(reason)
    }
  }

  test('if it is no segment', async () => {
    await put(log[0])
    await store.put(key, sourceOf(Buffer.from('<html>')))
    await refused('it does not begin with a segment header')
  })

  test('if it belongs to another log', async () => {
    const [, other] = await segmentsOf('payments', 2, 1)
    await store.put(key, sourceOf(other?.content ?? Buffer.alloc(0)))
    await refused('it is one of the log payments/0')
  })

  test('if it has another base offset', async () => {
    await store.put(key, sourceOf(log[2]?.content ?? Buffer.alloc(0)))
    await refused('its first offset is 4, expected the one in its name')
  })

  test('if it is cut', async () => {
    await store.put(key, sourceOf((log[1]?.content ?? Buffer.alloc(0)).subarray(0, -8)))
    await refused('is damaged')
  })
})

test('a store that fails is an error of the store', async () => {
  await put(log[0])
  store.faults.add({ on: 'get', fault: { error: 'denied' } })
  await expect(listArchive(store, place)).rejects.toMatchObject({ name: 'ObjectStoreError', code: 'denied' })
  await expect(lastArchived(store, { ...place, topic: '..' })).rejects.toMatchObject({ code: 'bad-key' })
})
