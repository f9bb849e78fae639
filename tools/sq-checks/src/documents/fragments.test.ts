/** The code fragments of the pages, word for word, with the code around them that makes them run. */
import { subscribe } from 'node:diagnostics_channel'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { repair, verify, WalReader, WalWriter } from '@sq/storage'
import type { RecordInput, WalEvents } from '@sq/storage'
import { expect, test, vi } from 'vitest'

const config = { dataDir: '/data' }

function record(text: string): RecordInput {
  return { key: null, value: Buffer.from(text), headers: [], timestampMs: 1 }
}

test('a problem is verified, shown with its repairs, and repaired', async () => {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.appendBatch([record('lost')])
  const segment = await writer.closeActiveSegment()
  await writer.appendBatch([record('kept')])
  await writer.close()
  const file = await fs.open(segment?.path ?? '', 'read-write')
  await file.write([Buffer.from('damage')], 130)
  await file.close()
  const console = { log: vi.fn<(...shown: unknown[]) => void>() }

  const report = await verify(fs, config, 'orders', 0)
  for (const { kind, path, from, to, reason } of report.problems) console.log(kind, path, from, to, reason)
  expect(console.log).toHaveBeenCalledTimes(1)

  for (const problem of report.problems) {
    for (const { kind, firstOffset, nextOffset, readableRecordsLost } of problem.repairs) {
      console.log(problem.reason, kind, firstOffset, nextOffset, readableRecordsLost)
    }
  }
  const damaged = report.problems.find(({ repairs }) => repairs.some(({ kind }) => kind === 'drop-through'))
  if (damaged !== undefined) await repair(fs, config, 'orders', 0, { problem: damaged, repair: 'drop-through' })
  expect(await verify(fs, config, 'orders', 0)).toMatchObject({ problems: [], firstOffset: 1n, records: 1 })
})

test('a tailing reader starts at the next offset and gets new records', async () => {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.appendBatch([record('before')])
  const reader = await WalReader.open(fs, config, 'orders', 0)
  const delivered: string[] = []
  const deliver = (offset: bigint, value: Uint8Array | null): void => {
    delivered.push(`${offset} ${String(value)}`)
    if (offset === 2n) throw new Error('enough')
  }
  const follow = async (): Promise<void> => {
    const stop = new AbortController()
    for await (const { offset, value } of reader.read({ from: writer.nextOffset, follow: true, signal: stop.signal })) {
      deliver(offset, value)
    }
  }
  const following = expect(follow()).rejects.toThrow('enough')
  for (const text of ['after', 'last']) await writer.appendBatch([record(text)])
  await following
  expect(delivered).toEqual(['1 after', '2 last'])
})

test('a checkpoint is a log in another data directory', async () => {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.appendBatch([record('a'), record('b')])
  const day = '2026-11-27'
  const nextOffset = await writer.checkpoint(`/backup/${day}`)
  expect(nextOffset).toBe(2n)
  expect(await verify(fs, { dataDir: `/backup/${day}` }, 'orders', 0)).toMatchObject({ problems: [], records: 2 })
})

const histogram = { record: vi.fn<(durationMs: number, labels: object) => void>() }

function on<Name extends keyof WalEvents>(name: Name, listener: (event: WalEvents[Name]) => void): void {
  subscribe(name, (event) => listener(event as WalEvents[Name]))
}

on('sq:wal:commit', ({ topic, partition, durationMs, error }) => {
  histogram.record(durationMs, { topic, partition, failed: error !== null })
})

test('the duration of a commit is measured from its event', async () => {
  histogram.record.mockClear()
  const writer = await WalWriter.open(new InMemoryFileSystem(), config, 'orders', 0)
  await writer.appendBatch([record('a')])
  expect(histogram.record.mock.calls).toEqual([[expect.any(Number), { topic: 'orders', partition: 0, failed: false }]])
})
