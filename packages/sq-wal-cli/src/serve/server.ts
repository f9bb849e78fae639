/** The server of the live page. It answers only `GET`, only under a path with its token, and only reads. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { parseArchivedLog } from '../log-name.ts'
import type { LocatedLog, LogSource } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { asset } from '../report/html.ts'
import { Logs } from './logs.ts'
import { ReadOnlyFileSystem } from './read-only-file-system.ts'
import { Readers } from './readers.ts'
import { readRecords } from './records.ts'
import type { Question } from './records.ts'

const MAX_COUNT = 1000
const MAX_WAIT_MS = 20_000

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sq-wal</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
</head>
<body>
<noscript>This page is drawn by its script. Allow scripts to see it.</noscript>
<script src="live.js"></script>
</body>
</html>
`

/** The page may load its own files and answers, and nothing else. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** A request that cannot be answered, and the HTTP status that says so. */
class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface LiveServer {
  readonly server: Server
  /** The path of the page, which is secret. */
  readonly path: string
}

/** A server that is not listening yet. */
export function liveServer(source: LogSource): LiveServer {
  const token = randomBytes(18).toString('base64url')
  const site = new Site({ ...source, fs: new ReadOnlyFileSystem(source.fs) })
  const server = createServer((request, response) => {
    void respond(site, token, { request, response })
  })
  return { server, path: `/${token}/` }
}

async function respond(
  site: Site,
  token: string,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const { type, body } = await site.answer(resourceOf(request, token), gone.signal)
    response.writeHead(200, { ...HEADERS, 'content-type': `${type}; charset=utf-8` }).end(body)
  } catch (error) {
    if (gone.signal.aborted) return
    const status = error instanceof RequestError ? error.status : 500
    const body = JSON.stringify({ error: messageOf(error) })
    response.writeHead(status, { ...HEADERS, 'content-type': 'application/json; charset=utf-8' }).end(body)
  }
}

/** What is asked for, after the token. */
function resourceOf({ method, url = '' }: IncomingMessage, token: string): URL {
  const { pathname, search } = new URL(url, 'http://localhost')
  const [, given = '', ...rest] = pathname.split('/')
  if (!isSame(given, token)) throw new RequestError(403, 'the address lacks the token that sq-wal serve has printed')
  if (method !== 'GET') throw new RequestError(405, 'this server only reads: it answers only GET')
  return new URL(`/${rest.join('/')}${search}`, 'http://localhost')
}

/** In a time that tells nothing about the token. */
function isSame(given: string, token: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(token)]
  return left.length === right.length && timingSafeEqual(left, right)
}

interface Answer {
  readonly type: string
  readonly body: string
}

class Site {
  readonly #source: LogSource
  readonly #logs: Logs
  readonly #readers = new Readers()

  constructor(source: LogSource) {
    this.#source = source
    this.#logs = new Logs(source)
  }

  async answer({ pathname, searchParams }: URL, signal: AbortSignal): Promise<Answer> {
    switch (pathname) {
      case '/':
        return { type: 'text/html', body: PAGE }
      case '/live.js':
        return { type: 'text/javascript', body: await asset('live.js') }
      case '/page.css':
        return { type: 'text/css', body: await asset('page.css') }
      case '/api/logs':
        return json(await this.#logs.list())
      case '/api/records': {
        const question = questionOf(searchParams, signal)
        return json(await this.#readers.use(this.#log(searchParams), (reader) => readRecords(reader, question)))
      }
      case '/api/picture':
        return json(await this.#logs.picture(this.#log(searchParams)))
      default:
        throw new RequestError(404, 'there is no such page')
    }
  }

  #log(parameters: URLSearchParams): LocatedLog {
    const name = parameters.get('log') ?? ''
    try {
      return { ...this.#source, ...parseArchivedLog(name) }
    } catch (error) {
      throw new RequestError(400, messageOf(error))
    }
  }
}

function json(data: unknown): Answer {
  return { type: 'application/json', body: JSON.stringify(data) }
}

function questionOf(parameters: URLSearchParams, signal: AbortSignal): Question {
  const from = numberOf(parameters, 'from')
  return {
    from: from === null ? null : BigInt(from),
    fromTimestampMs: numberOf(parameters, 'time'),
    count: Math.min(numberOf(parameters, 'count') ?? 100, MAX_COUNT),
    key: parameters.get('key'),
    contains: parameters.get('contains'),
    maxWaitMs: Math.min(numberOf(parameters, 'wait') ?? 0, MAX_WAIT_MS),
    isWhole: parameters.has('whole'),
    signal,
  }
}

/** A whole number, 0 or more; null if it is not given. */
function numberOf(parameters: URLSearchParams, name: string): number | null {
  const text = parameters.get(name)
  if (text === null) return null
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new RequestError(400, `${name} is not a whole number`)
  return value
}
