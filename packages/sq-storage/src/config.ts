/** What a log can be told, its defaults and limits; checked once, before anything is touched on disk. */
import { resolve } from 'node:path'
import { WalIoError } from './errors.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** How a partition's log is kept. Only `dataDir` must be given. */
export interface WalConfig {
  /**
   * The directory that holds `{topic}/{partition}/` for every partition. Made if missing. A relative path is resolved
   * when the log is opened: that the working directory changes later is of no matter.
   */
  readonly dataDir: string
  /**
   * The size past which a segment is not written: a commit that would go past it opens a new one. Only a record (or
   * batch) that is larger by itself makes a larger segment. The few KiB that end a segment are not counted.
   * Default 64 MiB: small enough to scan in well under a second after a crash, large enough that a segment's own
   * syncs do not show. 1 byte to 2 GiB.
   */
  readonly maxSegmentBytes?: number | undefined
  /**
   * The age from which on a segment that holds a record is not written any more, in milliseconds since its creation.
   * Opening a log takes the age from the wall clock (0 if the creation lies ahead of it); from then on the monotonic
   * clock counts. Checked when something is written: to have a quiet partition's segments closed in time, call
   * `closeActiveSegment` by a timer of your own. Default 24 hours: a partition that is written all the time has a
   * segment for each day, at least. 1 to 2^53 - 1, or Infinity.
   */
  readonly maxSegmentAgeMs?: number | undefined
  /**
   * The most a record may hold, in bytes: key, value, and for each header its name, its value and 8 more. Default
   * 16 MiB (or `maxBatchBytes`, if that is less): a message, not a file. 1 byte to 1 GiB.
   */
  readonly maxRecordBytes?: number | undefined
  /**
   * The most a batch of two records or more may take, in bytes: its records, and 24 more for each. Default 32 MiB (or
   * `maxRecordBytes`, if that is more). 1 byte to 1 GiB.
   */
  readonly maxBatchBytes?: number | undefined
  /**
   * The most that may wait to be durable, in bytes as encoded and with an allowance for each append; past it an
   * append rejects at once. What comes when nothing waits is always taken. Default 64 MiB. 1 byte to 4 GiB.
   */
  readonly maxPendingBytes?: number | undefined
  /**
   * How far a record's `timestampMs` may lie ahead of the wall clock when it is appended, in milliseconds. A record past
   * it is refused: a timestamp in the future keeps its segment, and all later ones, from expiring by `maxAgeMs` before
   * that time. A clock that is behind refuses good records, too. Default Infinity: timestamps are by the caller's
   * reckoning. 0 to 2^53 - 1, or Infinity.
   */
  readonly maxTimestampAheadMs?: number | undefined
}

export type ResolvedWalConfig = { readonly [Option in keyof WalConfig]-?: Exclude<WalConfig[Option], undefined> }

const OPTIONS: ReadonlySet<string> = new Set<keyof WalConfig>([
  'dataDir',
  'maxSegmentBytes',
  'maxSegmentAgeMs',
  'maxRecordBytes',
  'maxBatchBytes',
  'maxPendingBytes',
  'maxTimestampAheadMs',
])

/**
 * Fills in the defaults, and makes the path absolute. Throws a `TypeError` or `RangeError` that names the option, the
 * value and the limit, and a `WalIoError` where the path is relative and there is no working directory.
 */
export function resolveConfig(config: WalConfig): ResolvedWalConfig {
  if (typeof config !== 'object' || config === null)
    throw new TypeError(`config must be an object, not ${show(config)}`)
  const unknown = Object.keys(config).find((option) => !OPTIONS.has(option))
  if (unknown !== undefined) throw new TypeError(`config has no option ${show(unknown)}`)
  const { dataDir } = config
  if (typeof dataDir !== 'string') throw new TypeError(`dataDir must be a string, not ${show(dataDir)}`)
  if (dataDir === '' || dataDir.includes('\0')) {
    throw new RangeError(`dataDir must be a path, not empty and without NUL: ${show(dataDir)}`)
  }
  const maxSegmentBytes = size(config, 'maxSegmentBytes', 2 * GIB) ?? 64 * MIB
  const maxSegmentAgeMs = duration(config, 'maxSegmentAgeMs', 1) ?? 86_400_000
  const givenRecordBytes = size(config, 'maxRecordBytes', GIB)
  const maxBatchBytes = size(config, 'maxBatchBytes', GIB) ?? Math.max(32 * MIB, givenRecordBytes ?? 0)
  const maxRecordBytes = givenRecordBytes ?? Math.min(16 * MIB, maxBatchBytes)
  if (maxRecordBytes > maxBatchBytes) {
    throw new RangeError(`maxRecordBytes must not be more than maxBatchBytes (${maxBatchBytes}): ${maxRecordBytes}`)
  }
  const maxPendingBytes = size(config, 'maxPendingBytes', 4 * GIB) ?? 64 * MIB
  const maxTimestampAheadMs = duration(config, 'maxTimestampAheadMs', 0) ?? Infinity
  const bytes = { maxSegmentBytes, maxRecordBytes, maxBatchBytes, maxPendingBytes }
  return { dataDir: resolvePath(dataDir), ...bytes, maxSegmentAgeMs, maxTimestampAheadMs }
}

type NumberOption = Exclude<keyof WalConfig, 'dataDir'>

function size(config: WalConfig, option: NumberOption, limit: number): number | undefined {
  return whole(config, option, { from: 1, to: limit })
}

function duration(config: WalConfig, option: NumberOption, from: number): number | undefined {
  return config[option] === Infinity ? Infinity : whole(config, option, { from, to: Number.MAX_SAFE_INTEGER })
}

function whole(
  config: WalConfig,
  option: NumberOption,
  { from, to }: { from: number; to: number },
): number | undefined {
  const value: unknown = config[option]
  if (value === undefined) return undefined
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < from || value > to) {
    throw new RangeError(`${option} must be a whole number from ${from} to ${to}: ${value}`)
  }
  return value
}

/**
 * A path as it is from any working directory. That one is asked for only where the path is relative, for it may be gone.
 * Throws a `WalIoError` then.
 */
export function resolvePath(path: string): string {
  try {
    return resolve(path)
  } catch (error) {
    throw new WalIoError('find the working directory for', path, error)
  }
}

/** Throws a `TypeError` unless these are options, as an object, of known names. `what` begins the message. */
export function checkOptions(what: string, options: object, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of ${what} must be an object, not ${show(options)}`)
  }
  const unknown = Object.keys(options).find((option) => !known.has(option))
  if (unknown !== undefined) throw new TypeError(`${what} has no option ${show(unknown)}`)
}

/** An offset that a caller gives, as a plain number. Throws a `TypeError` or `RangeError` that names it. */
export function checkOffset(offset: bigint, name: string): number {
  if (typeof offset !== 'bigint') throw new TypeError(`${name} must be a bigint, not ${show(offset)}`)
  if (offset < 0n || offset > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`${name} must be an offset from 0 to 2^53 - 1: ${offset}`)
  }
  return Number(offset)
}

/** A value as an error message shows it: short, and on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 61)}...` : value)
  if (typeof value === 'object' && value !== null) return `an object (${classOf(value)})`
  if (typeof value === 'function') return 'a function'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}

/** To ask an object for its class may run its own code, and that may throw. */
function classOf(value: object): string {
  try {
    const { name } = value.constructor ?? {}
    return typeof name === 'string' && name !== '' ? name : 'no class'
  } catch {
    return 'of an unknown class'
  }
}
