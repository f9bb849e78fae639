/** Uploads of segments, and reads of ranges of them: through a store, and without it. */
import { FileSource } from '@sq/archive'
import { listSegments } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import { fs, PARTITION, TOPIC } from '../filled-log.ts'
import { timeOf } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import { forEachRange, rangesOf } from './ranges.ts'
import type { Range } from './ranges.ts'
import { comparison, inTurn, MB_PER_SECOND, rate } from './rounds.ts'
import type { Round } from './rounds.ts'

/** Segments that are uploaded one after another. */
const UPLOADED = 2
const KIB = 1024
const SMALL = { rangeBytes: 256 * KIB, atOnce: 8 }
const LARGE = { rangeBytes: 8192 * KIB, atOnce: 4 }

/** MB each second. */
interface Transfers {
  readonly upload: Round
  readonly small: Round
  readonly large: Round
}

export async function transfers(contender: Contender, dataDir: string, rounds: number): Promise<Table> {
  const segments = (await listSegments(fs, { dataDir }, TOPIC, PARTITION)).slice(0, UPLOADED)
  const figures: Transfers[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const found = await measure(contender, segments, round)
    if (round > 0) figures.push(found)
  }
  const { store, raw } = contender.names
  const rows = (what: string, kind: keyof Transfers): string[][] => [
    [what],
    ...comparison(
      figures.map((found) => found[kind]),
      [store, raw],
      MB_PER_SECOND,
    ),
  ]
  const all = [
    ...rows('upload of segments of 64 MiB, one after another', 'upload'),
    ...rows('ranges of 256 KiB, 8 at a time', 'small'),
    ...rows('ranges of 8 MiB, 4 at a time', 'large'),
  ]
  return { title: `${store}: transfers`, columns: ['', 'median', 'rounds'], rows: all, figures }
}

/** Measures one round, and deletes what it has stored. */
async function measure(contender: Contender, segments: readonly SegmentInfo[], round: number): Promise<Transfers> {
  const { store, raw, names } = contender
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const objects = segments.map((segment, index) => ({ key: `raw/${round}-${index}`, bytes: segment.bytes }))
  const copies = segments.map((_, index) => `store/${round}-${index}`)
  const uploadBy = (upload: (segment: SegmentInfo, index: number) => Promise<unknown>) => async () => {
    const timeMs = await timeOf(async () => {
      for (const [index, segment] of segments.entries()) await upload(segment, index)
    })
    return rate(bytes, timeMs)
  }
  const upload = await inTurn(round, {
    [names.store]: uploadBy((segment, index) => putSegment(contender, copies[index] ?? '', segment)),
    [names.raw]: uploadBy((segment, index) => raw.put(objects[index]?.key ?? '', segment.path, segment.bytes)),
  })
  const read = ({ rangeBytes, atOnce }: typeof SMALL): Promise<Round> => {
    const ranges = rangesOf(objects, rangeBytes)
    const by = (get: (range: Range, buffer: Buffer) => Promise<unknown>) => async () =>
      rate(bytes, await timeOf(() => forEachRange(ranges, atOnce, get)))
    return inTurn(round, {
      [names.store]: by(({ key, position }, buffer) => store.get(key, buffer, position)),
      [names.raw]: by(({ key, position }, buffer) => raw.get(key, buffer, position)),
    })
  }
  const found = { upload, small: await read(SMALL), large: await read(LARGE) }
  for (const key of [...objects.map((object) => object.key), ...copies]) await store.delete(key)
  return found
}

/** As an archiver does it: one pass for the checksum, and one for the upload. */
async function putSegment({ store }: Contender, key: string, { path, bytes }: SegmentInfo): Promise<void> {
  const source = await FileSource.open(fs, path, bytes)
  await store.put(key, source)
  await source.close()
}
