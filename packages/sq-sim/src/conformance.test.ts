import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { NodeFileSystem } from './index.ts'
import { InMemoryFileSystem } from './memory/index.ts'
import { crashTests, fileSystemTests } from './testing/index.ts'

describe.each([
  ['NodeFileSystem', new NodeFileSystem()],
  ['NodeFileSystem, blocking', new NodeFileSystem({ blocking: true })],
])('%s', (_, fs) => {
  let root = ''
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sq-sim-'))
  })
  afterAll(() => rm(root, { recursive: true }))

  it.each(fileSystemTests)('$name', async ({ name, run }) => {
    const directory = join(root, name.replaceAll(/\W+/g, '-'))
    await fs.mkdir(directory)
    await run({ fs, directory })
  })
})

describe('InMemoryFileSystem', () => {
  it.each([...fileSystemTests, ...crashTests])('$name', async ({ run }) => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/data/here')
    await run({ fs, directory: '/data/here', cutPower: () => fs.crash() })
  })
})
