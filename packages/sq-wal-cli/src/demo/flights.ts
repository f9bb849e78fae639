/**
 * The flights of the vega-datasets package as records. Read from its `flights-3m.csv`: the same 231,083 flights as its
 * `flights-200k.json`, in the same order, with what the latter leaves out (date, origin, destination) or clips (delays
 * over 180 minutes).
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The path of the file of flights. Null if the package is not installed. */
export function findFlights(): string | null {
  try {
    return require.resolve('vega-datasets/data/flights-3m.csv')
  } catch {
    return null
  }
}

/** The date is MMDDhhmm of the year 2001, the delay in minutes, the distance in miles. */
const flightLine = /^(\d\d)(\d\d)(\d\d)(\d\d),(-?\d+),(\d+),([A-Z]{3}),([A-Z]{3})$/

export interface Flight {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly timestampMs: number
}

/** One line of the file as a flight: key `ORIGIN-DESTINATION`, value as JSON. Throws if the line is not a flight. */
export function parseFlight(line: string): Flight {
  const match = flightLine.exec(line)
  if (match === null) throw new Error(`not a flight: ${line}`)
  const [, month, day, hour, minute, delay, distance, origin, destination] = match
  const value = {
    date: `2001-${month}-${day}T${hour}:${minute}`,
    delay: Number(delay),
    distance: Number(distance),
    origin,
    destination,
  }
  return {
    key: Buffer.from(`${origin}-${destination}`),
    value: Buffer.from(JSON.stringify(value)),
    timestampMs: Date.UTC(2001, Number(month) - 1, Number(day), Number(hour), Number(minute)),
  }
}
