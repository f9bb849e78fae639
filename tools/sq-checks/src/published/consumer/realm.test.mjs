// A user's test on a real disk, run by a test runner that gives it a separate realm.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'

test('a log is appended to and read on a real disk', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sq-realm-'))
  const fs = new NodeFileSystem()
  const writer = await WalWriter.open(fs, { dataDir }, 'orders', 0)
  await writer.append(Buffer.from('key'), new Uint8Array([1, 2, 3]), [], 0)
  await expect(WalWriter.open(fs, { dataDir }, 'orders', 0)).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED' })
  await expect(WalReader.open(fs, { dataDir }, 'none', 0)).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
  await writer.close()

  const reader = await WalReader.open(fs, { dataDir }, 'orders', 0)
  const values = []
  for await (const { value } of reader.read()) values.push([...value])
  await reader.close()
  expect(values).toEqual([[1, 2, 3]])
  await rm(dataDir, { recursive: true })
})
