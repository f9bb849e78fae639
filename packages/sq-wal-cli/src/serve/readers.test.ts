import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import type { WalReader } from '@sq/storage'
import { expect, test } from 'vitest'
import { Readers } from './readers.ts'

async function logOf(topic: string): Promise<Parameters<Readers['use']>[0]> {
  const log = { fs: new InMemoryFileSystem(), config: { dataDir: '/data' }, archive: null, topic, partition: 0 }
  await (await WalWriter.open(log.fs, log.config, topic, 0)).close()
  return log
}

function itself(reader: WalReader): Promise<WalReader> {
  return Promise.resolve(reader)
}

test('questions about a log have the same reader', async () => {
  const [readers, log] = [new Readers(), await logOf('orders')]
  expect(await readers.use(log, itself)).toBe(await readers.use(log, itself))
})

test('after a failure there is a new reader, and the old one is open until nothing uses it', async () => {
  const [readers, log] = [new Readers(), await logOf('orders')]
  let finish: ((reader: WalReader) => void) | undefined
  let used: WalReader | undefined
  const waiting = readers.use(log, (reader) => {
    used = reader
    return new Promise<WalReader>((resolve) => (finish = resolve))
  })
  await expect(readers.use(log, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await readers.use(log, itself)).not.toBe(used)
  expect(await used?.bounds()).toMatchObject({ logEndOffset: 0n })
  if (used !== undefined) finish?.(used)
  await expect((await waiting).bounds()).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
})

test('more than 64 readers are not kept', async () => {
  const readers = new Readers()
  const first = await readers.use(await logOf('first'), itself)
  for (let topic = 0; topic < 64; topic++) await readers.use(await logOf(`topic${topic}`), itself)
  await expect(first.bounds()).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
})
