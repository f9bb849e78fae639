/** How much of a log was written when, in a bounded number of buckets: they get wider as more are needed. */

/** What has a timestamp in `[startMs, startMs + widthMs)`. */
interface TimeBucket {
  readonly startMs: number
  readonly records: number
  readonly bytes: number
}

/** Buckets of the same width in the order of time. One without records is left out, so that a pause costs nothing. */
export interface TimeLine {
  readonly widthMs: number
  readonly buckets: readonly TimeBucket[]
}

interface Sum {
  records: number
  bytes: number
}

export class TimeBuckets {
  readonly #limit: number
  #widthMs = 1
  #sums = new Map<number, Sum>()

  /** Of at most `limit` buckets, 2 or more. */
  constructor(limit: number) {
    this.#limit = limit
  }

  add(timestampMs: number, { records, bytes }: Readonly<Sum>): void {
    addTo(this.#sums, Math.floor(timestampMs / this.#widthMs), { records, bytes })
    // To half the limit, so that it takes as many additions again until the next time.
    if (this.#sums.size > this.#limit) while (this.#sums.size > this.#limit / 2) this.#widen()
  }

  timeLine(): TimeLine {
    const inOrder = [...this.#sums].toSorted(([left], [right]) => left - right)
    const buckets = inOrder.map(([at, sum]) => ({ startMs: at * this.#widthMs, ...sum }))
    return { widthMs: this.#widthMs, buckets }
  }

  #widen(): void {
    this.#widthMs *= 2
    const wider = new Map<number, Sum>()
    for (const [at, sum] of this.#sums) addTo(wider, Math.floor(at / 2), sum)
    this.#sums = wider
  }
}

function addTo(sums: Map<number, Sum>, at: number, { records, bytes }: Readonly<Sum>): void {
  const sum = sums.get(at)
  if (sum === undefined) sums.set(at, { records, bytes })
  else {
    sum.records += records
    sum.bytes += bytes
  }
}
