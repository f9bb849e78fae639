import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect, test } from 'vitest'
import { refuseLinks } from './directory-links.ts'

// Links themselves are on a real disk only: strange-files.test.ts.

async function makeLog(): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  await fs.mkdir('/data/orders/0')
  return fs
}

test('what the directory of a partition is, or that there is none', async () => {
  const fs = await makeLog()
  expect(await refuseLinks(fs, '/data/orders/0')).toMatchObject({ kind: 'directory' })
  expect(await refuseLinks(fs, '/data/orders/1')).toBeNull()
  expect(await refuseLinks(fs, '/data/other/0')).toBeNull()
})

test.each(['ENOENT', 'ENOTDIR'])('%s means that there is none', async (code) => {
  const fs = await makeLog()
  fs.faults.failAlways('stat', code)
  expect(await refuseLinks(fs, '/data/orders/0')).toBeNull()
})

test.each(['/data/orders', '/data/orders/0'])('any other failure is an error that names %s', async (path) => {
  const fs = await makeLog()
  fs.faults.failAlways('stat', 'EACCES', (at) => at === path)
  await expect(refuseLinks(fs, '/data/orders/0')).rejects.toMatchObject({
    code: 'SQ_WAL_IO',
    path,
    message: expect.stringMatching(`^cannot look at ${path}: EACCES`),
    cause: { code: 'EACCES' },
  })
})
