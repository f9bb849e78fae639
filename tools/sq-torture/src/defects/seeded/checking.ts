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
  {
    name: 'a header is restored only if the frame had no attributes',
    file: `${WAL}/checking/frame-restoration.ts`,
    find: '({ attributes }) => areAttributes(attributes)',
    replace: '({ attributes }) => attributes === 0',
  },
  {
    name: 'a header is restored only in the first two frames of a write',
    file: `${WAL}/checking/segment-check.ts`,
    find: 'previousDurablePosition: this.#lastFrame.durablePosition',
    replace: 'previousDurablePosition: this.#lastFrame.position',
  },
]
