/** Compares what is read back from the log with the input it was written from, record for record. */
import type { LogRecord, RecordHeader, RecordInput } from '@sq/storage'
import { messageOf } from '../message-of.ts'

export interface Comparison {
  /** Records of the input. */
  readonly expected: number
  /** Those that the log holds unchanged, at their offset. */
  readonly intact: number
  /** What is wrong, a line for each of the first few cases; empty exactly when all is well. */
  readonly differences: readonly string[]
}

const maxDifferences = 10

/**
 * Record `i` of the input is expected at offset `i`. Where the log cannot be read on, what lies behind is not intact.
 * Rejects only if the input cannot be read.
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
    differs(`the log cannot be read on: ${messageOf(error)}`)
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
    if (actual !== undefined) differs(`the log goes on after the last record: offset ${actual.offset}`)
  } finally {
    await found.return(undefined)
  }
  return { expected, intact, differences }
}

/** The first part of a record that is not what was written, told in words; null if all are the same. */
function findDifference(expected: RecordInput, actual: RecordInput): string | null {
  if (!sameBytes(expected.key, actual.key)) return `key ${show(actual.key)} instead of ${show(expected.key)}`
  if (!sameBytes(expected.value, actual.value)) return `value ${show(actual.value)} instead of ${show(expected.value)}`
  if (expected.timestampMs !== actual.timestampMs) {
    return `timestamp ${actual.timestampMs} instead of ${expected.timestampMs}`
  }
  return sameHeaders(expected.headers, actual.headers) ? null : 'other headers'
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
