/** What must hold of the store on a real server. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ObjectStoreError, sourceOf } from '@sq/archive'
import type { ObjectInfo, ObjectStore, ObjectStoreErrorCode } from '@sq/archive'
import type { S3ObjectStoreOptions } from '@sq/archive/s3'
import { objectStoreTests } from '@sq/archive/testing'
import { cleanEnvironment } from '../clean-environment.ts'
import type { Check } from './check.ts'
import type { TestServer } from './test-server.ts'

const MIB = 1024 * 1024
/** Three parts. */
const LARGE_BYTES = 17 * MIB + 3
const UPLOADER = fileURLToPath(new URL('worker.js', import.meta.url))

/** Bytes that differ between positions, and between seeds. */
function pattern(bytes: number, seed = 0): Buffer {
  const filled = Buffer.alloc(bytes, seed)
  for (let at = 0; at + 4 <= bytes; at += 16) filled.writeUInt32LE(at, at)
  return filled
}

async function read(store: ObjectStore, key: string, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  return buffer.subarray(0, await store.get(key, buffer, position))
}

async function listed(store: ObjectStore, prefix: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const info of store.list(prefix)) found.push(info)
  return found
}

async function rejectsWith(code: ObjectStoreErrorCode, message: string, pending: Promise<unknown>): Promise<void> {
  const error = await pending.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ObjectStoreError, `an ObjectStoreError is expected, found ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.ok(error.message.includes(message), error.message)
}

const conformance: readonly Check[] = objectStoreTests.map(({ name, run }) => ({
  name,
  async run(server) {
    const bucket = await server.bucket()
    await server.using({ bucket }, (store) => run({ store, prefix: 'some/prefix/' }))
  },
}))

/** Several stores put one key at the same time, again and again: one creates it, and its bytes are there. */
function race(name: string, of: { rounds: number; bytes: number }): Check {
  return {
    name,
    async run(server) {
      const bucket = await server.bucket()
      const options = { bucket }
      await server.using(options, (a) =>
        server.using(options, (b) =>
          server.using(options, async (c) => {
            for (let round = 0; round < of.rounds; round++) {
              const key = `raced/${round}`
              const contents = [1, 2, 3, 4, 5, 6].map((seed) => pattern(of.bytes, seed))
              const stores = [a, b, c, a, b, c]
              const puts = stores.map((store, index) => store.put(key, sourceOf(contents[index] ?? Buffer.alloc(0))))
              const results = await Promise.all(puts)
              const winners = results.flatMap((result, index) => (result === 'created' ? [index] : []))
              assert.equal(winners.length, 1, `${winners.length} of 6 puts created ${key}, expected 1`)
              const found = await read(a, key, 0, of.bytes + 1)
              assert.ok(found.equals(contents[winners[0] ?? 0] ?? Buffer.alloc(0)), `${key} has other bytes`)
            }
          }),
        ),
      )
    },
  }
}

const objects: readonly Check[] = [
  {
    name: 'an object in three parts is stored whole, with the checksum of the whole',
    async run(server) {
      const bucket = await server.bucket()
      await server.using({ bucket }, async (store) => {
        const content = pattern(LARGE_BYTES)
        assert.equal(await store.put('large', sourceOf(content)), 'created')
        assert.ok((await read(store, 'large', 0, LARGE_BYTES + 1)).equals(content))
        const across = 8 * MIB - 5
        assert.ok((await read(store, 'large', across, 10)).equals(content.subarray(across, across + 10)))
        assert.equal(await store.put('large', sourceOf(Buffer.from('other'))), 'exists')
        await rejectsWith('bad-source', 'has changed', store.put('changed', { ...sourceOf(content), crc32: 1 }))
        assert.equal(await store.head('changed'), null)
        const { Uploads = [] } = await server.s3.listMultipartUploads({ Bucket: bucket })
        assert.deepEqual(Uploads, [])
      })
    },
  },
  race('of six puts of a key at the same time, one creates the object, 40 times', { rounds: 40, bytes: 100 }),
  race('of six uploads in parts of a key at the same time, one creates the object', { rounds: 2, bytes: 9 * MIB }),
  {
    name: 'a listing has 1,100 objects in order, and keys with all kinds of characters',
    async run(server) {
      const bucket = await server.bucket()
      await server.using({ bucket }, async (store) => {
        const keys = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(20, '0')}.wal`)
        const pending = [...keys]
        const work = async (): Promise<void> => {
          for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
            await store.put(key, sourceOf(Buffer.from('x')))
          }
        }
        await Promise.all(Array.from({ length: 16 }, work))
        assert.deepEqual(
          (await listed(store, 'many/')).map(({ key }) => key),
          keys,
        )
        const odd = ['odd/\u0001', 'odd/ +%20', 'odd/&<>"\'', 'odd/a*()~']
        for (const key of odd) await store.put(key, sourceOf(Buffer.from('x')))
        assert.deepEqual(
          (await listed(store, 'odd/')).map(({ key }) => key),
          odd,
        )
      })
    },
  },
  {
    name: 'an upload that is killed leaves no object, and does not hinder the next one',
    async run(server) {
      const bucket = await server.bucket()
      const client = { ...server.client, credentials: await server.s3.config.credentials() }
      await killWhileUploading({ bucket, client })
      await server.using({ bucket }, async (store) => {
        assert.equal(await store.head('killed'), null)
        assert.deepEqual(
          (await listed(store, '')).map(({ key }) => key),
          ['~probe'],
        )
        const { Uploads = [] } = await server.s3.listMultipartUploads({ Bucket: bucket })
        assert.deepEqual(
          Uploads.map(({ Key }) => Key),
          ['killed'],
        )
        const content = pattern(LARGE_BYTES)
        assert.equal(await store.put('killed', sourceOf(content)), 'created')
        assert.ok((await read(store, 'killed', 0, LARGE_BYTES)).equals(content))
      })
    },
  },
]

async function killWhileUploading(options: S3ObjectStoreOptions): Promise<void> {
  const child = spawn(process.execPath, [UPLOADER, JSON.stringify(options), String(LARGE_BYTES)], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended])
  child.kill('SIGKILL')
  await ended
  assert.equal(line, 'uploading')
}

const buckets: readonly Check[] = [
  {
    name: 'in a bucket with versions, a deleted object is gone and can be created again',
    async run(server) {
      const bucket = await server.bucket({ versions: true })
      await server.using({ bucket }, deleteAndCreate)
      const { Versions = [], DeleteMarkers = [] } = await server.s3.listObjectVersions({ Bucket: bucket, Prefix: 'a' })
      assert.equal(Versions.length, 2, 'the deleted version and the new one are kept')
      assert.equal(DeleteMarkers.length, 1)
    },
  },
  {
    name: 'in a bucket with object lock, objects are created, and a deleted one is hidden',
    async run(server) {
      const bucket = await server.bucket({ objectLock: true })
      await server.using({ bucket }, async (store) => {
        await deleteAndCreate(store)
        assert.equal(await store.put('large', sourceOf(pattern(LARGE_BYTES))), 'created')
      })
    },
  },
  {
    name: 'a missing bucket is an error that says so',
    async run({ client }) {
      const bucket = 'sq-test-no-such-bucket'
      for (const readOnly of [false, true]) {
        await rejectsWith('denied', `there is no bucket "${bucket}"`, openOnce({ bucket, client, readOnly }))
      }
    },
  },
  {
    name: 'wrong credentials are an error that says so',
    async run(server) {
      const bucket = await server.bucket()
      const { accessKeyId } = await server.s3.config.credentials()
      const wrongSecret = { ...server.client, credentials: { accessKeyId, secretAccessKey: 'wrong' } }
      await rejectsWith('denied', 'the secret key is not that', openOnce({ bucket, client: wrongSecret }))
      const wrongKey = { ...server.client, credentials: { accessKeyId: 'WRONG', secretAccessKey: 'wrong' } }
      await rejectsWith('denied', 'does not know the access key', openOnce({ bucket, client: wrongKey }))
    },
  },
  {
    name: 'a clock that is an hour off is an error that says so',
    async run(server) {
      const bucket = await server.bucket()
      // With one attempt, because the client corrects its clock after the first.
      const client = { ...server.client, systemClockOffset: 3_600_000, maxAttempts: 1 }
      await rejectsWith('denied', 'set the clock of this machine', openOnce({ bucket, client }))
    },
  },
  ...(
    [
      ['list', 's3:ListBucket', (store) => listed(store, '')],
      ['delete', 's3:DeleteObject', (store) => store.delete('a')],
      ['put', 's3:PutObject', (store) => store.put('b', sourceOf(Buffer.from('b')))],
      ['get', 's3:GetObject', (store) => read(store, 'a', 0, 1)],
    ] as const satisfies [string, string, (store: ObjectStore) => Promise<unknown>][]
  ).map(([name, right, operation]): Check => ({
    name: `without the right to ${name}, the error names ${right}`,
    async run(server) {
      const bucket = await server.bucket()
      await server.using({ bucket }, async (store) => {
        await store.put('a', sourceOf(Buffer.from('a')))
        await deny(server, bucket, right)
        try {
          await rejectsWith('denied', right, operation(store))
        } finally {
          await server.s3.deleteBucketPolicy({ Bucket: bucket })
        }
      })
    },
  })),
]

async function deleteAndCreate(store: ObjectStore): Promise<void> {
  assert.equal(await store.put('a', sourceOf(Buffer.from('first'))), 'created')
  await store.delete('a')
  assert.equal(await store.head('a'), null)
  assert.equal(await store.put('a', sourceOf(Buffer.from('second'))), 'created')
  assert.equal((await read(store, 'a', 0, 10)).toString(), 'second')
}

/** Nobody has a right in a bucket any more, also not its owner. */
async function deny(server: TestServer, bucket: string, action: string): Promise<void> {
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
  const Statement = [{ Effect: 'Deny', Principal: '*', Action: action, Resource }]
  await server.s3.putBucketPolicy({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) })
}

async function openOnce(options: S3ObjectStoreOptions): Promise<void> {
  const { S3ObjectStore } = await import('@sq/archive/s3')
  const store = await S3ObjectStore.open(options)
  store.close()
}

/** Each check makes what it needs. */
export const STORE_CHECKS: readonly Check[] = [...conformance, ...objects, ...buckets]
