/** Compares the records that are read back from the log with the input, one by one. */
import type { LogRecord, RecordHeader, RecordInput } from '@sq/storage'
import { messageOf } from '../message-of.ts'

export interface Comparison {
  /** The number of records in the input. */
  readonly expected: number
  /** The number of records that are unchanged in the log, at their offset. */
  readonly intact: number
  /** One line for each of the first few differences. Empty if and only if every record is intact. */
  readonly differences: readonly string[]
}

const maxDifferences = 10

/**
 * Expects record `i` of the input at offset `i`. If reading the log fails, the records after that point count as not
 * intact. Rejects only if the input cannot be read.
 */
export async function compareRecords(
  input: AsyncIterable<RecordInput>,
  log: AsyncIterable<LogRecord>,
  onProgress: (compared: number) => void = () => {},
): Promise<Comparison> {
  const differences: string[] = []
  const differs = (what: string): void => {
    if (differences.length < maxDifferences) differences.push(what)
  }
  let isReadable = true
  const found = untilFailure(log, (error) => {
    isReadable = false
    differs(`reading the log failed: ${messageOf(error)}`)
  })
  const next = async (): Promise<LogRecord | undefined> => (await found.next()).value

  let expected = 0
  let intact = 0
  try {
    let actual = await next()
    for await (const record of input) {
      while (actual !== undefined && actual.offset < expected) {
        differs(`offset ${actual.offset} comes after offset ${expected - 1}`)
        actual = await next()
      }
      if (actual?.offset === BigInt(expected)) {
        const difference = findDifference(record, actual)
        if (difference === null) intact++
        else differs(`record ${expected}: ${difference}`)
        actual = await next()
      } else if (isReadable) {
        differs(`record ${expected} is missing`)
      }
      expected++
      onProgress(expected)
    }
    if (actual !== undefined) differs(`the log has more records than the input, from offset ${actual.offset} on`)
  } finally {
    await found.return(undefined)
  }
  return { expected, intact, differences }
}

/** Describes the first part of a record that differs. Null if the records are equal. */
function findDifference(expected: RecordInput, actual: LogRecord): string | null {
  const { key = null, headers = [] } = expected
  if (!sameBytes(key, actual.key)) return `key ${show(actual.key)} instead of ${show(key)}`
  if (!sameBytes(expected.value, actual.value)) return `value ${show(actual.value)} instead of ${show(expected.value)}`
  if (expected.timestampMs !== actual.timestampMs) {
    return `timestamp ${actual.timestampMs} instead of ${expected.timestampMs}`
  }
  return sameHeaders(headers, actual.headers) ? null : 'the headers differ'
}

function sameHeaders(expected: readonly RecordHeader[], actual: readonly RecordHeader[]): boolean {
  return (
    expected.length === actual.length &&
    expected.every(({ key, value }, i) => key === actual[i]?.key && sameBytes(value, actual[i].value))
  )
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}

function show(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null'
  const text = Buffer.from(bytes).toString()
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}

async function* untilFailure<T>(
  source: AsyncIterable<T>,
  onFailure: (error: unknown) => void,
): AsyncGenerator<T, undefined> {
  try {
    yield* source
  } catch (error) {
    onFailure(error)
  }
  return undefined
}
