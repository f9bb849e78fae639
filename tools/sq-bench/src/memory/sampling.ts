/** Samples the memory of this process, and fits a line through the samples. */
import { SystemClock } from '@sq/sim'

export const KINDS = ['rss', 'heapUsed', 'external', 'arrayBuffers'] as const

/** The bytes of each kind, from `process.memoryUsage`, and the time since the first sample. */
export interface Sample extends Readonly<Record<(typeof KINDS)[number], number>> {
  readonly minutes: number
}

/** Takes a sample every `intervalMs` until the work has ended. */
export async function sampling(intervalMs: number, work: () => Promise<unknown>): Promise<Sample[]> {
  const clock = new SystemClock()
  const beganMs = clock.monotonic()
  const samples: Sample[] = []
  const timer = setInterval(() => {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
    samples.push({ minutes: (clock.monotonic() - beganMs) / 60_000, rss, heapUsed, external, arrayBuffers })
  }, intervalMs)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return samples
}

/** The slope of the line that fits the samples best, in bytes per minute. */
export function growthPerMinute(samples: readonly Sample[], kind: (typeof KINDS)[number]): number {
  const middle = {
    minutes: mean(samples.map(({ minutes }) => minutes)),
    bytes: mean(samples.map((sample) => sample[kind])),
  }
  let [along, across] = [0, 0]
  for (const sample of samples) {
    along += (sample.minutes - middle.minutes) * (sample[kind] - middle.bytes)
    across += (sample.minutes - middle.minutes) ** 2
  }
  return along / across
}

function mean(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length
}
