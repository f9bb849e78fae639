/** Defects of `verify`. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const CHECKING_DEFECTS: readonly Defect[] = [
  {
    name: 'a report has no maximum number of problems',
    file: `${WAL}/checking/report.ts`,
    find: 'return this.all.length >= MAX_FINDINGS',
    replace: 'return this.all.length < 0',
  },
]
