/** Makes a record from a line as `sq-wal cat --format json` writes it. */
import type { RecordHeader, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { parseJson } from './json-record.ts'

/** A record, and the offset that it had. */
export interface SqRecord extends RecordInput {
  readonly offset: bigint | null
}

const FIELDS: ReadonlySet<string> = new Set(['topic', 'partition', 'offset', 'timestampMs', 'key', 'value', 'headers'])

/** The record of a line. Topic and partition are left out. Throws a `CommandError` that names a bad field. */
export function sqRecord(line: Buffer): SqRecord {
  const fields = fieldsOf(parseJson(line), 'the line')
  const unknown = [...fields.keys()].find((name) => !FIELDS.has(name))
  if (unknown !== undefined) throw new CommandError(`unknown field ${JSON.stringify(unknown)}`)
  const { offset, timestampMs } = Object.fromEntries(fields)
  return {
    offset: offset === undefined ? null : BigInt(wholeOf(offset, 'offset')),
    timestampMs: wholeOf(timestampMs, 'timestampMs'),
    key: bytesOf(fields.get('key'), 'key'),
    value: bytesOf(fields.get('value'), 'value'),
    headers: headersOf(fields.get('headers')),
  }
}

function fieldsOf(value: unknown, what: string): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CommandError(`${what} is not a JSON object, as "sq-wal cat --format json" writes it`)
  }
  return new Map(Object.entries(value))
}

function wholeOf(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw badField(name, value, 'a whole number, 0 or more')
}

/** Null, a string, or `{"base64": "..."}`. */
function bytesOf(value: unknown, name: string): Buffer | null {
  if (value === null) return null
  if (typeof value === 'string' && !/\p{Cs}/u.test(value)) return Buffer.from(value)
  const text: unknown = typeof value === 'object' && value !== null && 'base64' in value ? value.base64 : undefined
  if (typeof text === 'string') {
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') === text) return bytes
  }
  throw badField(name, value, 'null, a string without lone surrogates, or {"base64": "..."}')
}

function headersOf(value: unknown): RecordHeader[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw badField('headers', value, 'a list')
  return value.map((header: unknown, at) => {
    const fields = fieldsOf(header, `header ${at + 1}`)
    const [key, content] = [fields.get('key'), bytesOf(fields.get('value'), `headers[${at}].value`)]
    if (typeof key !== 'string') throw badField(`headers[${at}].key`, key, 'a string')
    if (content === null) throw badField(`headers[${at}].value`, null, 'a string or {"base64": "..."}')
    return { key, value: content }
  })
}

function badField(name: string, value: unknown, expected: string): CommandError {
  const found = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)
  return new CommandError(`field ${JSON.stringify(name)} is ${found}; expected ${expected}`)
}
