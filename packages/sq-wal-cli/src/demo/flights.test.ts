import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findFlights, parseFlight } from './flights.ts'

/** The package is installed in the workspace. */
const FLIGHTS = findFlights() ?? ''

const flightLines = readFileSync(FLIGHTS, 'utf8').trimEnd().split('\n').slice(1)

describe('a flight', () => {
  it('a flight has its route as key, its date as timestamp and all its fields as a JSON value', () => {
    const { key, value, timestampMs } = parseFlight('03312257,-29,303,MSY,HOU')
    expect(Buffer.from(key).toString()).toBe('MSY-HOU')
    expect(timestampMs).toBe(Date.UTC(2001, 2, 31, 22, 57))
    expect(Buffer.from(value).toString()).toBe(
      '{"date":"2001-03-31T22:57","delay":-29,"distance":303,"origin":"MSY","destination":"HOU"}',
    )
  })

  it.each(['', 'date,delay,distance,origin,destination', '03312257,29,303,MSY', '3312257,29,303,MSY,HOU'])(
    'the line %j is not a flight',
    (line) => expect(() => parseFlight(line)).toThrow('not a flight'),
  )
})

describe('the flights', () => {
  it('the flights are those of flights-200k.json in its order, but with delays over 180 minutes', () => {
    const json: { delay: number; distance: number; time: number }[] = JSON.parse(
      readFileSync(join(dirname(FLIGHTS), 'flights-200k.json'), 'utf8'),
    )
    const fromLines = flightLines.map((line) => {
      const { value, timestampMs } = parseFlight(line)
      const { delay, distance }: { delay: number; distance: number } = JSON.parse(Buffer.from(value).toString())
      const date = new Date(timestampMs)
      return { delay: Math.min(delay, 180), distance, time: date.getUTCHours() + date.getUTCMinutes() / 60 }
    })
    expect(json.length).toBe(231_083)
    // One comparison of strings: a matcher that walks 231,083 objects takes many seconds.
    expect(JSON.stringify(fromLines) === JSON.stringify(json)).toBe(true)
  })
})
