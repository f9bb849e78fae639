/** What the two sides of a run of mutants send each other: Stryker's process, and the thread that runs the tests. */

/** The name of the channel between them. */
export const CHANNEL = 'sq-mutants'

/** How often each mutant was executed: while files were imported, and in each test. */
export interface MutantCoverage {
  readonly static: Readonly<Record<string, number>>
  readonly perTest: Readonly<Record<string, Readonly<Record<string, number>>>>
}

export type Order =
  | {
      /** The mutant to switch on, until a test fails; null runs all tests without one. */
      readonly mutant: string | null
      /** A mutant that is executed more often hangs. */
      readonly hitLimit: number | undefined
      /** The tests to run, with their times without a mutant; null for all. */
      readonly tests: readonly { readonly id: string; readonly durationMs: number }[] | null
    }
  | 'end'

export interface TestRun {
  readonly id: string
  /** The message of the error with which it failed; null if it passed. */
  readonly error: string | null
  readonly durationMs: number
}

export interface Answer {
  /** In the first answer: what failed while files were imported; null if nothing did. */
  readonly importError?: string | null
  readonly runs?: readonly TestRun[]
  readonly coverage?: MutantCoverage | undefined
  /** Whether the mutant was executed more often than its limit. */
  readonly limitReached?: boolean
  /** With what the test that detected the mutant failed when it ran again without it; null if it passed. */
  readonly errorWithout?: string | null
}
