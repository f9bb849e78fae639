/** The mutants that no test can detect, each with the reason. */
import type { Equivalent } from './judgement.ts'

export const EQUIVALENT: readonly Equivalent[] = [
  {
    file: 'writing/recovery.ts',
    original: 'stop.reason !== null',
    replacement: 'true',
    why: 'a scan stops without a reason only at the end of the file, and no later frame can stand there',
  },
  {
    file: 'writing/truncation.ts',
    original: 'segment === undefined',
    replacement: 'false',
    why: 'in segmentAt, a check for the compiler: every caller has an index into the list',
  },
  {
    file: 'writing/log-tail.ts',
    original: 'this.#truncatedFrom !== null',
    replacement: 'true',
    why: 'where no truncation is unfinished, a truncation at the log end offset does nothing',
  },
  {
    file: 'writing/log-tail.ts',
    original: 'this.#truncatedFrom === null',
    replacement: 'true',
    why: 'in #readyFor: as long as a truncation is unfinished there is no active segment',
  },
]
