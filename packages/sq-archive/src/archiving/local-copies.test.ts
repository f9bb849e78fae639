/** What may be deleted locally, where an object is not what was uploaded. */
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { listSegments, WalWriter } from '@sq/storage'
import { expect, test } from 'vitest'
import { sourceOf } from '../index.ts'
import { InMemoryObjectStore } from '../memory/index.ts'
import { segmentKey } from '../segment-key.ts'
import { LocalCopies } from './local-copies.ts'

const config = { dataDir: '/data' }
const place = { topic: 'orders', partition: 0 }

test.each([-1, 1])(
  'a local segment stays if the object that this process has uploaded has %i byte more',
  async (more) => {
    const fs = new InMemoryFileSystem()
    const writer = await WalWriter.open(fs, config, 'orders', 0, { clock: new ManualClock(), random: new Random(1) })
    await writer.append({ value: Buffer.from('a') })
    await writer.closeActiveSegment()
    const [segment] = await listSegments(fs, config, 'orders', 0)
    if (segment === undefined) throw new Error('the log has no segment')
    const store = new InMemoryObjectStore()
    const key = segmentKey(place, 0n)
    await store.put(key, sourceOf(Buffer.alloc(segment.bytes + more)))
    const copies = new LocalCopies(store, place)
    copies.add(segment)
    expect(await copies.deletable(1n)).toMatchObject({ keepFromOffset: 0n, lost: { code: 'SQ_ARCHIVE_DAMAGED', key } })
    await store.delete(key)
    await store.put(key, sourceOf(Buffer.alloc(segment.bytes)))
    expect(await copies.deletable(1n)).toEqual({ keepFromOffset: 1n, lost: null })
  },
)
