/** The mutants that no test can notice, each with the reason. */
import type { Equivalent } from './judgement.ts'

export const EQUIVALENT: readonly Equivalent[] = []
