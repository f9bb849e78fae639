/** Power cuts and failures while a directory holds objects. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage } from '@sq/sim/memory'
import { expect, test } from 'vitest'
import { DirectoryObjectStore } from './directory-object-store.ts'
import { sourceOf } from './object-source.ts'

const ROOT = '/archive'
const LARGE = Buffer.alloc(4 * 1024 * 1024 + 512, 'large ')

async function contents(fs: InMemoryFileSystem): Promise<Map<string, string>> {
  const store = new DirectoryObjectStore(fs, ROOT)
  const found = new Map<string, string>()
  for await (const { key, bytes } of store.list('')) {
    const buffer = Buffer.alloc(bytes)
    expect(await store.get(key, buffer, 0)).toBe(bytes)
    found.set(key, buffer.toString())
  }
  return found
}

/** What must hold at a moment: for each key the contents that its object may have; null for none. */
type Allowed = Map<string, (string | null)[]>

/** Runs steps one after another, and cuts the power at every moment, in every way. Returns the number of images. */
async function crashEverywhere(
  steps: (store: DirectoryObjectStore, allowed: Allowed) => Promise<void>,
): Promise<number> {
  const fs = new InMemoryFileSystem()
  const allowed: Allowed = new Map()
  const images = new Map<string, { image: CrashImage; allowed: Allowed }>()
  const collect = (): void => {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      const expected = JSON.stringify([...allowed])
      images.set(`${image.digest()} ${expected}`, { image, allowed: new Map(allowed) })
    }
  }
  fs.operations.observe(({ phase }) => {
    if (phase === 'end') collect()
  })
  await steps(new DirectoryObjectStore(fs, ROOT), allowed)
  collect()
  for (const { image, allowed: expected } of images.values()) {
    const found = await contents(new InMemoryFileSystem({ image }))
    for (const [key, content] of found) expect(expected.get(key) ?? [null]).toContain(content)
    for (const [key, may] of expected) if (!found.has(key)) expect(may).toContain(null)
  }
  return images.size
}

test('a power cut leaves each object whole or absent, and what was confirmed as it was confirmed', async () => {
  const images = await crashEverywhere(async (store, allowed) => {
    for (const key of ['a/0/1.wal', 'a/0/2.wal', 'b/0/1.wal']) {
      allowed.set(key, [null, key])
      expect(await store.put(key, sourceOf(Buffer.from(key)))).toBe('created')
      allowed.set(key, [key])
    }
    allowed.set('a/0/1.wal', [null, 'a/0/1.wal'])
    await store.delete('a/0/1.wal')
    allowed.set('a/0/1.wal', [null])
  })
  expect(images).toBeGreaterThan(20)
})

test('an object that is found by a second put is durable when that says so', async () => {
  await crashEverywhere(async (store, allowed) => {
    const content = sourceOf(Buffer.from('content'))
    allowed.set('a', [null, 'content'])
    // Both are in flight; the first that says `exists` may do so before the other has synced the name.
    const confirm = (result: string): void => {
      expect(['created', 'exists']).toContain(result)
      allowed.set('a', ['content'])
    }
    await Promise.all([store.put('a', content).then(confirm), store.put('a', content).then(confirm)])
  })
})

test('a put that fails at any operation leaves no object, or the whole one, and can be made again', async () => {
  for (let nth = 1; ; nth++) {
    const fs = new InMemoryFileSystem()
    const store = new DirectoryObjectStore(fs, ROOT)
    let seen = 0
    const every = [
      'open',
      'create',
      'write',
      'sync',
      'close',
      'mkdir',
      'stat',
      'unlink',
      'link',
      'syncDirectory',
    ] as const
    const rule = fs.faults.add({ on: every, path: () => ++seen === nth, when: 'always', fault: { error: 'EIO' } })
    const result = await store.put('a/large.wal', sourceOf(LARGE)).catch((error: unknown) => error)
    rule.remove()
    if (rule.hits === 0) break
    if (result !== 'created') expect(result).toMatchObject({ code: 'failed', key: 'a/large.wal' })
    for (const [key, content] of await contents(fs)) expect([key, content]).toEqual(['a/large.wal', LARGE.toString()])
    expect(['created', 'exists']).toContain(await store.put('a/large.wal', sourceOf(LARGE)))
    fs.crash()
    expect([...(await contents(fs)).keys()]).toEqual(['a/large.wal'])
  }
})

test('files that are not objects are not listed', async () => {
  const fs = new InMemoryFileSystem()
  const store = new DirectoryObjectStore(fs, ROOT)
  await store.put('a/1.wal', sourceOf(Buffer.from('1')))
  await (await fs.open(`${ROOT}/a/2.wal.00.tmp`, 'create')).close()
  expect([...(await contents(fs)).keys()]).toEqual(['a/1.wal'])
})

test('a key that is a directory is refused, and nothing changes', async () => {
  const fs = new InMemoryFileSystem()
  const store = new DirectoryObjectStore(fs, ROOT)
  await store.put('a/1.wal', sourceOf(Buffer.from('1')))
  await expect(store.put('a', sourceOf(Buffer.from('2')))).rejects.toMatchObject({ code: 'denied' })
  await expect(store.put('a/1.wal/2', sourceOf(Buffer.from('2')))).rejects.toMatchObject({ code: 'denied' })
  expect([...(await contents(fs))]).toEqual([['a/1.wal', '1']])
})

test('a store without a directory is empty', async () => {
  expect([...(await contents(new InMemoryFileSystem()))]).toEqual([])
})

test.each([
  ['a file in the place of the directory', 'mkdir', 'ENOTDIR'],
  ['a file system that is read-only', 'mkdir', 'EROFS'],
  ['a file that has the name of the directory', 'mkdir', 'EEXIST'],
  ['a missing right', 'create', 'EACCES'],
  ['a file system without hard links', 'link', 'EPERM'],
] as const)('a put is refused, and has stored nothing, because of %s', async (_, operation, code) => {
  const fs = new InMemoryFileSystem()
  const store = new DirectoryObjectStore(fs, ROOT)
  fs.faults.failNext(operation, code)
  const refused = { code: 'denied', message: expect.stringContaining(`could not store "a/1.wal": ${code}`) }
  await expect(store.put('a/1.wal', sourceOf(Buffer.from('a')))).rejects.toMatchObject(refused)
  expect(await contents(fs)).toEqual(new Map())
})
