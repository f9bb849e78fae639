/** A server on loopback that speaks as much of the protocol of S3 as the store uses, and answers wrongly on demand. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { buffer as readBody } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { compareKeys } from '../../object-key.ts'

/** When all objects were stored. */
export const STORED_AT: Date = new Date('2026-01-02T03:04:05Z')

/** An operation of the protocol. */
export type FakeOperation = 'put' | 'get' | 'head' | 'delete' | 'list' | 'create' | 'part' | 'complete' | 'abort'

/** A request, with its body. */
export interface FakeRequest {
  readonly operation: FakeOperation
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Answers a request in the place of the server. `serve` lets the server do what was asked, and answer. */
export type FakeAnswer = (response: ServerResponse, request: FakeRequest, serve: () => void) => void

/** An error as the protocol sends it. */
export function refusal(status: number, code: string): FakeAnswer {
  return (response) => refuse(response, status, code)
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>refused by a test</Message></Error>`)
}

/** A page as a proxy sends it. */
export function page(status: number): FakeAnswer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
    response.end('<!DOCTYPE html><html><head><title>Gateway<br></head></html>')
  }
}

/** Ends the connection without an answer. */
export const reset: FakeAnswer = (response) => {
  response.socket?.resetAndDestroy()
}

/** Does what was asked, and then ends the connection without an answer. */
export const lost: FakeAnswer = (response, _, serve) => {
  const { socket } = response
  response.end = () => {
    socket?.resetAndDestroy()
    return response
  }
  serve()
}

/** Conditions that the server does not know, and other differences between stores. */
export interface FakeOptions {
  readonly pageKeys?: number
  readonly ignoresConditions?: boolean
  readonly ignoresConditionsOfCompletion?: boolean
  readonly ignoresRange?: boolean
}

export class FakeS3Server {
  readonly objects = new Map<string, Buffer>()
  readonly requests: FakeRequest[] = []
  readonly uploads = new Map<string, Map<number, Buffer>>()
  readonly #server: Server
  readonly #options: FakeOptions
  readonly #answers: { operation: FakeOperation; answer: FakeAnswer }[] = []
  #uploads = 0

  private constructor(options: FakeOptions) {
    this.#options = options
    this.#server = createServer((incoming, response) => void this.#receive(incoming, response))
  }

  static async start(options: FakeOptions = {}): Promise<FakeS3Server> {
    const fake = new FakeS3Server(options)
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    return fake
  }

  get endpoint(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the server is not listening')
    return `http://127.0.0.1:${address.port}`
  }

  /** The next requests of an operation get these answers, one each. */
  answer(operation: FakeOperation, ...answers: readonly FakeAnswer[]): void {
    for (const answer of answers) this.#answers.push({ operation, answer })
  }

  /** The number of requests of an operation. */
  count(operation: FakeOperation): number {
    return this.requests.filter((request) => request.operation === operation).length
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '', 'http://localhost')
    const key = decodeURIComponent(url.pathname).split('/').slice(2).join('/')
    const { headers } = incoming
    const query = url.searchParams
    const operation = operationOf(incoming.method ?? '', key, query)
    const request = { operation, key, query, headers, body: await readBody(incoming) }
    this.requests.push(request)
    const at = this.#answers.findIndex((answer) => answer.operation === operation)
    const [special] = at < 0 ? [] : this.#answers.splice(at, 1)
    const serve = (): void => this.#serve(request, response)
    if (special === undefined) serve()
    else special.answer(response, request, serve)
  }

  #serve(request: FakeRequest, response: ServerResponse): void {
    const { operation, key, body, headers } = request
    const object = this.objects.get(key)
    const isMissing = object === undefined && (operation === 'get' || operation === 'head')
    if (isMissing) return refuse(response, 404, 'NoSuchKey')
    if (operation === 'put') this.#create(request, response, body)
    else if (operation === 'get') this.#get(request, response, object ?? Buffer.alloc(0))
    else if (operation === 'head')
      response
        .setHeader('etag', '"e"')
        .setHeader('last-modified', STORED_AT.toUTCString())
        .setHeader('content-length', object?.length ?? 0)
        .end()
    else if (operation === 'list') send(response, this.#list(request.query))
    else if (operation === 'delete') {
      this.objects.delete(key)
      response.writeHead(204).end()
    } else if (operation === 'create') {
      const id = `upload-${this.#uploads++}`
      this.uploads.set(id, new Map())
      send(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    } else this.#multipart(request, response, headers)
  }

  #multipart(request: FakeRequest, response: ServerResponse, headers: FakeRequest['headers']): void {
    const { operation, query, body } = request
    const id = query.get('uploadId') ?? ''
    const parts = this.uploads.get(id)
    if (parts === undefined) return refuse(response, 404, 'NoSuchUpload')
    if (operation === 'part') {
      if (!hasSum(headers, body)) return refuse(response, 400, 'BadDigest')
      parts.set(Number(query.get('partNumber')), body)
      response.setHeader('etag', '"e"').end()
    } else if (operation === 'abort') {
      this.uploads.delete(id)
      response.writeHead(204).end()
    } else {
      const stated = Array.from(body.toString().matchAll(/<PartNumber>(\d+)/g), ([, number]) => Number(number))
      this.#create(request, response, Buffer.concat(stated.map((number) => parts.get(number) ?? Buffer.alloc(0))), id)
    }
  }

  #create(request: FakeRequest, response: ServerResponse, content: Buffer, upload?: string): void {
    const { ignoresConditions = false, ignoresConditionsOfCompletion = false } = this.#options
    const ignored = upload === undefined ? ignoresConditions : ignoresConditions || ignoresConditionsOfCompletion
    const isConditional = request.headers['if-none-match'] === '*' && !ignored
    if (!hasSum(request.headers, content)) return refuse(response, 400, 'BadDigest')
    if (isConditional && this.objects.has(request.key)) {
      return refuse(response, 412, 'PreconditionFailed')
    }
    this.objects.set(request.key, content)
    if (upload === undefined) return void response.setHeader('etag', '"e"').end()
    this.uploads.delete(upload)
    send(response, '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>')
  }

  #get(request: FakeRequest, response: ServerResponse, object: Buffer): void {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    response.setHeader('etag', '"e"')
    if (first === undefined || this.#options.ignoresRange === true) return void response.end(object)
    const start = Number(first)
    const end = Math.min(Number(last) + 1, object.length)
    if (start >= object.length) return refuse(response, 416, 'InvalidRange')
    response.setHeader('content-range', `bytes ${start}-${end - 1}/${object.length}`)
    response.setHeader('content-length', end - start)
    response.writeHead(206).end(object.subarray(start, end))
  }

  #list(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('start-after') ?? ''
    const delimiter = query.get('delimiter')
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && (after === '' || compareKeys(key, after) > 0))
      .map((key) => {
        const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
        return { key: end < 0 ? key : key.slice(0, end + 1), isCommon: end >= 0 }
      })
    const found = [...new Map(keys.map((entry) => [`${entry.key} ${entry.isCommon}`, entry])).values()].toSorted(
      (one, other) => compareKeys(one.key, other.key),
    )
    const { pageKeys = 1000 } = this.#options
    const isEncoded = query.get('encoding-type') === 'url'
    const contents = found.slice(0, pageKeys).map(({ key, isCommon }) => {
      const written = isEncoded ? encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/') : key
      if (isCommon) return `<CommonPrefixes><Prefix>${written}</Prefix></CommonPrefixes>`
      const modified = STORED_AT.toISOString()
      return `<Contents><Key>${written}</Key><LastModified>${modified}</LastModified><Size>${this.objects.get(key)?.length}</Size></Contents>`
    })
    const encoding = isEncoded ? '<EncodingType>url</EncodingType>' : ''
    const state = `${encoding}<IsTruncated>${found.length > pageKeys}</IsTruncated>`
    return `<ListBucketResult>${state}${contents.join('')}</ListBucketResult>`
  }
}

function send(response: ServerResponse, xml: string): void {
  response.setHeader('content-type', 'application/xml')
  response.end(`<?xml version="1.0"?>${xml}`)
}

function hasSum(headers: FakeRequest['headers'], content: Buffer): boolean {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(content))
  return headers['x-amz-checksum-crc32'] === sum.toString('base64')
}

function operationOf(method: string, key: string, query: URLSearchParams): FakeOperation {
  const isUpload = query.has('uploadId')
  if (method === 'PUT') return isUpload ? 'part' : 'put'
  if (method === 'POST') return isUpload ? 'complete' : 'create'
  if (method === 'DELETE') return isUpload ? 'abort' : 'delete'
  if (method === 'HEAD') return 'head'
  return key === '' ? 'list' : 'get'
}
