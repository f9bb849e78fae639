/** Times on the command line. What some of them mean depends on --local, which may come after them. */
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { InvalidTimeError, parseRelativeTime, parseTime, parseUnixTime } from './time.ts'
import type { TimeZone } from './time.ts'
import { UsageError } from './usage-error.ts'

/** A time in one of the forms that can be written. */
export class WrittenTime {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  /** Null for a text of another form. Throws an `InvalidArgumentError` for a time that does not exist. */
  static parse(text: string): WrittenTime | null {
    try {
      const time = new WrittenTime(text)
      return time.#toMs({ zone: 'UTC', nowMs: Date.now() }) === null ? null : time
    } catch (error) {
      throw error instanceof InvalidTimeError ? new InvalidArgumentError(`${error.message}.`) : error
    }
  }

  /** Milliseconds since 1970. Throws a `UsageError` for a time that does not exist in this zone. */
  in(zone: TimeZone, nowMs: number): number {
    try {
      return this.#toMs({ zone, nowMs }) ?? NaN
    } catch (error) {
      throw error instanceof InvalidTimeError ? new UsageError(error.message) : error
    }
  }

  #toMs(when: { readonly zone: TimeZone; readonly nowMs: number }): number | null {
    return parseUnixTime(this.#text) ?? parseRelativeTime(this.#text, when) ?? parseTime(this.#text, when.zone)
  }
}

/** The option of every command that reads or prints times. */
export function addLocalOption(command: Command): Command {
  return command.option('--local', 'read and print times in the local time zone, or in the one that $TZ names')
}

/**
 * The zone that the options of a command select. Its times become `{ timestampMs }`. Throws a `UsageError` if the zone
 * is not known, or does not have a time.
 */
export function resolveTimes(command: Command): TimeZone {
  const options = command.opts<Record<string, unknown>>()
  const zone = options['local'] === true ? localZone() : 'UTC'
  const nowMs = Date.now()
  for (const [name, value] of Object.entries(options)) {
    if (value instanceof WrittenTime) command.setOptionValue(name, { timestampMs: value.in(zone, nowMs) })
  }
  return zone
}

/** Node takes UTC for a zone that it does not know. */
function localZone(): 'local' {
  const name = process.env['TZ']?.replace(/^:/, '') ?? ''
  if (name === '') return 'local'
  try {
    new Date(0).toLocaleString('en', { timeZone: name })
    return 'local'
  } catch {
    throw new UsageError(`$TZ is ${JSON.stringify(name)}, expected the name of a time zone, such as Europe/Berlin`)
  }
}
