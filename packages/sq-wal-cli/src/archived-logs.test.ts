/** Runs the commands that read logs on an archive, and compares them with the same commands on the local log. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanEnvironment } from './testing/clean-environment.ts'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const SECOND = 'orders/0/00000000000000000004.wal'

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  rmSync(join(place, 'data/audit'), { recursive: true })
  await done('append payments/1 -d data', 'a payment\n')
  for (const log of ['orders/0', 'payments/1']) await done(`archive push ${log} -d data --store store --end`)
})
afterAll(() => rmSync(place, { recursive: true }))

function run(line: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return command.run(line.split(' '), { place, env })
}

/** Runs a command that succeeds, and resolves with its output. */
async function done(line: string, input = ''): Promise<string> {
  const { status, stdout, stderr } = await command.run(line.split(' '), { place }, input)
  expect([status, stderr], line).toEqual([0, ''])
  return stdout
}

/** Copies the archive, and changes the copy. */
function copyStore(name: string, change: (path: string) => void): void {
  cpSync(join(place, 'store'), join(place, name), { recursive: true })
  change(join(place, name))
}

describe('what a command prints of an archive is what it prints of the local log', () => {
  it.each([
    'ls',
    'ls --json',
    'segments orders/0',
    'segments orders/0 --svg -',
    'cat orders/0',
    'cat orders/0 --durable-only --format hex',
    'cat orders/0 --from 2026-11-22T20:02Z --to @1795377900 --format json',
    'cat orders/0 --grep [25]$ --from 3 --count 1',
    'cat orders/0 --from 99',
    'tail orders/0',
    'tail orders/0 -n 3 --key nothing',
    'verify orders/0',
    'verify --all',
  ])('%s', async (line) => {
    const [local, archived] = [await run(`${line} -d data`), await run(`${line} --store store`)]
    const { stderr, ...rest } = archived
    expect({ ...rest, stderr: stderr.replace('the archive store: ', '') }).toEqual(local)
  })

  it.each(['segments orders/0 --json', 'verify orders/0 --json', 'verify --all --json'])(
    '%s, with paths in the archive',
    async (line) => {
      const local = await done(`${line} -d data`)
      expect(local).toContain('"data/orders/0')
      expect(await done(`${line} --store store`)).toBe(local.replaceAll('"data/', '"/'))
    },
  )

  it.each([SECOND, `/${SECOND}`])('dump %s', async (segment) => {
    expect(await done(`dump ${segment} --store store`)).toBe(await done(`dump data/${SECOND}`))
  })
})

it('an archive is read only where --store names it', async () => {
  await done('append orders/0 -d other', 'local\n')
  const { stdout } = await run('cat orders/0 -d other --format raw', { SQ_WAL_STORE: 'store' })
  expect(stdout).toBe('local\n')
  expect((await run('cat orders/0 --store store --count 1 --format raw', { SQ_WAL_DIR: 'other' })).stdout).toBe(
    'order 0\n',
  )
})

it.each([
  ['cat orders/0 --store store -d data', 'a data directory and --store are both given; use only one of them'],
  ['ls data --store store', 'a data directory and --store are both given; use only one of them'],
  ['cat data/orders/0 --store store', 'expected a log as TOPIC/PARTITION, such as orders/0; found "data/orders/0"'],
  ['ls --store http://store', 'expected an archive as a directory or s3://BUCKET/PREFIX; found "http://store"'],
  ['ls --store s3:/bucket/main', 'expected an archive as a directory or s3://BUCKET/PREFIX; found "s3:/bucket/main"'],
  ['ls --store s3://', '"s3://" does not name a bucket: s3://BUCKET or s3://BUCKET/PREFIX is expected'],
  ['verify --store store', "expected logs (TOPIC/PARTITION), patterns ('web/*'), or --all"],
  ['append orders/0 --store store', "unknown option '--store'"],
])('%s is refused', async (line, message) => {
  expect(await run(line)).toEqual({ status: 2, stdout: '', stderr: `sq-wal: ${message}\n` })
})

it('an empty name of an archive is refused', async () => {
  const { status, stderr } = await command.run(['ls', '--store', ''], { place })
  expect([status, stderr]).toEqual([
    2,
    'sq-wal: --store is an empty string; expected a directory or s3://BUCKET/PREFIX\n',
  ])
})

it.each([
  [
    'cat orders/0 --store missing',
    "cannot open the archive in missing: ENOENT: no such file or directory, lstat 'missing'",
  ],
  [
    'cat orders/9 --store store',
    'the archive store: there is no log in /orders/9 ("sq-wal ls --store store" lists its logs)',
  ],
  [
    'verify nope/0 --store store',
    'the archive store: there is no log in /nope/0 ("sq-wal ls --store store" lists its logs)',
  ],
  [
    'dump orders/0/1.wal --store store',
    "the archive store: cannot open /orders/0/1.wal: ENOENT: no such object, open '/orders/0/1.wal' " +
      '("sq-wal archive ls LOG --store store" lists the segments of a log)',
  ],
  ['verify --all --store empty', 'there is no log in empty'],
])('%s fails, and says what to do', async (line, message) => {
  mkdirSync(join(place, 'empty'), { recursive: true })
  const { status, stderr } = await run(line)
  expect([status, stderr]).toEqual([1, `sq-wal: ${message}\n`])
})

it('an archive without a log lists nothing, and says so', async () => {
  mkdirSync(join(place, 'empty'), { recursive: true })
  expect(await run('ls --store empty')).toEqual({ status: 0, stdout: '', stderr: 'sq-wal: there is no log in empty\n' })
})

describe('where a segment is missing', () => {
  beforeAll(() => copyStore('gap', (path) => unlinkSync(join(path, SECOND))))

  it('verify reports the offsets, and what to do', async () => {
    const { status, stdout } = await run('verify orders/0 --store gap')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^ +1  missing  00000000000000000008\.wal .* 4-7 /m)
    expect(stdout).toMatch(/\nPut missing and damaged segments back: from older versions in the store, or .*\n$/)
  })

  it('cat fails with the offsets, and ls still lists the other logs', async () => {
    const advice = '("sq-wal verify orders/0 --store gap" reports every problem of the log)\n'
    const { status, stderr } = await run('cat orders/0 --store gap')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^sq-wal: the archive gap: .*\(offsets 4 to 7\).*\n$/)])
    expect(stderr.endsWith(advice)).toBe(true)
    const listed = await run('ls --store gap')
    expect([listed.status, listed.stdout]).toEqual([1, expect.stringMatching(/^LOG .*\npayments\/1 .*\n$/)])
  })

  it('segments draws the segments that are left', async () => {
    const { status, stdout } = await run('segments orders/0 --store gap')
    expect([status, stdout]).toEqual([1, expect.stringContaining('1 problem: "sq-wal verify" reports them')])
  })
})

it('tail -f prints the records of segments that are archived meanwhile, and ends with status 0 on Ctrl-C', async () => {
  await done('append live/0 -d data', 'first\n')
  await done('archive push live/0 -d data --store store --end')
  const { child, ended } = command.start('tail -f live/0 --store store --format raw'.split(' '), { place })
  const seen: string[] = []
  for await (const line of createInterface(child.stdout)) {
    seen.push(line)
    if (line === 'first') {
      await done('append live/0 -d data', 'second\n')
      await done('archive push live/0 -d data --store store --end')
    } else child.kill('SIGINT')
  }
  expect(seen).toEqual(['first', 'second'])
  expect(await ended).toMatchObject({ status: 0, stderr: '' })
})

describe('an archived log of several megabytes', () => {
  beforeAll(async () => {
    const input = Array.from({ length: 100_000 }, (_, index) => `line ${index}\n`).join('')
    await done('append large/0 -d data', input)
    await done('archive push large/0 -d data --store store --end')
  })

  it.each(['cat large/0', 'tail large/0 -n 100000', 'dump --hex large/0/00000000000000000000.wal'])(
    '%s succeeds if its reader closes the pipe early',
    async (line) => {
      const script = `( "$0" "$1" ${line} --store store; echo "status $?" >&2 ) | head -n 1 | cut -c 1-9`
      const child = spawn('sh', ['-c', script, process.execPath, command.COMMAND], {
        cwd: place,
        env: cleanEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      expect([stdout.split('\n').length, stderr]).toEqual([2, 'status 0\n'])
    },
  )

  it('cat prints the whole log and nothing else', async () => {
    expect(await done('cat large/0 --store store --format raw')).toBe(await done('cat large/0 -d data --format raw'))
  })
})

it.each([
  [
    'a web page',
    { status: 200, type: 'text/html', body: '<html>Sign in</html>' },
    'the endpoint did not answer with a list of objects: check that it is an S3 endpoint',
  ],
  ['that there is no such bucket', { status: 404, code: 'NoSuchBucket' }, 'there is no bucket "backup": create it'],
  ['that the key is unknown', { status: 403, code: 'InvalidAccessKeyId' }, 'check the credentials'],
  ['that it refuses', { status: 403, code: 'AccessDenied' }, 'they have the right s3:ListBucket'],
])('a store that answers %s is an error', async (_, answer, message) => {
  await using endpoint = await answering(answer)
  const { status, stdout, stderr } = await run('cat orders/0 --store s3://backup/main', endpoint.env)
  expect([status, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^sq-wal: could not list "s3:\/\/backup\/main\/": .*\n$/)
  expect(stderr).toContain(message)
})

it('the demo looks for its archive before it appends', async () => {
  await using endpoint = await answering({ status: 404, code: 'NoSuchBucket' })
  const { status, stdout, stderr } = await run('demo --archive s3://backup/main', endpoint.env)
  expect([status, stdout]).toEqual([1, ''])
  expect(stderr).toContain('there is no bucket "backup": create it')
})

interface Answer {
  readonly status: number
  readonly type?: string
  readonly code?: string
  readonly body?: string
}

/** A server that answers every request in the same way, and the environment in which commands use it. */
async function answering(answer: Answer): Promise<AsyncDisposable & { readonly env: NodeJS.ProcessEnv }> {
  const { status, type = 'application/xml', code = '', body = `<Error><Code>${code}</Code></Error>` } = answer
  const server = createServer((_, response: ServerResponse) => {
    response.writeHead(status, { 'content-type': type }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    env: {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      // The SDK warns of the versions of Node that it will not support.
      NODE_NO_WARNINGS: '1',
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
