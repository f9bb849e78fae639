/** Generates flights as lines in the format of the real ones, if those are not installed. */
import { Random } from '@sq/sim'

/** The same number as the real flights. */
export const MADE_FLIGHTS = 231_083

const AIRPORTS = [
  'ATL',
  'BOS',
  'DEN',
  'DFW',
  'IAH',
  'JFK',
  'LAS',
  'LAX',
  'MCI',
  'MCO',
  'MDW',
  'MIA',
  'ORD',
  'PHX',
  'SEA',
  'SFO',
]
const START_MS = Date.UTC(2001, 0, 1)
const DURATION_MS = 90 * 24 * 3_600_000
const LINES_AT_ONCE = 1000

/** Lines for `parseFlight`, many at once, in the order of their times. Every call gives the same lines. */
export function* madeFlights(): Generator<Buffer[]> {
  const random = new Random(1)
  let lines: Buffer[] = []
  for (let flight = 0; flight < MADE_FLIGHTS; flight++) {
    lines.push(Buffer.from(lineOf(flight, random)))
    if (lines.length < LINES_AT_ONCE) continue
    yield lines
    lines = []
  }
  yield lines
}

function lineOf(flight: number, random: Random): string {
  const date = new Date(START_MS + Math.floor((DURATION_MS * flight) / MADE_FLIGHTS)).toISOString()
  const minutes = date.slice(5, 16).replaceAll(/\D/g, '')
  const origin = random.int(AIRPORTS.length)
  const destination = (origin + 1 + random.int(AIRPORTS.length - 1)) % AIRPORTS.length
  const distance = 150 + 97 * Math.abs(origin - destination)
  return `${minutes},${random.int(120) - 20},${distance},${AIRPORTS[origin]},${AIRPORTS[destination]}`
}
