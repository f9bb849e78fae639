/** What the process that is killed is told, in its argument, and what it tells, one line of JSON each. */

export interface AppenderTask {
  readonly dataDir: string
  /** Its steps. */
  readonly planSeed: number
  /** The serial number of the first record it appends; the others follow. */
  readonly firstSerial: number
}

export type AppenderReport =
  | { readonly kind: 'opening' }
  | { readonly kind: 'opened'; readonly nextOffset: number }
  /** Every record below this one is acknowledged. */
  | { readonly kind: 'acknowledged'; readonly nextOffset: number }
  | { readonly kind: 'failed'; readonly message: string }
