/**
 * What every `ObjectStore` must do, one test for each promise of `object-store.ts`, for any test runner:
 *
 *     for (const { name, run } of objectStoreTests) it(name, () => run({ store, prefix }))
 */
import assert from 'node:assert/strict'
import { sourceOf } from '../object-source.ts'
import { ObjectStoreError } from '../object-store.ts'
import type { ListOptions, ObjectInfo, ObjectSource, ObjectStore, ObjectStoreErrorCode } from '../object-store.ts'

/** The store of a test, and a prefix, empty or ending with `/`, under which there is nothing yet. */
export interface StoreUnderTest {
  readonly store: ObjectStore
  readonly prefix: string
}

/** A test: a fact in the present tense, and a function that rejects if it does not hold. */
export interface ObjectStoreTest {
  readonly name: string
  /** Rejects if the fact does not hold. */
  readonly run: (under: StoreUnderTest) => Promise<void>
}

/** More than a store that works in parts takes in one. */
const LARGE_BYTES = 5 * 1024 * 1024 + 7

function content(text: string): ObjectSource {
  return sourceOf(Buffer.from(text))
}

async function read(store: ObjectStore, key: string, position = 0, bytes = 64): Promise<string> {
  const buffer = Buffer.alloc(bytes)
  return buffer.toString('utf8', 0, await store.get(key, buffer, position))
}

async function listed(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const { key, bytes } of store.list(prefix, options)) found.push({ key, bytes })
  return found
}

async function rejectsWith(code: ObjectStoreErrorCode, pending: Promise<unknown>): Promise<void> {
  const error = await pending.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ObjectStoreError, `an ObjectStoreError is expected, found ${String(error)}`)
  assert.equal(error.code, code)
}

/** Bytes that differ between positions. */
/** What `head` says of an object, but for its time. */
async function headOf(store: ObjectStore, key: string): Promise<ObjectInfo | null> {
  const found = await store.head(key)
  return found === null ? null : { key: found.key, bytes: found.bytes }
}

function pattern(bytes: number): Buffer {
  const filled = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) filled.writeUInt32LE(at, at)
  return filled
}

/** Tests for every object store. */
export const objectStoreTests: readonly ObjectStoreTest[] = [
  {
    name: 'an object that was put has its bytes and its size',
    async run({ store, prefix }) {
      assert.equal(await store.put(`${prefix}a/b.wal`, content('hello')), 'created')
      assert.equal(await read(store, `${prefix}a/b.wal`), 'hello')
      assert.deepEqual(await headOf(store, `${prefix}a/b.wal`), { key: `${prefix}a/b.wal`, bytes: 5 })
    },
  },
  {
    name: 'an object may be empty',
    async run({ store, prefix }) {
      assert.equal(await store.put(`${prefix}empty`, content('')), 'created')
      assert.equal(await read(store, `${prefix}empty`), '')
      assert.deepEqual(await headOf(store, `${prefix}empty`), { key: `${prefix}empty`, bytes: 0 })
    },
  },
  {
    name: 'a second put of a key leaves the object as it is, and says so',
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, content('first'))
      assert.equal(await store.put(`${prefix}a`, content('second')), 'exists')
      assert.equal(await read(store, `${prefix}a`), 'first')
    },
  },
  {
    name: 'of many puts of a key at the same time, one creates the object',
    async run({ store, prefix }) {
      const names = Array.from({ length: 10 }, (_, index) => `content ${index}`)
      const results = await Promise.all(names.map((text) => store.put(`${prefix}raced`, content(text))))
      assert.equal(results.filter((result) => result === 'created').length, 1)
      assert.equal(await read(store, `${prefix}raced`), names[results.indexOf('created')])
    },
  },
  {
    name: 'a large object is stored whole',
    async run({ store, prefix }) {
      const bytes = pattern(LARGE_BYTES)
      assert.equal(await store.put(`${prefix}large`, sourceOf(bytes)), 'created')
      const found = Buffer.alloc(LARGE_BYTES + 1)
      assert.equal(await store.get(`${prefix}large`, found, 0), LARGE_BYTES)
      assert.ok(found.subarray(0, LARGE_BYTES).equals(bytes))
    },
  },
  {
    name: 'a put whose content does not have its checksum stores nothing',
    async run({ store, prefix }) {
      const wrong = { ...content('hello'), crc32: 1 }
      await rejectsWith('bad-source', store.put(`${prefix}a`, wrong))
      assert.equal(await store.head(`${prefix}a`), null)
      assert.deepEqual(await listed(store, prefix), [])
    },
  },
  {
    name: 'a put whose source fails stores nothing',
    async run({ store, prefix }) {
      const source: ObjectSource = { bytes: 5, crc32: 0, read: () => Promise.reject(new Error('disk')) }
      await assert.rejects(store.put(`${prefix}a`, source))
      assert.equal(await store.head(`${prefix}a`), null)
      assert.deepEqual(await listed(store, prefix), [])
    },
  },
  {
    name: 'get reads from a position, and less than the buffer only at the end',
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, content('0123456789'))
      assert.equal(await read(store, `${prefix}a`, 3, 4), '3456')
      assert.equal(await read(store, `${prefix}a`, 8, 4), '89')
      assert.equal(await read(store, `${prefix}a`, 10, 4), '')
      assert.equal(await read(store, `${prefix}a`, 50, 4), '')
    },
  },
  {
    name: 'an object that does not exist is not found',
    async run({ store, prefix }) {
      await store.put(`${prefix}folder/a`, content('a'))
      for (const key of ['b', 'folder', 'folder/a/b']) {
        await rejectsWith('not-found', store.get(prefix + key, Buffer.alloc(4), 0))
        assert.equal(await store.head(prefix + key), null)
      }
    },
  },
  {
    name: 'a deleted object is gone, and can be created again',
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, content('first'))
      await store.delete(`${prefix}a`)
      assert.equal(await store.head(`${prefix}a`), null)
      await rejectsWith('not-found', store.get(`${prefix}a`, Buffer.alloc(4), 0))
      assert.deepEqual(await listed(store, prefix), [])
      assert.equal(await store.put(`${prefix}a`, content('second')), 'created')
      assert.equal(await read(store, `${prefix}a`), 'second')
    },
  },
  {
    name: 'deleting what does not exist does nothing',
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, content('a'))
      await store.delete(`${prefix}b`)
      await store.delete(`${prefix}no/such/folder`)
      assert.equal(await read(store, `${prefix}a`), 'a')
    },
  },
  {
    name: 'a listing has every object with the prefix, in the order of the bytes of the keys',
    async run({ store, prefix }) {
      const keys = ['a-b', 'a.wal', 'a/1', 'a/10', 'a/2', 'a0', 'b/c/d', 'é', '\u{ff5e}', '\u{1f600}']
      for (const key of keys.toReversed()) await store.put(prefix + key, content(key))
      const found = await listed(store, prefix)
      assert.deepEqual(
        found,
        keys.map((key) => ({ key: prefix + key, bytes: Buffer.byteLength(key) })),
      )
    },
  },
  {
    name: 'a prefix may end within a name',
    async run({ store, prefix }) {
      for (const key of ['a/1', 'a/10', 'a/2', 'ab/1', 'b']) await store.put(prefix + key, content(key))
      const keys = async (part: string) =>
        (await listed(store, prefix + part)).map(({ key }) => key.slice(prefix.length))
      assert.deepEqual(await keys('a/1'), ['a/1', 'a/10'])
      assert.deepEqual(await keys('a'), ['a/1', 'a/10', 'a/2', 'ab/1'])
      assert.deepEqual(await keys('c'), [])
    },
  },
  {
    name: 'a listing begins after a key, which need not exist',
    async run({ store, prefix }) {
      for (const key of ['a/1', 'a/2', 'b', 'c/1']) await store.put(prefix + key, content(key))
      const after = async (key: string) =>
        (await listed(store, prefix, { after: prefix + key })).map((found) => found.key.slice(prefix.length))
      assert.deepEqual(await after('a/1'), ['a/2', 'b', 'c/1'])
      assert.deepEqual(await after('a/15'), ['a/2', 'b', 'c/1'])
      assert.deepEqual(await after('a0'), ['b', 'c/1'])
      assert.deepEqual(await after('c/1'), [])
    },
  },
  {
    name: 'a shallow listing has the objects directly below a prefix, and each folder once',
    async run({ store, prefix }) {
      const keys = ['a-b', 'a.wal', 'a/1', 'a/2/3', 'a/2/4', 'a0', 'b/c/d', 'b/c/e', 'é/1', '\u{1f600}/1']
      for (const key of keys) await store.put(prefix + key, content(key))
      const below = async (part: string, after?: string) => {
        const options = { shallow: true, ...(after !== undefined && { after: prefix + after }) }
        return (await listed(store, prefix + part, options)).map(({ key }) => key.slice(prefix.length))
      }
      assert.deepEqual(await below(''), ['a-b', 'a.wal', 'a/', 'a0', 'b/', 'é/', '\u{1f600}/'])
      assert.deepEqual(await below('a'), ['a-b', 'a.wal', 'a/', 'a0'])
      assert.deepEqual(await below('a/'), ['a/1', 'a/2/'])
      assert.deepEqual(await below('b/c/'), ['b/c/d', 'b/c/e'])
      assert.deepEqual(await below('c/'), [])
      assert.deepEqual(await below('', 'a.wal'), ['a/', 'a0', 'b/', 'é/', '\u{1f600}/'])
      assert.deepEqual(await below('', 'a/1'), ['a0', 'b/', 'é/', '\u{1f600}/'])
      assert.deepEqual(await below('a/', 'a/2/3'), [])
      const entries = await listed(store, prefix, { shallow: true, after: `${prefix}a-b` })
      assert.deepEqual(entries.slice(0, 2), [
        { key: `${prefix}a.wal`, bytes: 5 },
        { key: `${prefix}a/`, bytes: 0 },
      ])
    },
  },
  {
    name: 'a shallow listing has all folders where there are more than one page',
    async run({ store, prefix }) {
      const folders = Array.from({ length: 25 }, (_, index) => `${prefix}${String(index).padStart(4, '0')}/`)
      const keys = folders.flatMap((folder) => [`${folder}1`, `${folder}2`, `${folder.slice(0, -1)}.wal`])
      await Promise.all(keys.map((key) => store.put(key, content(key))))
      const found = await listed(store, prefix, { shallow: true })
      assert.deepEqual(
        found.map(({ key }) => key),
        folders.flatMap((folder) => [`${folder.slice(0, -1)}.wal`, folder]),
      )
    },
  },
  {
    name: 'a listing has all objects where there are more than one page',
    async run({ store, prefix }) {
      const keys = Array.from({ length: 25 }, (_, index) => `${prefix}${String(index).padStart(4, '0')}`)
      await Promise.all(keys.map((key) => store.put(key, content(key))))
      assert.deepEqual(
        (await listed(store, prefix)).map(({ key }) => key),
        keys,
      )
    },
  },
  {
    name: 'what is not a key is refused',
    async run({ store, prefix }) {
      const wrong = [
        '',
        '/a',
        'a/',
        'a//b',
        '.',
        'a/..',
        'a/./b',
        'a\0',
        'a.tmp',
        'a.tmp/b',
        '\u{d800}',
        'x'.repeat(1025),
      ]
      for (const key of wrong.slice(1).map((name) => prefix + name)) {
        await rejectsWith('bad-key', store.put(key, content('a')))
        await rejectsWith('bad-key', store.get(key, Buffer.alloc(1), 0))
        await rejectsWith('bad-key', store.head(key))
        await rejectsWith('bad-key', store.delete(key))
      }
      assert.deepEqual(await listed(store, prefix), [])
    },
  },
]
