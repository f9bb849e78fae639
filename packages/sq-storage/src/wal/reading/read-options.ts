/** Which part of a log to read: the options of the caller, and the checked form that the reader uses. */
import { checkOffset, checkOptions, show } from '../../config.ts'
import { isSignal } from '../shared/signal.ts'

/** Which part of a log to read. An unknown option is refused with a `TypeError`. */
export interface ReadOptions {
  /** The first offset to read; the log start offset if not given. The log end offset is allowed. */
  readonly from?: bigint | undefined
  /**
   * Instead of `from`: begins with the first record whose timestamp is this or later, in milliseconds since 1970. The
   * records after it are read whatever their timestamps.
   */
  readonly fromTimestampMs?: number | undefined
  /** Ends before this offset, if the log reaches it. */
  readonly to?: bigint | undefined
  /** Ends after this number of records. */
  readonly maxRecords?: number | undefined
  /** Ends before the record that would make the sum of encoded bytes larger than this. One record is always read. */
  readonly maxBytes?: number | undefined
  /** At the end of the log, waits for more records instead of ending. Leave the loop or use `signal` to end it. */
  readonly follow?: boolean | undefined
  /**
   * Leaves out a commit while a power cut could still lose it, as far as the reader can know. In the writer's thread
   * there is no such commit. In another thread or process it is the last commit, until the files confirm that it is
   * durable: by the next commit of the writer, the end of the segment, or `close`. With `follow` the commit is returned
   * then.
   */
  readonly durableOnly?: boolean | undefined
  /**
   * Ends the iteration with the reason of the signal as its error. Any number of iterations can share a signal: all
   * that wait have one listener together, and those that do not wait have none. The signal may be of another realm
   * (jsdom, `vm`).
   */
  readonly signal?: AbortSignal | undefined
}

/** Which part of a log to read as batches. */
export interface ReadBatchesOptions extends ReadOptions {
  /**
   * Cuts the batches at `from`, `fromTimestampMs`, `to` and `maxRecords`, so that they hold no record outside. A cut
   * batch has the same metadata and a checksum of its own. An opaque batch cannot be cut: one that begins before `to`
   * and ends after it is left out, and the iteration ends; one that begins before `from`, or that is the first and
   * holds more than `maxRecords`, is returned whole.
   */
  readonly exact?: boolean | undefined
}

/** What to fetch, and how long to wait for it. An unknown option is refused with a `TypeError`. */
export interface FetchOptions {
  /** The first offset to fetch. The log end offset is allowed. */
  readonly from: bigint
  /**
   * Nothing at or after this offset is returned: the high watermark of a replicated log. A fetch that begins there or
   * later returns nothing, at once: a consumer may have read further than the high watermark of a new leader.
   */
  readonly to?: bigint | undefined
  /**
   * The most bytes of batches to return. One batch is always returned, whatever its size: with the `maxCommitBytes` of
   * the writer, that bounds what a fetch returns. Default 1 MiB. Infinity is allowed.
   */
  readonly maxBytes?: number | undefined
  /** The number of bytes of batches to wait for. Default 1. */
  readonly minBytes?: number | undefined
  /**
   * How long to wait for `minBytes`, in milliseconds, from 0 to 2^31 - 1, or Infinity. Default 0: returns what is
   * there.
   */
  readonly maxWaitMs?: number | undefined
  /** Ends the fetch, which then rejects with the reason of the signal. Any number of fetches can share a signal. */
  readonly signal?: AbortSignal | undefined
}

/** How long to wait for an offset. An unknown option is refused with a `TypeError`. */
export interface WaitOptions {
  /** The longest time to wait, in milliseconds, from 0 to 2^31 - 1, or Infinity. Default Infinity. */
  readonly maxWaitMs?: number | undefined
  /** Ends the waiting, which then rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined
}

/** The checked options of a fetch. */
export interface FetchRequest {
  readonly from: number
  readonly to: number
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
  readonly signal: AbortSignal | null
}

/** The checked options: offsets are numbers, and what is not given is null or Infinity. */
export interface ReadRange {
  readonly from: number | null
  readonly fromTimestampMs: number | null
  readonly to: number
  readonly maxRecords: number
  readonly maxBytes: number
  readonly follow: boolean
  readonly durableOnly: boolean
  readonly exact: boolean
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

const BATCH_OPTIONS: ReadonlySet<string> = new Set([...OPTIONS, 'exact' satisfies keyof ReadBatchesOptions])

/** Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkReadOptions(options: ReadBatchesOptions, of: 'read' | 'readBatches'): ReadRange {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of ${of} must be an object, not ${show(options)}`)
  }
  const known = of === 'read' ? OPTIONS : BATCH_OPTIONS
  const unknown = Object.keys(options).find((option) => !known.has(option))
  if (unknown !== undefined) throw new TypeError(`${of} has no option ${show(unknown)}`)
  const signal = signalOf(options)
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
    exact: flag(options, 'exact'),
    signal,
  }
}

const FETCH_OPTIONS: ReadonlySet<string> = new Set<keyof FetchOptions>([
  'from',
  'to',
  'maxBytes',
  'minBytes',
  'maxWaitMs',
  'signal',
])
const WAIT_OPTIONS: ReadonlySet<string> = new Set<keyof WaitOptions>(['maxWaitMs', 'signal'])
const DEFAULT_FETCH_BYTES = 1024 * 1024
/** The longest timer of a clock. */
const MAX_WAIT_MS = 2 ** 31 - 1

/** Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkFetchOptions(options: FetchOptions): FetchRequest {
  checkOptions('fetch', options, FETCH_OPTIONS)
  return {
    from: checkOffset(options.from, 'from'),
    to: offset(options, 'to') ?? Infinity,
    maxBytes: options.maxBytes === undefined ? DEFAULT_FETCH_BYTES : (count(options, 'maxBytes', 1) ?? Infinity),
    minBytes: options.minBytes === undefined ? 1 : (count(options, 'minBytes', 0) ?? Infinity),
    maxWaitMs: options.maxWaitMs === undefined ? 0 : (wait(options) ?? Infinity),
    signal: signalOf(options),
  }
}

/** Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkWaitOptions(options: WaitOptions): Pick<FetchRequest, 'maxWaitMs' | 'signal'> {
  checkOptions('waitFor', options, WAIT_OPTIONS)
  return { maxWaitMs: wait(options) ?? Infinity, signal: signalOf(options) }
}

function wait(options: WaitOptions): number | null {
  return count(options, 'maxWaitMs', 0, MAX_WAIT_MS)
}

function signalOf({ signal }: { readonly signal?: AbortSignal | undefined }): AbortSignal | null {
  if (signal !== undefined && !isSignal(signal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
  }
  return signal ?? null
}

function flag(options: ReadBatchesOptions, option: 'follow' | 'durableOnly' | 'exact'): boolean {
  const value: unknown = options[option]
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${option} must be true or false, not ${show(value)}`)
  }
  return value ?? false
}

function offset<Option extends 'from' | 'to'>(
  options: { readonly [Name in Option]?: bigint | undefined },
  option: Option,
): number | null {
  const value = options[option]
  return value === undefined ? null : checkOffset(value, option)
}

function count<Option extends 'fromTimestampMs' | 'maxRecords' | 'maxBytes' | 'minBytes' | 'maxWaitMs'>(
  options: { readonly [Name in Option]?: number | undefined },
  option: Option,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number | null {
  const value: unknown = options[option]
  if (value === undefined || (value === Infinity && option !== 'fromTimestampMs')) return null
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    const limit = most === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : most
    throw new RangeError(`${option} must be a whole number from ${least} to ${limit}: ${value}`)
  }
  return value
}
