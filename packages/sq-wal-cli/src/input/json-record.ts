/** Makes a record from a JSON text: the text is the value; key, timestamp and headers are taken from its fields. */
import type { RecordHeader, RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'
import { fromUnit, InvalidTimeError, parseTime } from '../time.ts'
import type { TimeUnit } from '../time.ts'

export interface JsonFields {
  readonly keyField?: string
  /** The field that becomes the value, instead of the whole line. */
  readonly valueField?: string
  readonly timestampField?: string
  /**
   * The unit of a number. Without it, numbers are milliseconds, and a number that may have another unit is an error.
   */
  readonly timestampUnit?: TimeUnit
  readonly headerField?: readonly string[]
}

/**
 * The record of a line. A field that is missing or null gives no key and no header; a value field that is null gives no
 * value, and one that is missing is an error. A string is used as it is, any other value as JSON; a number that cannot
 * be read exactly is an error. Without a timestamp field, the timestamp is `nowMs`. Throws a `CommandError`.
 */
export function jsonRecord(line: Buffer, fields: JsonFields, nowMs: number): RecordInput {
  const parsed = parseJson(line)
  const { keyField, valueField, timestampField, timestampUnit, headerField = [] } = fields
  const key = keyField === undefined ? null : bytesOf(fieldOf(parsed, keyField), keyField)
  const timestampMs =
    timestampField === undefined ? nowMs : timeOf(fieldOf(parsed, timestampField), timestampField, timestampUnit)
  const headers = headerField.flatMap((field): RecordHeader[] => {
    const value = bytesOf(fieldOf(parsed, field), field)
    return value === null ? [] : [{ key: field, value }]
  })
  return { key, value: valueField === undefined ? line : valueOf(parsed, valueField), headers, timestampMs }
}

function valueOf(parsed: unknown, name: string): Buffer | null {
  const value = fieldOf(parsed, name)
  if (value === undefined) throw new CommandError(`field ${JSON.stringify(name)} is missing; null is no value`)
  return bytesOf(value, name)
}

/** Parses a line. Throws a `CommandError`. */
export function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line))
  } catch (error) {
    const isArray = line.toString('latin1', 0, 64).trimStart().startsWith('[')
    const advice = isArray ? "; if the input is one array, put each element on a line: jq -c '.[]'" : ''
    throw new CommandError(`not valid JSON: ${messageOf(error).replaceAll(/[^ -~]/g, '.')}${advice}`)
  }
}

/** A field by its name. If there is none and the name has dots, a field of a field: `user.id`. */
function fieldOf(parsed: unknown, name: string): unknown {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const fields = new Map<string, unknown>(Object.entries(parsed))
  if (fields.has(name)) return fields.get(name)
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const found = fieldOf(fields.get(name.slice(0, dot)), name.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

function bytesOf(value: unknown, name: string): Buffer | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return Buffer.from(value)
  const text = JSON.stringify(value, (_key, found: unknown) => {
    // Above this limit two different numbers can parse as one, and two keys would become one.
    if (typeof found !== 'number' || Math.abs(found) <= Number.MAX_SAFE_INTEGER) return found
    throw new CommandError(
      `field ${JSON.stringify(name)} has a number over 2^53 - 1, which is not read exactly; write it as a string`,
    )
  })
  return Buffer.from(text)
}

const UNIT_NAMES: Readonly<Record<TimeUnit, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
}

const DIGITS = /^\d{1,20}$/

/** Without a unit, milliseconds must be in this range: 1973 to 5138. Seconds and microseconds are outside of it. */
const [MIN_PLAIN_MS, MAX_PLAIN_MS] = [1e11, 1e14]

/** Parses a number in a unit since 1970, or an ISO 8601 time. */
function timeOf(value: unknown, name: string, unit: TimeUnit | undefined): number {
  const field = `field ${JSON.stringify(name)}`
  const found = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80)
  const count = countOf(value, unit)
  if (count !== null) {
    const isPlain = count >= MIN_PLAIN_MS && count < MAX_PLAIN_MS
    if (unit === undefined && !isPlain) {
      throw new CommandError(
        `${field} is ${found}, which may not be milliseconds; give the unit with --timestamp-unit s, ms, us or ns`,
      )
    }
    const timestampMs = fromUnit(count, unit ?? 'ms')
    if (timestampMs !== null) return timestampMs
  }
  try {
    const timestampMs = typeof value === 'string' ? parseTime(value) : null
    if (timestampMs !== null) return timestampMs
  } catch (error) {
    throw error instanceof InvalidTimeError ? new CommandError(`${field}: ${error.message}`) : error
  }
  const isBare = unit === undefined && typeof value === 'string' && DIGITS.test(value)
  const advice = isBare ? '; if it is a number in a string, give --timestamp-unit s, ms, us or ns' : ''
  const what = `a whole number of ${UNIT_NAMES[unit ?? 'ms']} since 1970 or an ISO 8601 time`
  throw new CommandError(`${field} is ${found}; expected ${what}${advice}`)
}

/** With a unit, the number can also be a string, as numbers too large for JSON are. */
function countOf(value: unknown, unit: TimeUnit | undefined): bigint | null {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  return typeof value === 'string' && unit !== undefined && DIGITS.test(value) ? BigInt(value) : null
}
