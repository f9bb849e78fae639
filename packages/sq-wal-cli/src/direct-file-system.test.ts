import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DirectFileSystem } from './direct-file-system.ts'

let place: string

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  writeFileSync(join(place, 'file'), 'hello')
  mkdirSync(join(place, 'directory'))
  symlinkSync('file', join(place, 'link'))
})
afterAll(() => rmSync(place, { recursive: true }))

test('a file is read as by the real file system', async () => {
  const path = join(place, 'file')
  const file = await new DirectFileSystem().open(path, 'read')
  const buffer = Buffer.alloc(8)
  expect([await file.read(buffer, 1), buffer.toString('latin1', 0, 4)]).toEqual([4, 'ello'])
  expect(await file.read(buffer, 9)).toBe(0)
  expect([await file.size(), await file.identity()]).toEqual([5, (await new NodeFileSystem().stat(path)).identity])
  await file.close()
  await file.close()
  await expect(file.read(buffer, 0)).rejects.toMatchObject({ code: 'EBADF' })
})

test('nothing is written', async () => {
  const file = await new DirectFileSystem().open(join(place, 'file'), 'read')
  for (const change of [file.write([], 0), file.writeDurable([], 0), file.sync(), file.truncate(0)]) {
    await expect(change).rejects.toMatchObject({ code: 'EBADF' })
  }
  await file.close()
})

test.each(['directory', 'link', 'missing'])(
  'what is not a regular file is refused as by the real one: %s',
  async (name) => {
    const refusal = async (fs: DirectFileSystem | NodeFileSystem): Promise<unknown> => {
      const error: unknown = await fs.open(join(place, name), 'read').catch((reason: unknown) => reason)
      return error
    }
    expect(await refusal(new DirectFileSystem())).toEqual(await refusal(new NodeFileSystem()))
  },
)

test.each(['file', 'directory', 'link'])('stat says the same as the real one: %s', async (name) => {
  const path = join(place, name)
  expect(await new DirectFileSystem().stat(path)).toEqual(await new NodeFileSystem().stat(path))
})
