/** Makes a record of a JSON text: the text is the value, and key, timestamp and headers are fields of it. */
import type { RecordHeader, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'

export interface JsonFields {
  readonly keyField?: string
  readonly timestampField?: string
  readonly headerField?: readonly string[]
}

/**
 * The record of a line. A field that is not there, or null, makes no key and no header; strings are taken as they are,
 * everything else as JSON. Without a timestamp field the time is `nowMs`. Throws a `CommandError`.
 */
export function jsonRecord(line: Buffer, fields: JsonFields, nowMs: number): RecordInput {
  const parsed = parse(line)
  const { keyField, timestampField, headerField = [] } = fields
  const key = keyField === undefined ? null : bytesOf(fieldOf(parsed, keyField))
  const timestampMs = timestampField === undefined ? nowMs : timeOf(fieldOf(parsed, timestampField), timestampField)
  const headers = headerField.flatMap((name): RecordHeader[] => {
    const value = bytesOf(fieldOf(parsed, name))
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

function bytesOf(value: unknown): Buffer | null {
  if (value === undefined || value === null) return null
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}

/** Milliseconds since 1970, or a time as ISO 8601 writes it. */
function timeOf(value: unknown, name: string): number {
  const timestampMs = typeof value === 'string' ? Date.parse(value) : value
  if (typeof timestampMs === 'number' && Number.isSafeInteger(timestampMs) && timestampMs >= 0) return timestampMs
  const found = value === undefined ? 'it is not there' : `it is ${JSON.stringify(value).slice(0, 80)}`
  throw new CommandError(`field ${JSON.stringify(name)} must be milliseconds since 1970 or an ISO 8601 time; ${found}`)
}
