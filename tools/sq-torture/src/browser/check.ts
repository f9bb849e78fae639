/** A check of a page in a real browser. */
import type { Browser } from 'playwright-core'

/** What a check has: a browser, and what it visits. */
export interface Surroundings {
  readonly browser: Browser
  /** The working directory, with `data` and the reports. */
  readonly place: string
  /** The address of `sq-wal serve`. */
  readonly address: string
  /** Where pictures of the pages are written; null if they are not wanted. */
  readonly pictures: string | null
}

/** A fact in the present tense, and a function that rejects if it does not hold. */
export interface Check {
  readonly name: string
  readonly run: (surroundings: Surroundings) => Promise<void>
}
