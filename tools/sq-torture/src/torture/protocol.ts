/** The task of the killed process, in its argument, and its reports, one line of JSON each. */

export interface AppenderTask {
  readonly dataDir: string
  /** Its steps. */
  readonly planSeed: number
  /** The serial number of the first record that it appends. Later ones count up. */
  readonly firstSerial: number
}

export type AppenderReport =
  | { readonly kind: 'opening' }
  | { readonly kind: 'opened'; readonly nextOffset: number }
  /** Every record before this one is acknowledged. */
  | { readonly kind: 'acknowledged'; readonly nextOffset: number }
  | { readonly kind: 'failed'; readonly message: string }
