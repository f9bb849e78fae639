import { expect, test } from 'vitest'
import { parseFlight } from './flights.ts'
import { MADE_FLIGHTS, madeFlights } from './made-flights.ts'

test('made-up flights parse as flights, are in the order of their times, and are the same every time', () => {
  const lines = [...madeFlights()].flat().map(String)
  expect(lines).toHaveLength(MADE_FLIGHTS)
  const flights = lines.map(parseFlight)
  expect(flights.every(({ timestampMs }, at) => at === 0 || timestampMs >= (flights[at - 1]?.timestampMs ?? 0))).toBe(
    true,
  )
  expect(flights.every(({ key }) => !/^(.*)-\1$/.test(String(key)))).toBe(true)
  expect([...madeFlights()].flat().map(String).join() === lines.join()).toBe(true)
})
