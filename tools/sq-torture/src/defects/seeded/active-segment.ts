/** Defects of the segment that is written, and of its end. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const ACTIVE_SEGMENT_DEFECTS: readonly Defect[] = [
  {
    name: 'a commit is written and not synced',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'this.#handle.writeDurable(buffers, this.#place.position)',
    replace: 'this.#handle.write(buffers, this.#place.position)',
  },
  {
    name: 'the next offset moves before the write',
    file: `${WAL}/writing/log-tail.ts`,
    find: `    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })
    this.#nextOffset += commit.recordCount`,
    replace: `    this.#nextOffset += commit.recordCount
    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })`,
  },
  {
    name: 'records of a failed write are counted',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'if (zeros.length > 0 && isDiskFull(error))',
    replace: `for (const { header, ...times } of frames)
        this.summary.add({ offsetDelta: 0, position, recordCount: header.recordCount, ...times })
      if (zeros.length > 0 && isDiskFull(error))`,
  },
  {
    name: 'every commit preallocates, whatever its size',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'if (end <= this.#preallocatedEnd || bytes > MAX_SMALL_COMMIT_BYTES) return ZEROS.subarray(0, 0)',
    replace: '',
  },
  {
    name: 'preallocation exceeds the limit of the segment',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'Math.min(end + Math.min(position, MAX_PREALLOCATION_BYTES), preallocationLimit)',
    replace: 'end + Math.min(position, MAX_PREALLOCATION_BYTES)',
  },
  {
    name: 'preallocated zeros stay after the end of a segment',
    file: `${WAL}/writing/active-segment.ts`,
    find: '    await this.#cutPreallocation()\n',
    replace: '',
  },
  {
    name: 'a segment is not abandoned if its preallocated zeros cannot be truncated',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'await this.#orAbandon(() => this.#handle.truncate(this.#place.position))',
    replace: 'await this.#handle.truncate(this.#place.position).catch(() => {})',
  },
  {
    name: 'after a failed sync the same descriptor is used again',
    file: `${WAL}/writing/active-segment.ts`,
    find: '      this.#failure = asError(error)\n',
    replace: '      asError(error)\n',
  },
  {
    name: 'a new segment after a failed write does not state the end of the abandoned one',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'previous: holdsRecords ? old.link : this.#previous,',
    replace: 'previous: this.#previous,',
  },
  {
    name: 'a new segment after a failed write links to a segment that it replaces',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'previous: holdsRecords ? old.link : this.#previous,',
    replace: 'previous: old?.link ?? this.#previous,',
  },
  {
    name: 'an empty segment keeps its time of creation, however old it is',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'const MAX_EMPTY_AGE_MS = 24 * 60 * 60 * 1000',
    replace: 'const MAX_EMPTY_AGE_MS = Infinity',
  },
  {
    name: 'times in which the monotonic clock stops add up',
    file: `${WAL}/writing/log-tail.ts`,
    find: `        this.#expectedTime.follow()
        return {`,
    replace: '        return {',
  },
  {
    name: 'a new segment links to the segment before its predecessor',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#previous = ended.link\n',
    replace: '',
  },
  {
    name: 'a new segment is not synced',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'handle.writeDurable([bytes], 0)',
    replace: 'handle.write([bytes], 0)',
  },
  {
    name: 'the file of a failed rollover blocks the next one',
    file: `${WAL}/writing/active-segment.ts`,
    find: '    await directory.removeUnfinished()\n',
    replace: '',
  },
  {
    name: 'a full segment is left without a SEAL',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    await this.#seal(active, reason)\n',
    replace: '',
  },
  {
    name: 'an empty segment is rotated',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    if (active.summary.records === 0) return null\n',
    replace: '',
  },
  {
    name: 'the age of a segment is measured with the wall clock',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#context = context\n',
    replace: `    const now = () => context.clock.now()
    this.#context = { ...context, clock: { now, monotonic: now } }\n`,
  },
  {
    name: 'close leaves an abandoned segment without a successor',
    file: `${WAL}/writing/log-tail.ts`,
    find: '      if (this.#active?.abandoned === true) await this.#openSegment()\n',
    replace: '',
  },
  {
    name: 'close does not wait for queued work',
    file: `${WAL}/writer.ts`,
    find: 'this.#group.inTurn(() => this.#shutDown())',
    replace: 'this.#shutDown()',
  },
  {
    name: 'close writes no durability marker if an earlier one exists',
    file: `${WAL}/writing/active-segment.ts`,
    find: `nextOffset + commit.recordCount)
    this.#confirmed = false`,
    replace: 'nextOffset + commit.recordCount)',
  },
  {
    name: 'the descriptor of a replaced segment leaks',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    else await old?.close()\n',
    replace: '',
  },
  {
    name: 'an abandoned segment does not report the error of its failed write',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'this.#failure = asError(error)',
    replace: "this.#failure = new Error('broken')",
  },
]
