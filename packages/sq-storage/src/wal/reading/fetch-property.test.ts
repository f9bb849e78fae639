/** Fetches return what reading returns, for random logs, changes and limits. */
import { Random } from '@sq/sim'
import { beforeEach, expect, test } from 'vitest'
import type { WalReader } from '../../index.ts'
import { openInAnotherProcess, openReader } from '../../testing/fetching.ts'
import { appendBatch, LogFixture, numbered } from '../../testing/log-fixture.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

test.each(Array.from({ length: 60 }, (_, at) => at + 1))(
  'fetches return what reading returns, whatever was fetched before and whatever the log went through (seed %d)',
  async (seed) => {
    const random = new Random(seed)
    log = new LogFixture({ maxSegmentBytes: 1 + random.int(2000) })
    let writer = await log.open()
    const readers = [await openReader(log), await openReader(log), await openInAnotherProcess(log)]
    for (let step = 0; step < 40; step++) {
      const end = Number(writer.nextOffset)
      const choice = random.int(12)
      if (choice < 5) await appendBatch(writer, numbered(1 + random.int(4)))
      else if (choice === 5) await writer.truncate(BigInt(Math.max(await firstOf(), random.int(end + 1))))
      else if (choice === 6) await writer.closeActiveSegment()
      else if (choice === 7) await writer.deleteSegments({ belowOffset: BigInt(random.int(end + 1)) })
      else if (choice === 8) {
        await writer.close()
        if (random.chance(0.5)) writer = await log.open()
        else {
          await expectSame(readers, random, seed)
          writer = await log.open()
        }
      } else await expectSame(readers, random, seed)
    }
    for (const reader of readers) await reader.close()
    await writer.close()
  },
)

async function firstOf(): Promise<number> {
  return Number.parseInt((await log.segmentNames())[0] ?? '0', 10)
}

/** Each reader goes through the log with fetches of drawn limits, and gets what `readBatches` gets. */
async function expectSame(readers: readonly WalReader[], random: Random, seed: number): Promise<void> {
  const first = BigInt(await firstOf())
  for (const reader of readers) {
    let from = first
    const end = (await reader.fetch({ from, maxBytes: Infinity })).nextOffset
    for (let turn = 0; turn < 4; turn++) {
      if (random.chance(0.3)) from = first + BigInt(random.int(Number(end - first) + 1))
      const options = {
        from,
        ...(random.chance(0.5) ? { to: from + BigInt(random.int(6)) } : {}),
        maxBytes: 1 + random.int(300),
      }
      const { batches, nextOffset, logStartOffset } = await reader.fetch(options)
      const expected: unknown[] = []
      for await (const batch of reader.readBatches({ ...options, exact: true })) {
        expected.push([batch.baseOffset, batch.recordCount, batch.checksum])
      }
      const found = batches.map((batch) => [batch.baseOffset, batch.recordCount, batch.checksum])
      expect({ seed, options, found, logStartOffset }).toEqual({
        seed,
        options,
        found: expected,
        logStartOffset: first,
      })
      from = nextOffset
    }
  }
}
