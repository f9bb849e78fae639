/** What of a log is to be read, as the caller says it and as the reader uses it. */
import { checkOffset, show } from '../../config.ts'
import { isSignal } from './signal-ending.ts'

/** What of a log to read. An option that is not known is refused with a `TypeError`. */
export interface ReadOptions {
  /** The first offset to read; the log's first one if not given. The log's next offset is allowed. */
  readonly from?: bigint | undefined
  /**
   * Instead of `from`: begins with the first record whose timestamp is this or later, in milliseconds since 1970. Those
   * after it are read whatever their timestamps.
   */
  readonly fromTimestampMs?: number | undefined
  /** The offset to end before, should the log reach it. */
  readonly to?: bigint | undefined
  /** Ends after so many records. */
  readonly maxRecords?: number | undefined
  /** Ends before the record that would make it more bytes than this, as encoded; one record is read in any case. */
  readonly maxBytes?: number | undefined
  /** At the end of the log, waits for more instead of ending. Leave the loop, or use `signal`, to end it. */
  readonly follow?: boolean | undefined
  /**
   * Leaves out a commit as long as a power cut might take it back, for all that the reader knows. Beside the writer, in
   * its thread, there is none. Elsewhere the last commit is one, until the files prove that it is durable: by the
   * writer's next commit, by the end of the segment, or by `close`. With `follow` it comes then.
   */
  readonly durableOnly?: boolean | undefined
  /**
   * Ends the iteration, with the signal's reason as its error. Any number of iterations may share one signal: it has one
   * listener for all that wait at a time, and none for those that do not. It may be of another realm (jsdom, `vm`).
   */
  readonly signal?: AbortSignal | undefined
}

/** The same, checked, with numbers for offsets, and null or Infinity for numbers that are not given. */
export interface ReadRange {
  readonly from: number | null
  readonly fromTimestampMs: number | null
  readonly to: number
  readonly maxRecords: number
  readonly maxBytes: number
  readonly follow: boolean
  readonly durableOnly: boolean
  readonly signal: AbortSignal | null
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ReadOptions>([
  'from',
  'fromTimestampMs',
  'to',
  'maxRecords',
  'maxBytes',
  'follow',
  'durableOnly',
  'signal',
])

/** Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkReadOptions(options: ReadOptions): ReadRange {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of read must be an object, not ${show(options)}`)
  }
  const unknown = Object.keys(options).find((option) => !OPTIONS.has(option))
  if (unknown !== undefined) throw new TypeError(`read has no option ${show(unknown)}`)
  const { signal } = options
  if (signal !== undefined && !isSignal(signal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
  }
  const from = offset(options, 'from')
  const fromTimestampMs = count(options, 'fromTimestampMs', 0)
  if (from !== null && fromTimestampMs !== null) throw new TypeError('from and fromTimestampMs cannot both be given')
  return {
    from,
    fromTimestampMs,
    to: offset(options, 'to') ?? Infinity,
    maxRecords: count(options, 'maxRecords', 1) ?? Infinity,
    maxBytes: count(options, 'maxBytes', 1) ?? Infinity,
    follow: flag(options, 'follow'),
    durableOnly: flag(options, 'durableOnly'),
    signal: signal ?? null,
  }
}

function flag(options: ReadOptions, option: 'follow' | 'durableOnly'): boolean {
  const value: unknown = options[option]
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${option} must be true or false, not ${show(value)}`)
  }
  return value ?? false
}

function offset(options: ReadOptions, option: 'from' | 'to'): number | null {
  const value = options[option]
  return value === undefined ? null : checkOffset(value, option)
}

function count(
  options: ReadOptions,
  option: 'fromTimestampMs' | 'maxRecords' | 'maxBytes',
  least: number,
): number | null {
  const value: unknown = options[option]
  if (value === undefined || (value === Infinity && option !== 'fromTimestampMs')) return null
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${option} must be a whole number from ${least} to 2^53 - 1: ${value}`)
  }
  return value
}
