import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect, test } from 'vitest'
import { FileSource, sourceOf } from './index.ts'
import { InMemoryObjectStore } from './memory/index.ts'

const CONTENT = Buffer.alloc(9 * 1024 * 1024 + 5, 'content ')

async function fileSystem(): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  const file = await fs.open('/file', 'create')
  await file.write([CONTENT], 0)
  await file.close()
  return fs
}

test('the first bytes of a file are stored as an object', async () => {
  const source = await FileSource.open(await fileSystem(), '/file', 4 * 1024 * 1024 + 3)
  const store = new InMemoryObjectStore()
  expect(await store.put('a', source)).toBe('created')
  await source.close()
  const found = Buffer.alloc(CONTENT.length)
  expect(await store.get('a', found, 0)).toBe(4 * 1024 * 1024 + 3)
  expect(found.subarray(0, 4 * 1024 * 1024 + 3).equals(CONTENT.subarray(0, 4 * 1024 * 1024 + 3))).toBe(true)
})

test('a file that is shorter is refused, and closed', async () => {
  const fs = await fileSystem()
  const closed = fs.operations.count('close')
  await expect(FileSource.open(fs, '/file', CONTENT.length + 1)).rejects.toThrow(`ends at position ${CONTENT.length}`)
  expect(fs.operations.count('close')).toBe(closed + 1)
})

test('a file that changes while it is stored is refused, and nothing is stored', async () => {
  const fs = await fileSystem()
  const source = await FileSource.open(fs, '/file', CONTENT.length)
  const file = await fs.open('/file', 'read-write')
  await file.write([Buffer.from('changed')], 5)
  const store = new InMemoryObjectStore()
  await expect(store.put('a', source)).rejects.toMatchObject({ code: 'bad-source' })
  await file.truncate(10)
  await expect(store.put('a', source)).rejects.toThrow('ends at position 10')
  expect(await store.head('a')).toBeNull()
  await source.close()
})

test('no source can be read past its end', async () => {
  const file = await FileSource.open(await fileSystem(), '/file', 8)
  for (const source of [file, sourceOf(Buffer.from('12345678'))]) {
    const buffer = Buffer.alloc(4)
    await source.read(buffer, 4)
    await expect(source.read(buffer, 5)).rejects.toThrow(RangeError)
  }
})
