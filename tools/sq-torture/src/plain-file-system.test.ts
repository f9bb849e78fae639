import { fileSystemTests } from '@sq/sim/testing'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect, test } from 'vitest'
import { PlainFileSystem } from './plain-file-system.ts'

const PROMISES = fileSystemTests.filter(({ name }) => !name.startsWith('watch '))

test.each(PROMISES)('$name', async ({ run }) => {
  const fs = new PlainFileSystem()
  await fs.mkdir('/data/here')
  await run({ fs, directory: '/data/here' })
  expect(fs.openHandles).toBe(0)
})

test('a file system holds what its image holds, and does not change the image', async () => {
  const disk = new InMemoryFileSystem()
  await disk.mkdir('/a')
  const file = await disk.open('/a/file', 'create')
  await file.writeDurable([Buffer.from('image')], 0)
  await disk.syncDirectory('/a')
  const image = disk.crashState().image({ picks: [] })
  const digest = image.digest()

  const fs = new PlainFileSystem(image)
  const handle = await fs.open('/a/file', 'read-write')
  await handle.truncate(2)
  await handle.write([Buffer.from('own')], 3)
  await fs.rename('/a/file', '/moved')
  const buffer = Buffer.alloc(7, '.')
  expect(await handle.read(buffer, 0)).toBe(6)
  expect(buffer.toString()).toBe('im\0own.')
  expect(image.digest()).toBe(digest)
  expect([fs.namesIn('/'), fs.namesIn('/a'), fs.namesIn('/missing')]).toEqual([['a', 'moved'], [], []])
})
