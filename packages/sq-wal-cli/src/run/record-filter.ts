/** Selects the records of one log, and says why none was selected. */
import { constants } from 'node:buffer'
import type { LogRecord } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'
import { counted, formatBytes } from '../output.ts'
import type { GivenTime } from '../place.ts'
import { UsageError } from '../usage-error.ts'

export interface FilterOptions {
  readonly since?: GivenTime
  readonly until?: GivenTime
  /** Records with any of these keys. */
  readonly key?: readonly string[]
  readonly grep?: string
}

const FILTERS = ['since', 'until', 'key', 'grep'] as const satisfies readonly (keyof FilterOptions)[]

export class RecordFilter {
  readonly #sinceMs: number
  readonly #untilMs: number
  readonly #keys: readonly Buffer[] | null
  readonly #pattern: RegExp | null
  /** The filters that are given. */
  readonly #names: readonly string[]
  #asked = 0
  #selected = 0

  constructor(options: FilterOptions) {
    const { since, until, key, grep } = options
    this.#sinceMs = since?.timestampMs ?? -Infinity
    this.#untilMs = until?.timestampMs ?? Infinity
    this.#keys = key?.map((each) => Buffer.from(each)) ?? null
    this.#pattern = grep === undefined ? null : compile(grep)
    this.#names = FILTERS.filter((name) => options[name] !== undefined)
  }

  /** Whether there is a filter, so that not every record is selected. */
  get isActive(): boolean {
    return this.#names.length > 0
  }

  /** The number of records selected. */
  get selected(): number {
    return this.#selected
  }

  /** Whether a record passes the filters. Throws a `CommandError` for a value too large for a regular expression. */
  selects(record: LogRecord): boolean {
    this.#asked++
    if (!this.#matches(record)) return false
    this.#selected++
    return true
  }

  #matches({ offset, timestampMs, key, value }: LogRecord): boolean {
    if (timestampMs < this.#sinceMs || timestampMs >= this.#untilMs) return false
    if (this.#keys !== null && (key === null || !this.#keys.some((each) => each.equals(key)))) return false
    return this.#pattern === null || (value !== null && this.#pattern.test(searchable(offset, value)))
  }

  /** Why no record was selected. Null if one was. */
  describeNone(): string | null {
    if (this.#selected > 0) return null
    if (this.#asked === 0) return 'no records in this range'
    const filters = this.#names.map((name) => `--${name}`)
    return `none of ${counted(this.#asked, 'record')} matches ${filters.join(' and ')}`
  }
}

/** The whole value as text. */
function searchable(offset: bigint, value: Uint8Array): string {
  if (value.length > constants.MAX_STRING_LENGTH) {
    const most = formatBytes(constants.MAX_STRING_LENGTH)
    throw new CommandError(
      `cannot apply --grep to the record at offset ${offset}: its value has ${formatBytes(value.length)}, more than ` +
        `${most}; skip it with --from ${offset + 1n}, or export it with --from ${offset} --count 1 --format raw`,
    )
  }
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw new UsageError(`--grep expects a regular expression: ${messageOf(error)}`)
  }
}
