/** What deletions of segments resolve with belongs to their callers: a writer stays open for years of deletions. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Deletes a segment, and holds nothing of the result. */
async function deleted(writer: WalWriter): Promise<WeakRef<object>> {
  await append(writer, 'old')
  await writer.closeActiveSegment()
  const segments = await writer.deleteSegments({ belowOffset: writer.nextOffset })
  expect(segments).toHaveLength(1)
  return new WeakRef(segments)
}

test('a writer does not hold the results of earlier deletions', async () => {
  const writer = await new LogFixture().open()
  const results: WeakRef<object>[] = []
  for (let nth = 0; nth < 3; nth++) results.push(await deleted(writer))
  await new Promise(setImmediate)
  collectGarbage()
  expect(results.map((result) => result.deref())).toEqual([undefined, undefined, undefined])
  await writer.close()
})

test('a deletion of segments creates none in a log that has none', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  expect(await writer.deleteSegments({ maxTotalBytes: 0 })).toEqual([])
  expect(await log.segmentNames()).toEqual([])
})
