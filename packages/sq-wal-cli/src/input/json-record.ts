/** Makes a record of a JSON text: the text is the value, and key, timestamp and headers are fields of it. */
import type { RecordHeader, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'
import { parseTime } from '../time.ts'

export interface JsonFields {
  readonly keyField?: string
  readonly timestampField?: string
  readonly headerField?: readonly string[]
}

/**
 * The record of a line. A field that is not there, or null, makes no key and no header; strings are taken as they are,
 * everything else as JSON, but for numbers that are not read exactly. Without a timestamp field the time is `nowMs`.
 * Throws a `CommandError`.
 */
export function jsonRecord(line: Buffer, fields: JsonFields, nowMs: number): RecordInput {
  const parsed = parse(line)
  const { keyField, timestampField, headerField = [] } = fields
  const key = keyField === undefined ? null : bytesOf(fieldOf(parsed, keyField), keyField)
  const timestampMs = timestampField === undefined ? nowMs : timeOf(fieldOf(parsed, timestampField), timestampField)
  const headers = headerField.flatMap((name): RecordHeader[] => {
    const value = bytesOf(fieldOf(parsed, name), name)
    return value === null ? [] : [{ name, value }]
  })
  return { key, value: line, headers, timestampMs }
}

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))
  } catch (error) {
    throw new CommandError(`it is not JSON: ${messageOf(error).replaceAll(/[^ -~]/g, '.')}`)
  }
}

function fieldOf(parsed: unknown, name: string): unknown {
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  return isObject ? new Map(Object.entries(parsed)).get(name) : undefined
}

function bytesOf(value: unknown, name: string): Buffer | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return Buffer.from(value)
  const text = JSON.stringify(value, (_key, found: unknown) => {
    // Above this, what was written may have been another number: two keys must not become one.
    if (typeof found !== 'number' || Math.abs(found) <= Number.MAX_SAFE_INTEGER) return found
    throw new CommandError(`field ${JSON.stringify(name)} holds a number over 2^53 - 1: write it as a string`)
  })
  return Buffer.from(text)
}

/** Milliseconds since 1970, or a time as ISO 8601 writes it. */
function timeOf(value: unknown, name: string): number {
  const timestampMs = typeof value === 'string' ? parseTime(value) : value
  if (typeof timestampMs === 'number' && Number.isSafeInteger(timestampMs) && timestampMs >= 0) return timestampMs
  const found = value === undefined ? 'it is not there' : `it is ${JSON.stringify(value).slice(0, 80)}`
  throw new CommandError(`field ${JSON.stringify(name)} must be milliseconds since 1970 or an ISO 8601 time; ${found}`)
}
