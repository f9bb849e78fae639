import { InMemoryFileSystem } from '@sq/sim/memory'
import { listPartitions } from '@sq/storage'
import { expect, test } from 'vitest'
import { checkConditionalPut, DirectoryObjectStore, ObjectStoreFileSystem } from './index.ts'
import { InMemoryObjectStore } from './memory/index.ts'

test.each([
  ['in memory', () => new InMemoryObjectStore()],
  ['in a directory', () => new DirectoryObjectStore(new InMemoryFileSystem(), '/archive')],
])('a store %s creates objects conditionally', async (_, create) => {
  const store = create()
  await checkConditionalPut(store)
  await Promise.all([checkConditionalPut(store), checkConditionalPut(store)])
})

test('a store that replaces objects is refused', async () => {
  const store = new InMemoryObjectStore({ ignoresConditions: true })
  await expect(checkConditionalPut(store)).rejects.toMatchObject({
    code: 'no-conditional-put',
    message: expect.stringContaining('it replaced an object'),
  })
})

test('a check that was cut off after its first object does not disturb the next one', async () => {
  const store = new InMemoryObjectStore()
  const rule = store.faults.add({ on: 'put', when: { nth: 2 }, fault: { error: 'failed' } })
  await expect(checkConditionalPut(store)).rejects.toMatchObject({ code: 'failed' })
  rule.remove()
  await checkConditionalPut(store)
})

test('what a check leaves is no log', async () => {
  const store = new InMemoryObjectStore()
  await checkConditionalPut(store)
  expect(await listPartitions(new ObjectStoreFileSystem(store), { dataDir: '/' })).toEqual([])
})
