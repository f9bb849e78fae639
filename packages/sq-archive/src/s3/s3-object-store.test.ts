import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { sourceOf } from '../index.ts'
import type { ObjectInfo, ObjectSource, ObjectStore } from '../index.ts'
import { objectStoreTests } from '../testing/index.ts'
import { failureOf } from './failure.ts'
import { parseS3Url, S3ObjectStore } from './index.ts'
import type { S3ObjectStoreOptions } from './index.ts'
import { FakeS3Server, lost, page, refusal, reset, STORED_AT } from './testing/fake-s3-server.ts'
import type { FakeAnswer, FakeOperation, FakeOptions } from './testing/fake-s3-server.ts'

const MIB = 1024 * 1024
/** More than one part, and more parts than are sent at once. */
const LARGE = Buffer.alloc(8 * MIB + 5, 'content of a large segment ')
const FIVE_PARTS = Buffer.alloc(32 * MIB + 5, 'content of a large segment ')

let server: FakeS3Server | undefined
let opened: S3ObjectStore | undefined

afterEach(async () => {
  opened?.close()
  await server?.close()
  opened = undefined
  server = undefined
})

async function start(differences?: FakeOptions): Promise<FakeS3Server> {
  server = await FakeS3Server.start(differences)
  return server
}

/** Repeats every request that fails once, immediately. */
const TWO_ATTEMPTS = {
  retryStrategy: {
    acquireInitialRetryToken: async () => retryToken(0),
    refreshRetryTokenForRetry: async (token: { getRetryCount(): number }, info: { error?: unknown }) => {
      if (token.getRetryCount() > 0) throw info.error
      return retryToken(1)
    },
    recordSuccess: () => {},
  },
} as unknown as S3ClientConfig

function retryToken(count: number): object {
  return { getRetryCount: () => count, getRetryDelay: () => 0 }
}

function settings(client: S3ClientConfig = {}): S3ObjectStoreOptions {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const whole = { endpoint: server?.endpoint ?? '', region: 'us-east-1', credentials, maxAttempts: 1, ...client }
  return { bucket: 'bucket', client: whole }
}

/** Opens a store of the server, and forgets the requests of that. */
async function open(client?: S3ClientConfig): Promise<S3ObjectStore> {
  opened = await S3ObjectStore.open(settings(client))
  if (server !== undefined) server.requests.length = 0
  return opened
}

function content(text: string): ObjectSource {
  return sourceOf(Buffer.from(text))
}

async function read(store: ObjectStore, key: string, position = 0, bytes = 64): Promise<string> {
  const buffer = Buffer.alloc(bytes)
  return buffer.toString('utf8', 0, await store.get(key, buffer, position))
}

async function listed(store: ObjectStore, prefix = ''): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const info of store.list(prefix)) found.push(info)
  return found
}

describe.each([
  ['as S3 is', {}],
  ['with pages of four keys', { pageKeys: 4 }],
  ['that ignores ranges', { ignoresRange: true }],
])('the object store of a server %s', (_, differences) => {
  test.each(objectStoreTests)('$name', async ({ run }) => {
    await start(differences)
    await run({ store: await open(), prefix: 'some/prefix/' })
  })
})

describe('opening', () => {
  test('a store has the objects of its prefix, without it', async () => {
    const { objects, endpoint } = await start()
    objects.set('other/a', Buffer.from('other'))
    opened = await S3ObjectStore.open({ ...settings({ endpoint }), prefix: 'own' })
    await opened.put('a', content('own'))
    expect(objects.get('own/a')?.toString()).toBe('own')
    expect((await listed(opened)).map(({ key }) => key)).toEqual(['a', '~probe'])
    const later: string[] = []
    for await (const { key } of opened.list('', { after: 'a' })) later.push(key)
    expect(later).toEqual(['~probe'])
  })

  test('takes a bucket and a prefix from a URL', async () => {
    const { objects } = await start()
    const { client = {} } = settings()
    const segment = content('the bytes of a segment')
    const { bucket, prefix } = parseS3Url('s3://backups/cluster-1')
    const store = await S3ObjectStore.open({ bucket, prefix, client })
    await store.put('orders/0/00000000000000000000.wal', segment)
    store.close()
    expect(objects.has('cluster-1/orders/0/00000000000000000000.wal')).toBe(true)
  })

  test('of an endpoint with a name addresses buckets by path', async () => {
    const { objects, endpoint } = await start()
    await open({ endpoint: endpoint.replace('127.0.0.1', 'localhost') })
    expect([...objects.keys()]).toEqual(['~probe'])
  })

  test('leaves one object, and no upload', async () => {
    const { objects, uploads } = await start()
    await open()
    await open()
    expect([...objects.keys()]).toEqual(['~probe'])
    expect(uploads.size).toBe(0)
  })

  test.each([
    ['ignores conditions', { ignoresConditions: true }, 'replaced an object'],
    ['ignores the condition of an upload in parts', { ignoresConditionsOfCompletion: true }, 'in parts'],
  ])('refuses a store that %s', async (_, differences, message) => {
    await start(differences)
    await expect(open()).rejects.toMatchObject({
      code: 'no-conditional-put',
      message: expect.stringContaining(message),
    })
  })

  test('refuses a store that does not know conditions', async () => {
    const fake = await start()
    fake.answer('put', refusal(501, 'NotImplemented'))
    await expect(open()).rejects.toMatchObject({ code: 'no-conditional-put', message: expect.stringContaining('501') })
  })

  test('as read-only needs one listing, and refuses changes', async () => {
    const fake = await start()
    opened = await S3ObjectStore.open({ ...settings(), readOnly: true })
    expect(fake.requests.map(({ operation }) => operation)).toEqual(['list'])
    await expect(opened.put('a', content('a'))).rejects.toMatchObject({ code: 'denied' })
    await expect(opened.delete('a')).rejects.toMatchObject({ code: 'denied' })
    expect(fake.requests).toHaveLength(1)
  })

  test('refuses a prefix that no key can have, and an empty bucket', async () => {
    await start()
    await expect(S3ObjectStore.open({ ...settings(), prefix: 'a//b' })).rejects.toMatchObject({ code: 'bad-key' })
    await expect(S3ObjectStore.open({ ...settings(), bucket: '' })).rejects.toThrow(RangeError)
  })
})

describe('a large object', () => {
  test('is uploaded in parts of 8 MiB, and the checksum of the whole is stated', async () => {
    const fake = await start()
    const store = await open()
    expect(await store.put('large', sourceOf(FIVE_PARTS))).toBe('created')
    expect(fake.objects.get('large')?.equals(FIVE_PARTS)).toBe(true)
    const parts = fake.requests.filter(({ operation }) => operation === 'part')
    expect(parts.map(({ body }) => body.length).toSorted((one, other) => other - one)).toEqual([
      ...Array.from({ length: 4 }, () => 8 * MIB),
      5,
    ])
    const completion = fake.requests.at(-1)
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(FIVE_PARTS))
    expect(completion?.headers).toMatchObject({
      'if-none-match': '*',
      'x-amz-checksum-crc32': sum.toString('base64'),
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
  })

  test('has at most four parts on their way', async () => {
    const fake = await start()
    const store = await open()
    const held: (() => void)[] = []
    const arrived = new Promise<void>((resolve) => {
      const hold: FakeAnswer = (_, __, serve) => {
        if (held.push(serve) === 4) resolve()
      }
      fake.answer('part', hold, hold, hold, hold)
    })
    const source = sourceOf(FIVE_PARTS)
    const positions: number[] = []
    const watched: ObjectSource = {
      ...source,
      read(buffer, position) {
        positions.push(position)
        return source.read(buffer, position)
      },
    }
    const put = store.put('large', watched)
    await arrived
    expect(positions).toHaveLength(4)
    for (const serve of held) serve()
    expect(await put).toBe('created')
    expect(positions).toHaveLength(5)
  })

  test.each([
    ['a part that fails', 'part', [refusal(500, 'InternalError')]],
    ['a part that is lost', 'part', [reset]],
    ['a completion that fails', 'complete', [refusal(503, 'SlowDown')]],
  ] as const)('is not stored after %s, and its upload is aborted', async (_, operation, answers) => {
    const fake = await start()
    const store = await open()
    fake.answer(operation, ...answers)
    await expect(store.put('large', sourceOf(LARGE))).rejects.toMatchObject({ code: 'failed' })
    expect(fake.uploads.size).toBe(0)
    expect(fake.requests.at(-1)?.operation).toBe('abort')
    expect(await store.head('large')).toBeNull()
  })

  test('has no part on its way when its upload is aborted', async () => {
    const fake = await start()
    const store = await open()
    const held: (() => void)[] = []
    const failed = new Promise<void>((resolve) => {
      fake.answer(
        'part',
        (_, __, serve) => void held.push(serve),
        (response, request, serve) => {
          response.once('finish', resolve)
          refusal(500, 'InternalError')(response, request, serve)
        },
      )
    })
    const put = store.put('large', sourceOf(LARGE)).catch((error: unknown) => error)
    await failed
    // The client has time to learn of the failure.
    for (let request = 0; request < 5; request++) await store.head('other')
    expect(fake.count('abort')).toBe(0)
    for (const serve of held) serve()
    expect(await put).toMatchObject({ code: 'failed' })
    expect(fake.uploads.size).toBe(0)
  })

  test('whose content has changed is not stored, and its upload is aborted', async () => {
    const fake = await start()
    const store = await open()
    await expect(store.put('large', { ...sourceOf(LARGE), crc32: 1 })).rejects.toMatchObject({ code: 'bad-source' })
    expect(fake.uploads.size).toBe(0)
    expect(fake.count('complete')).toBe(0)
  })

  test('that exists is not sent', async () => {
    const fake = await start()
    const store = await open()
    await store.put('large', content('first'))
    expect(await store.put('large', sourceOf(LARGE))).toBe('exists')
    expect(fake.count('create')).toBe(0)
  })

  test('leaves alone what was created while its parts were sent', async () => {
    const fake = await start()
    const store = await open()
    fake.answer('complete', (_, __, serve) => {
      fake.objects.set('large', Buffer.from('first'))
      serve()
    })
    expect(await store.put('large', sourceOf(LARGE))).toBe('exists')
    expect(await read(store, 'large')).toBe('first')
    expect(fake.uploads.size).toBe(0)
  })

  test('may have been created if the answer to its completion was lost', async () => {
    const fake = await start()
    const store = await open(TWO_ATTEMPTS)
    fake.answer('complete', lost)
    await expect(store.put('large', sourceOf(LARGE))).rejects.toMatchObject({ code: 'failed' })
    expect(await store.put('large', sourceOf(LARGE))).toBe('exists')
    expect(fake.objects.get('large')?.equals(LARGE)).toBe(true)
  })
})

describe('a put', () => {
  test('whose answer was lost has failed, and may have created the object', async () => {
    const fake = await start()
    const store = await open()
    fake.answer('put', lost)
    await expect(store.put('a', content('a'))).rejects.toMatchObject({ code: 'failed' })
    expect(await read(store, 'a')).toBe('a')
  })

  test('that the client repeats after a lost answer finds its own object', async () => {
    const fake = await start()
    const store = await open(TWO_ATTEMPTS)
    fake.answer('put', lost)
    expect(await store.put('a', content('a'))).toBe('exists')
  })

  test('that is refused after a lost answer may still have created the object', async () => {
    const fake = await start()
    const store = await open(TWO_ATTEMPTS)
    fake.answer('put', lost, refusal(403, 'AccessDenied'))
    await expect(store.put('a', content('a'))).rejects.toMatchObject({ code: 'failed' })
    expect(await read(store, 'a')).toBe('a')
  })

  test('is repeated if the object was deleted at the same time', async () => {
    const fake = await start()
    const store = await open()
    const conflict = refusal(409, 'ConditionalRequestConflict')
    fake.answer('put', conflict, conflict)
    fake.answer('complete', conflict)
    expect(await store.put('a', content('a'))).toBe('created')
    expect(await store.put('large', sourceOf(LARGE))).toBe('created')
    fake.answer('put', conflict, conflict, conflict)
    await expect(store.put('b', content('b'))).rejects.toMatchObject({ code: 'failed' })
  })

  test('without an answer may have taken effect, which says what to check', () => {
    const timedOut = Object.assign(new Error('the request socket timed out'), { name: 'TimeoutError' })
    const error = failureOf({ doing: 'store', key: 'a', path: 'main/a', bucket: 'bucket' }, timedOut)
    expect(error).toMatchObject({
      code: 'failed',
      message:
        'could not store "s3://bucket/main/a": the store did not answer in time: check the endpoint and the network',
    })
  })
})

/** What each operation does, by the name that the server gives to it. */
const OPERATIONS: Partial<Record<FakeOperation, (store: ObjectStore) => Promise<unknown>>> = {
  put: (store) => store.put('a', content('a')),
  get: (store) => store.get('a', Buffer.alloc(4), 0),
  head: (store) => store.head('a'),
  list: (store) => listed(store),
  delete: (store) => store.delete('a'),
}

describe.each([
  ['put', 's3:PutObject'],
  ['get', 's3:GetObject'],
  ['head', 's3:GetObject'],
  ['list', 's3:ListBucket'],
  ['delete', 's3:DeleteObject'],
] as const)('an error of %s', (operation, right) => {
  test.each<[string, FakeAnswer, string, string]>([
    ['a missing right', refusal(403, 'AccessDenied'), 'denied', right],
    ['an internal error', refusal(500, 'InternalError'), 'failed', '500'],
    ['too many requests', refusal(503, 'SlowDown'), 'failed', '503'],
    ['too many requests, as some stores say it', refusal(429, 'TooManyRequests'), 'failed', '429'],
    ['a lost connection', reset, 'failed', 'the connection was lost'],
    ['the page of a proxy that refuses', page(403), 'failed', 'a web page'],
    ['the page of a proxy that has no connection', page(502), 'failed', 'a web page'],
    ['the page of a server without this path', page(404), 'failed', 'a web page'],
  ])('has the right code and says what to do after %s', async (_, answer, code, message) => {
    const fake = await start()
    const store = await open()
    fake.answer(operation, answer, answer, answer)
    const error = await OPERATIONS[operation]?.(store).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ObjectStoreError', code, message: expect.stringMatching(message) })
  })
})

// The answer to HEAD has no body, and so no code.
describe.each(['put', 'get', 'list', 'delete'] as const)('a refusal of %s', (operation) => {
  test.each([
    ['InvalidAccessKeyId', 403, 'check the credentials'],
    ['SignatureDoesNotMatch', 403, 'check the credentials'],
    ['ExpiredToken', 400, 'get new credentials'],
    ['RequestTimeTooSkewed', 403, 'set the clock of this machine'],
    ['NoSuchBucket', 404, 'there is no bucket "bucket": create it'],
    ['PermanentRedirect', 301, 'set the region'],
    ['AuthorizationHeaderMalformed', 400, 'set the region'],
  ])('says what to do after %s', async (code, status, message) => {
    const fake = await start()
    const store = await open()
    fake.answer(operation, refusal(status, code))
    const error = await OPERATIONS[operation]?.(store).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'denied', message: expect.stringContaining(message) })
  })
})

test.each([
  ['put', page(200), 'did not answer as an object store does'],
  ['get', page(200), 'did not answer as an object store does'],
  ['head', page(200), 'did not answer as an object store does'],
  ['list', page(200), 'could not list'],
] as const)('a server that answers %s with a page is no object store', async (operation, answer, message) => {
  const fake = await start()
  const store = await open()
  fake.answer(operation, answer, answer, answer)
  const error = await OPERATIONS[operation]?.(store).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'failed', message: expect.stringContaining(message) })
})

test('what arrived damaged is not stored, and can be put again', async () => {
  const fake = await start()
  const store = await open()
  fake.answer('put', refusal(400, 'BadDigest'))
  await expect(store.put('a', content('a'))).rejects.toMatchObject({ code: 'failed' })
  expect(await store.put('a', content('a'))).toBe('created')
})

test('an endpoint that cannot be reached is named as the reason', async () => {
  const fake = await start()
  const { endpoint } = fake
  await fake.close()
  server = undefined
  await expect(S3ObjectStore.open(settings({ endpoint }))).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringContaining('the endpoint cannot be reached (ECONNREFUSED)'),
  })
})

/** An answer that states ten bytes, and ends after four. */
const cut: FakeAnswer = (response) => {
  response.writeHead(206, { etag: '"e"', 'content-length': 10, 'content-range': 'bytes 0-9/10' })
  response.write('0123', () => response.socket?.resetAndDestroy())
}

describe('a get', () => {
  test('is repeated if the body breaks off', async () => {
    const fake = await start()
    const store = await open()
    await store.put('a', content('0123456789'))
    fake.answer('get', cut, cut)
    expect(await read(store, 'a')).toBe('0123456789')
    expect(fake.count('get')).toBe(3)
  })

  test('fails if the body breaks off every time', async () => {
    const fake = await start()
    const store = await open()
    fake.answer('get', cut, cut, cut)
    await expect(store.get('a', Buffer.alloc(10), 0)).rejects.toMatchObject({ code: 'failed' })
  })

  test.each([
    ['another range', { 'content-range': 'bytes 3-6/10', 'content-length': 4 }, 'asked for bytes from 0'],
    ['fewer bytes than it states', { 'content-range': 'bytes 0-9/10', 'content-length': 4 }, 'ended after 4 bytes'],
    ['a range that is none', { 'content-range': 'bytes */10', 'content-length': 4 }, 'the range bytes */10'],
    ['no length', {}, 'does not state its length'],
  ])('fails if the answer has %s', async (_, headers, message) => {
    const fake = await start()
    const store = await open()
    const wrong: FakeAnswer = (response) => void response.writeHead(206, { etag: '"e"', ...headers }).end('0123')
    fake.answer('get', wrong, wrong, wrong)
    await expect(store.get('a', Buffer.alloc(10), 0)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining(message),
    })
  })

  test('of no bytes tells whether the object exists', async () => {
    await start()
    const store = await open()
    await store.put('a', content('a'))
    expect(await store.get('a', Buffer.alloc(0), 0)).toBe(0)
    await expect(store.get('b', Buffer.alloc(0), 0)).rejects.toMatchObject({ code: 'not-found' })
  })
})

test('an object says when it was stored', async () => {
  await start()
  const store = await open()
  await store.put('a', content('a'))
  const stored = { key: 'a', bytes: 1, storedMs: STORED_AT.getTime() }
  expect(await store.head('a')).toEqual(stored)
  expect(await listed(store, 'a')).toEqual([stored])
})

describe('a listing', () => {
  test('has no keys that are not keys of an object store', async () => {
    const { objects } = await start({ pageKeys: 2 })
    const store = await open()
    for (const key of ['a/', 'a//b', 'a/1', 'b.tmp', 'c']) objects.set(key, Buffer.from('x'))
    expect((await listed(store)).map(({ key }) => key)).toEqual(['a/1', 'c', '~probe'])
  })

  test('has keys with characters that XML and URLs do not have', async () => {
    await start()
    const store = await open()
    const keys = ['odd/\u0001', 'odd/ +%20', 'odd/&<>"']
    for (const key of keys) await store.put(key, content('x'))
    expect((await listed(store, 'odd/')).map(({ key }) => key)).toEqual(keys)
  })

  test('fails if the keys are not in order', async () => {
    const fake = await start()
    const store = await open()
    fake.answer('list', (response) => {
      const contents = ['b', 'a'].map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')
      response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`)
    })
    await expect(listed(store)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('"a" after "b"'),
    })
  })
})
