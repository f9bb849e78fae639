/** One upload, to a store that has something else than it should. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import { beforeEach, expect, test } from 'vitest'
import { sourceOf } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'
import { segmentKey } from '../segment-key.ts'
import { SegmentUpload } from './segment-upload.ts'

const KIB = 1024
const config = { dataDir: '/data' }
const place = { topic: 'orders', partition: 0 }
const key = segmentKey(place, 0n)

let store: InMemoryObjectStore
let segment: SegmentInfo
let content: Buffer

/** A segment of 300 KiB. */
beforeEach(async () => {
  store = new InMemoryObjectStore()
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, config, 'orders', 0, { clock: new ManualClock(), random: new Random(1) })
  for (const value of ['a', 'b', 'c']) await writer.append({ value: Buffer.alloc(100 * KIB, value) })
  await writer.closeActiveSegment()
  const [first] = await listSegments(fs, config, 'orders', 0)
  if (first === undefined) throw new Error('the log has no segment')
  segment = first
  const file = await fs.open(segment.path, 'read')
  content = Buffer.alloc(segment.bytes)
  await file.read(content, 0)
})

function upload(): Promise<void> {
  return new SegmentUpload(store, place, { segment, before: null }).attempt(sourceOf(content))
}

test('an object with the same ends, and other bytes between them, is not the uploaded segment', async () => {
  const other = Buffer.from(content)
  other.write('x', 150 * KIB)
  await store.put(key, sourceOf(other))
  await expect(upload()).rejects.toMatchObject({
    code: 'SQ_ARCHIVE_DAMAGED',
    key,
    message: expect.stringContaining(`it differs from the local segment in bytes 0 to ${segment.bytes}`),
  })
})

test('an object of which only a part can be read is not known to be the uploaded segment', async () => {
  await store.put(key, sourceOf(content))
  const short = store.faults.add({ on: 'get', when: 'always', fault: { shortBytes: 64 * KIB } })
  await expect(upload()).rejects.toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key })
  short.remove()
  await upload()
})

test('an object that is listed with another size is not the uploaded segment', async () => {
  const list = store.list.bind(store)
  store.list = async function* (...args) {
    for await (const object of list(...args)) yield { ...object, bytes: object.bytes - 1 }
  }
  await expect(upload()).rejects.toThrow(`listed with ${segment.bytes - 1} bytes, expected ${segment.bytes}`)
})
