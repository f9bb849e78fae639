/** Times something, some rounds of it, and prints what came out, best and median. */
import { SystemClock } from '@sq/sim'

const clock = new SystemClock()
const ROUNDS = 5

/** Milliseconds that something takes. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = clock.monotonic()
  await work()
  return clock.monotonic() - began
}

/** Runs something again and again, and resolves with how long each round took, in milliseconds, shortest first. */
export async function rounds(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) times.push(await timeOf(work))
  return times.toSorted((one, other) => one - other)
}

export function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** `  read: 3.12 M records/s, 0.39 GB/s; best 3.30 M/s`: for rounds that each took a number of records and bytes. */
export function printRate(
  what: string,
  times: readonly number[],
  { records, bytes }: { records: number; bytes: number },
): void {
  const [best = Number.NaN, middle] = [times[0], median(times)]
  const gigabytes = (bytes / middle / 1e6).toFixed(2)
  print(`${what}: ${millions(records, middle)} M records/s, ${gigabytes} GB/s; best ${millions(records, best)} M/s`)
}

/** Millions a second. */
function millions(count: number, ms: number): string {
  return (count / ms / 1000).toFixed(2)
}

export function print(text: string): void {
  process.stdout.write(`  ${text}\n`)
}
