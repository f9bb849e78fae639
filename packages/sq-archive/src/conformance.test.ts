/** Every store keeps the promises of `object-store.ts`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { DirectoryObjectStore } from './directory-object-store.ts'
import { InMemoryObjectStore } from './memory/index.ts'
import { objectStoreTests } from './testing/index.ts'

let directory: string
let count = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-archive-'))
})
afterAll(() => rm(directory, { recursive: true }))

describe.each([
  ['in memory', () => new InMemoryObjectStore()],
  ['in memory, in pages of four', () => new InMemoryObjectStore({ pageObjects: 4 })],
  ['a directory in memory', () => new DirectoryObjectStore(new InMemoryFileSystem(), '/archive/objects')],
  ['a directory on disk', () => new DirectoryObjectStore(new NodeFileSystem(), join(directory, String(count++)))],
])('the object store %s', (_, create) => {
  for (const { name, run } of objectStoreTests) test(name, () => run({ store: create(), prefix: '' }))
  for (const { name, run } of objectStoreTests) {
    test(`${name}, below a prefix`, () => run({ store: create(), prefix: 'some/prefix/' }))
  }
})
