/** Defects of what a writer and readers of one process share. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const SHARED_DEFECTS: readonly Defect[] = [
  {
    name: 'a search by time may begin before the log start',
    file: `${WAL}/shared/time-index.ts`,
    find: 'Math.max(await new TimestampSearch(log, segments, timestampMs).run(), firstOffset)',
    replace: 'await new TimestampSearch(log, segments, timestampMs).run()',
  },
  {
    name: 'readers may read a commit before it is durable',
    file: `${WAL}/shared/shared-log.ts`,
    find: 'return this.#writer?.nextOffset ?? Infinity',
    replace: 'return (this.#writer?.nextOffset ?? Infinity) + 1',
  },
  {
    name: 'appends never resolve if their frame cannot be copied for tailing readers',
    file: `${WAL}/shared/recent-frames.ts`,
    find: `    try {
      this.#add(written.copy())
    } catch {
      this.clear()
    }`,
    replace: '    this.#add(written.copy())',
  },
  {
    name: 'a search by time skips a segment whose largest timestamp is exactly the requested one',
    file: `${WAL}/shared/time-index.ts`,
    find: 'maxTimestampMs < timestampMs) return null',
    replace: 'maxTimestampMs <= timestampMs) return null',
  },
  {
    name: 'a reader ignores the high watermark of the writer in its process',
    file: `${WAL}/shared/shared-log.ts`,
    find: 'return this.#writer?.nextOffset ?? Infinity',
    replace: 'return Infinity',
  },
  {
    name: 'an index is used after its frames are gone',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'if (this.#last !== null && !(await isThere(segment, this.#last))) {',
    replace: 'if (this.#last !== null && this.#place === null) {',
  },
  {
    name: 'a reader is not notified of a truncation',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.cuts.push(offset)\n',
    replace: '',
  },
  {
    name: 'the commits in memory survive a truncation',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.cuts.push(offset)\n    this.recent.clear()\n',
    replace: '    this.cuts.push(offset)\n',
  },
  {
    name: 'a reader trusts its index of a segment whose successor may be gone',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'if (isListedNow && end?.',
    replace: 'if (end?.',
  },
  {
    name: 'a search by time trusts its index of segments that are gone',
    file: `${WAL}/shared/time-index.ts`,
    find: "if (before !== undefined && !times.isAsKnown(before, opened.head)) return 'not as known'",
    replace: '',
  },
  {
    name: 'a reader shares an open file although another file has its name now',
    file: `${WAL}/shared/shared-files.ts`,
    find: 'return identity === stat.identity ? opened : null',
    replace: 'return stat.identity ? opened : null',
  },
  {
    name: 'a shared file is closed by the first reader that releases it',
    file: `${WAL}/shared/shared-files.ts`,
    find: 'if (--file.holders > 0) return',
    replace: 'file.holders--',
  },
  {
    name: 'a shared file stays open after its last reader has released it',
    file: `${WAL}/shared/shared-files.ts`,
    find: '    if (opened !== null) await opened.handle.close()\n',
    replace: '',
  },
  {
    name: 'a commit does not wake a tailing reader',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.#notifySoon()\n',
    replace: '',
  },
  {
    name: 'what was deleted is still read from memory',
    file: `${WAL}/shared/shared-log.ts`,
    find: '  deleted(): void {\n    this.recent.clear()\n',
    replace: '  deleted(): void {\n',
  },
  {
    name: 'a reader gets commits from memory with a gap',
    file: `${WAL}/shared/recent-frames.ts`,
    find: 'return first !== undefined && nextOffsetAfter(first.frame.header) > offset ? this.#frames.slice(at) : []',
    replace: 'return this.#frames.slice(Math.max(at, 0))',
  },
  {
    name: 'what thousands of idle logs keep in memory has no limit',
    file: `${WAL}/shared/recent-frames.ts`,
    find: 'if (this.#bytes <= MAX_ALL_RECENT_BYTES) break',
    replace: 'break',
  },
  {
    name: 'an index leads past the requested record',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'head.baseOffset + offsetDelta <= wanted &&',
    replace: 'head.baseOffset + offsetDelta <= wanted + 1 &&',
  },
  {
    name: 'a search by time examines all segments at the same time',
    file: `${WAL}/shared/time-index.ts`,
    find: 'Math.min(most, MAX_TOGETHER, ',
    replace: 'Math.min(most, ',
  },
  {
    name: 'a search by time starts one frame too late',
    file: `${WAL}/shared/time-index.ts`,
    find: 'indexed.maxTimestampMs < timestampMs &&',
    replace: 'indexed.maxTimestampMs <= timestampMs &&',
  },
]
