import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { get, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { ManualClock, Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LogData } from '../report/log-data.ts'
import type { LogsData, RecordsData } from './live-data.ts'
import { liveServer } from './server.ts'
import type { LiveServer } from './server.ts'

const START_MS = Date.UTC(2026, 10, 22)

let fs: InMemoryFileSystem
let writer: WalWriter
let live: LiveServer
let port: number

beforeEach(async () => {
  fs = new InMemoryFileSystem()
  const options = { clock: new ManualClock(START_MS), random: new Random(1) }
  writer = await WalWriter.open(fs, { dataDir: '/data' }, 'orders', 0, options)
  for (let offset = 0; offset < 300; offset++) {
    const headers = [{ key: 'n', value: Buffer.from(String(offset)) }]
    await writer.append(
      Buffer.from(`key ${offset % 3}`),
      Buffer.from(`{"n":${offset}}`),
      headers,
      START_MS + 1000 * offset,
    )
  }
  live = liveServer({ fs: refusingToWrite(fs), config: { dataDir: '/data' }, archive: null })
  live.server.listen(0, '127.0.0.1')
  await once(live.server, 'listening')
  port = (live.server.address() as AddressInfo).port
})
afterEach(async () => {
  live.server.closeAllConnections()
  live.server.close()
  await writer.close()
})

/** Fails the test when something is written, also if the server would handle the error. */
function refusingToWrite(real: FileSystem): FileSystem {
  return new Proxy(real, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]): unknown => {
        const isReading =
          name === 'open' ? args[1] === 'read' : ['readdir', 'stat', 'space', 'watch'].includes(String(name))
        expect(isReading, `${String(name)} ${String(args)}`).toBe(true)
        return Reflect.apply(method, target, args)
      }
    },
  })
}

async function asked(
  path: string,
): Promise<{ status: number | undefined; headers: IncomingMessage['headers']; body: string }> {
  const [response] = (await once(get({ port, path }), 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

async function answer<T>(what: string): Promise<T> {
  const { status, body } = await asked(`${live.path}api/${what}`)
  expect([status, body]).toEqual([200, expect.anything()])
  return JSON.parse(body)
}

/** Text as the page gets it. */
function bytes(value: string): unknown {
  return { text: value, size: value.length }
}

async function offsets(question: string): Promise<number[]> {
  const { records } = await answer<RecordsData>(`records?log=orders/0&${question}`)
  return records.map(({ offset }) => offset)
}

describe('the server of the live page', () => {
  test('answers only under its token', async () => {
    for (const path of ['/', '/api/logs', '/wrong/', `/${'x'.repeat(live.path.length - 2)}/api/logs`]) {
      const { status, body } = await asked(path)
      expect([path, status]).toEqual([path, 403])
      expect(body).not.toContain('orders')
    }
    expect(live.path).toMatch(/^\/[\w-]{24}\/$/)
  })

  test('two servers have different tokens', () => {
    expect(liveServer({ fs, config: { dataDir: '/data' }, archive: null }).path).not.toBe(live.path)
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('answers no %s', async (method) => {
    const sent = request({ port, path: `${live.path}api/logs`, method }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    expect(response.statusCode).toBe(405)
  })

  test('the page is allowed to load only what is its own, and no other page may have it', async () => {
    for (const path of [live.path, `${live.path}api/logs`, '/wrong/']) {
      const { headers } = await asked(path)
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; .*frame-ancestors 'none'$/,
      )
      expect(headers).toMatchObject({
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      })
      expect(headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  test('lists the logs with their sizes', async () => {
    const { logs, place } = await answer<LogsData>('logs')
    expect(place).toBe('/data')
    expect(logs).toMatchObject([{ name: 'orders/0', records: 300, startOffset: 0, endOffset: 300, verified: null }])
  })

  test('records from an offset, from a time, and with a filter', async () => {
    expect(await offsets('from=7&count=3')).toEqual([7, 8, 9])
    expect(await offsets(`time=${START_MS + 20_500}&count=2`)).toEqual([21, 22])
    expect(await offsets('from=0&count=3&key=key%201')).toEqual([1, 4, 7])
    expect(await offsets(`from=0&count=9&contains=${encodeURIComponent('"n":29')}`)).toEqual([
      29, 290, 291, 292, 293, 294, 295, 296, 297,
    ])
    expect(await offsets('from=99999&count=3')).toEqual([])
    expect(await offsets('count=999999')).toHaveLength(300)
  })

  test('a record has its key, value, headers and time', async () => {
    const { records, nextOffset } = await answer<RecordsData>('records?log=orders/0&from=5&count=1')
    expect(nextOffset).toBe(6)
    expect(records).toEqual([
      {
        offset: 5,
        timestampMs: START_MS + 5000,
        key: bytes('key 2'),
        value: bytes('{"n":5}'),
        headers: [{ key: 'n', value: bytes('5') }],
      },
    ])
  })

  test('of a large value only the beginning is sent, whole characters, and more for one record', async () => {
    await writer.append(null, Buffer.from(`a${'ä'.repeat(5000)}`), [], START_MS)
    const [listed] = (await answer<RecordsData>('records?log=orders/0&from=300&count=1')).records
    expect(listed?.value).toEqual({ text: `a${'ä'.repeat(1023)}`, size: 10_001 })
    const [whole] = (await answer<RecordsData>('records?log=orders/0&from=300&count=1&whole=1')).records
    expect(whole?.value?.text).toHaveLength(5001)
  })

  test('bytes that are not UTF-8 are base64', async () => {
    await writer.append(Buffer.from([0xff, 0]), null, [], START_MS)
    const [record] = (await answer<RecordsData>('records?log=orders/0&from=300&count=1')).records
    expect(record).toMatchObject({ key: { base64: '/wA=', size: 2 }, value: null })
  })

  test('records before damage are answered, with what the damage is', async () => {
    await writer.close()
    const path = '/data/orders/0/00000000000000000000.wal'
    const file = await fs.open(path, 'read-write')
    await file.write([Buffer.from([0xff])], Math.floor((await file.size()) / 2))
    await file.close()
    const { records, problem } = await answer<RecordsData>('records?log=orders/0&count=300')
    expect(records.length).toBeGreaterThan(10)
    expect(records.length).toBeLessThan(290)
    expect(problem).toContain(path)
  })

  test('a question that waits is answered when a record comes', async () => {
    const waiting = answer<RecordsData>('records?log=orders/0&from=300&wait=20000')
    await writer.append(null, Buffer.from('new'), [], START_MS)
    expect((await waiting).records).toMatchObject([{ offset: 300, value: { text: 'new' } }])
  })

  test('the picture is the data of a report, and is remembered as a verification', async () => {
    const data = await answer<LogData>('picture?log=orders/0')
    expect(data).toMatchObject({ name: 'orders/0', records: 300, problems: { total: 0 } })
    const { logs } = await answer<LogsData>('logs')
    expect(logs).toMatchObject([{ verified: { problems: 0, torn: 0 } }])
  })

  test.each([
    ['records?log=../../etc/passwd', 400],
    ['records?log=..%2F0', 400],
    ['records?log=orders/0/1', 400],
    ['records?from=1', 400],
    ['records?log=orders/0&from=x', 400],
    ['records?log=orders/0&count=-1', 400],
    ['records?log=none/0', 500],
    ['nothing', 404],
    ['../package.json', 404],
  ])('%s is answered with %i', async (what, status) => {
    expect((await asked(`${live.path}api/${what}`)).status).toBe(status)
  })
})

test('the code of the server uses only functions of node:fs that read', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const used = readdirSync(folder)
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
    .flatMap((name) =>
      Array.from(
        readFileSync(`${folder}/${name}`, 'utf8').matchAll(/import (.*) from 'node:fs.*'/g),
        ([, names]) => names,
      ),
    )
  expect(used).toEqual(['{ readdir, readFile, readlink, realpath, stat }'])
})
