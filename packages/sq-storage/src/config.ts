/** The options of a log: defaults and limits. They are checked once, before anything on disk is touched. */
import { resolve } from 'node:path'
import { WalIoError } from './errors.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Options of a partition's log. Only `dataDir` is required. */
export interface WalConfig {
  /**
   * The directory that holds `{topic}/{partition}/` for every partition. It is created if missing. A relative path is
   * resolved when the log is opened, so a later change of the working directory does not matter.
   */
  readonly dataDir: string
  /**
   * The size limit of a segment. A commit that would exceed it opens a new segment; only a single record or batch that
   * is larger than the limit makes a larger segment. The few KiB that end a segment are not counted.
   *
   * Default 64 MiB: a scan after a crash takes well under a second, and the extra syncs of a new segment do not show in
   * the throughput. From 1 byte to 2 GiB.
   */
  readonly maxSegmentBytes?: number | undefined
  /**
   * The age limit of a segment that holds a record, in milliseconds since its creation. An older segment is sealed, and
   * the next record goes into a new one. When a log is opened, the age is taken from the wall clock (0 if the creation
   * is in the future); after that it is measured with the monotonic clock.
   *
   * The age is checked when something is written. To have the segments of a quiet partition closed in time, call
   * `closeActiveSegment` from a timer of your own. Default 24 hours, so that a busy partition has at least one segment
   * per day. From 1 to 2^53 - 1, or Infinity.
   */
  readonly maxSegmentAgeMs?: number | undefined
  /**
   * The size limit of a record, in bytes: its key, its value, and for each header its key, its value and 8 more.
   * Default 16 MiB, or `maxBatchBytes` if that is less: a record is a message, not a file. From 1 byte to 1 GiB.
   */
  readonly maxRecordBytes?: number | undefined
  /**
   * The size limit of a batch of two or more records, in bytes: its records, and 24 more for each. Default 32 MiB, or
   * `maxRecordBytes` if that is more. From 1 byte to 1 GiB.
   */
  readonly maxBatchBytes?: number | undefined
  /**
   * The size up to which concurrent appends share a commit, in encoded bytes. Further ones make the next commit. A
   * single record or batch that is larger is a commit of its own. A smaller limit bounds what a fetch returns beyond
   * its `maxBytes`, and makes more writes of a burst. Default 8 MiB. From 1 byte to 1 GiB.
   */
  readonly maxCommitBytes?: number | undefined
  /**
   * The limit of the backlog: appends that wait to become durable, in encoded bytes plus an allowance for each append.
   * An append that would exceed it rejects immediately. An append is always accepted when the backlog is empty,
   * whatever its size. Default 64 MiB. From 1 byte to 4 GiB.
   */
  readonly maxPendingBytes?: number | undefined
  /**
   * How far the `timestampMs` of a record may lie ahead of the wall clock when it is appended, in milliseconds. A
   * record beyond it is refused, because a timestamp in the future keeps its segment, and all later ones, from expiring
   * by `maxAgeMs` until that time. If the clock is slow, the log also refuses good records. Default Infinity:
   * timestamps are not checked. From 0 to 2^53 - 1, or Infinity.
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
  'maxCommitBytes',
  'maxPendingBytes',
  'maxTimestampAheadMs',
])

/**
 * Fills in the defaults and makes the path absolute. Throws a `TypeError` or `RangeError` that names the option, the
 * value and the limit, and a `WalIoError` if the path is relative and the working directory no longer exists.
 */
export function resolveConfig(config: WalConfig): ResolvedWalConfig {
  if (typeof config !== 'object' || config === null)
    throw new TypeError(`config must be an object, not ${show(config)}`)
  const unknown = Object.keys(config).find((option) => !OPTIONS.has(option))
  if (unknown !== undefined) throw new TypeError(`config has no option ${show(unknown)}`)
  const { dataDir } = config
  if (typeof dataDir !== 'string') throw new TypeError(`dataDir must be a string, not ${show(dataDir)}`)
  if (dataDir === '' || dataDir.includes('\0')) {
    throw new RangeError(`dataDir must be a non-empty path without NUL characters: ${show(dataDir)}`)
  }
  const maxSegmentBytes = size(config, 'maxSegmentBytes', 2 * GIB) ?? 64 * MIB
  const maxSegmentAgeMs = duration(config, 'maxSegmentAgeMs', 1) ?? 86_400_000
  const givenRecordBytes = size(config, 'maxRecordBytes', GIB)
  const maxBatchBytes = size(config, 'maxBatchBytes', GIB) ?? Math.max(32 * MIB, givenRecordBytes ?? 0)
  const maxRecordBytes = givenRecordBytes ?? Math.min(16 * MIB, maxBatchBytes)
  if (maxRecordBytes > maxBatchBytes) {
    throw new RangeError(`maxRecordBytes must not be more than maxBatchBytes (${maxBatchBytes}): ${maxRecordBytes}`)
  }
  const maxCommitBytes = size(config, 'maxCommitBytes', GIB) ?? 8 * MIB
  const maxPendingBytes = size(config, 'maxPendingBytes', 4 * GIB) ?? 64 * MIB
  const maxTimestampAheadMs = duration(config, 'maxTimestampAheadMs', 0) ?? Infinity
  const bytes = { maxSegmentBytes, maxRecordBytes, maxBatchBytes, maxCommitBytes, maxPendingBytes }
  return { dataDir: resolvePath(dataDir), ...bytes, maxSegmentAgeMs, maxTimestampAheadMs }
}

/**
 * The config with other options. Throws as `resolveConfig`, and a `TypeError` for an option that cannot change while
 * the log is open.
 */
export function changedConfig(config: WalConfig, changes: Omit<WalConfig, 'dataDir'>): WalConfig {
  if (typeof changes !== 'object' || changes === null) {
    throw new TypeError(`the changes must be an object, not ${show(changes)}`)
  }
  if ('dataDir' in changes) throw new TypeError('dataDir cannot change while the log is open')
  return { ...config, ...changes }
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
  return value === undefined ? undefined : wholeOption(option, value, { from, to })
}

/** Checks a number from the caller. Throws a `TypeError` or `RangeError` that names it. */
export function wholeOption(option: string, value: unknown, { from, to }: { from: number; to: number }): number {
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < from || value > to) {
    throw new RangeError(`${option} must be a whole number from ${from} to ${to}: ${value}`)
  }
  return value
}

/**
 * Makes a path absolute. The working directory is read only for a relative path, because it may have been deleted: then
 * this throws a `WalIoError`.
 */
export function resolvePath(path: string): string {
  try {
    return resolve(path)
  } catch (error) {
    throw new WalIoError('find the working directory for', path, error)
  }
}

/** Throws a `TypeError` unless `options` is an object with known names only. `what` begins the message. */
export function checkOptions(what: string, options: object, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of ${what} must be an object, not ${show(options)}`)
  }
  const unknown = Object.keys(options).find((option) => !known.has(option))
  if (unknown !== undefined) throw new TypeError(`${what} has no option ${show(unknown)}`)
}

/** Converts an offset from the caller to a plain number. Throws a `TypeError` or `RangeError` that names it. */
export function checkOffset(offset: bigint, name: string): number {
  if (typeof offset !== 'bigint') throw new TypeError(`${name} must be a bigint, not ${show(offset)}`)
  if (offset < 0n || offset > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`${name} must be an offset from 0 to 2^53 - 1: ${offset}`)
  }
  return Number(offset)
}

/** A value as error messages show it: short and on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 61)}...` : value)
  if (typeof value === 'object' && value !== null) return `an object (${classOf(value)})`
  if (typeof value === 'function') return 'a function'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}

/** Reading an object's class may run the object's own code, which may throw. */
function classOf(value: object): string {
  try {
    const { name } = value.constructor ?? {}
    return typeof name === 'string' && name !== '' ? name : 'no class'
  } catch {
    return 'of an unknown class'
  }
}
