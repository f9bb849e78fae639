/** Defects of readers. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const READING_DEFECTS: readonly Defect[] = [
  {
    name: 'a batch is returned with records that are deleted',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'isOpaque ? header.baseOffset : Math.max(header.baseOffset, this.#firstOffset)',
    replace: 'header.baseOffset',
  },
  {
    name: 'a reader may begin before the log start',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'wanted < this.#firstOffset ? undefined : segmentHolding(this.#listed, wanted)',
    replace: 'segmentHolding(this.#listed, wanted)',
  },
  {
    name: 'a log that ends before its log start is out of range',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'const end = Math.max(nextOffset, this.#firstOffset)',
    replace: 'const end = nextOffset',
  },
  {
    name: 'a reader that had read an ignored tail reports damage when it is truncated',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'damageFrom(start, { segment, opened, limit, bound })',
    replace: 'damageFrom(start, { segment, opened, limit, bound: this.nextOffset ?? bound })',
  },
  {
    name: "in the writer's process, a file that has become shorter is not damage",
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'damageFrom(start, { segment, opened, limit, bound })',
    replace: 'damageFrom(start, { segment: { ...segment, successor: null }, opened, limit, bound: Infinity })',
  },
  {
    name: 'an iteration ends one record too late',
    file: `${WAL}/reading/selection.ts`,
    find: 'Math.min(recordCount, to - baseOffset)',
    replace: 'Math.min(recordCount, to - baseOffset + 1)',
  },
  {
    name: 'a read returns one commit too many',
    file: `${WAL}/reading/selection.ts`,
    find: 'baseOffset >= this.#range.to',
    replace: 'baseOffset > this.#range.to',
  },
  {
    name: 'a fetch returns the record at the offset where it must end',
    file: `${WAL}/reading/fetches.ts`,
    find: '{ ...rangeFrom(from), to, maxBytes }',
    replace: '{ ...rangeFrom(from), to: to + 1, maxBytes }',
  },
  {
    name: "in the writer's process, the bounds begin at 0",
    file: `${WAL}/reading/fetches.ts`,
    find: 'return { firstOffset: known, leastEnd: highWatermark, isExact: true }',
    replace: 'return { firstOffset: 0, leastEnd: highWatermark, isExact: true }',
  },
  {
    name: 'the bounds of an empty log begin at 0',
    file: `${WAL}/reading/fetches.ts`,
    find: 'return { logStartOffset: BigInt(firstOffset), logEnd',
    replace: 'return { logStartOffset: BigInt(firstOffset === logEndOffset ? 0 : firstOffset), logEnd',
  },
  {
    name: 'in another process, the bounds of a truncated log end where it ended before',
    file: `${WAL}/reading/fetches.ts`,
    find: `      this.#knownEnd = 0
      return null`,
    replace: '      return from',
  },
  {
    name: 'a commit of more records than are decoded at a time loses the others',
    file: `${WAL}/reading/selection.ts`,
    find: 'if (commit.left === 0) this.#commit = null',
    replace: 'this.#commit = null',
  },
  {
    name: 'a reader that begins to wait loses what it has found and not taken',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'this.isInterrupted || this.#at < this.#found.length) return false',
    replace: 'this.isInterrupted) return false',
  },
  {
    name: 'a fetch loses what the one before it took and did not return',
    file: `${WAL}/reading/frame-stream.ts`,
    find: '      this.#at--\n',
    replace: '',
  },
  {
    name: 'a fetch returns what was truncated while it waited for more',
    file: `${WAL}/reading/fetches.ts`,
    find: 'if (error instanceof DivergedError || (known',
    replace: 'if ((known',
  },
  {
    name: 'a fetch goes on with what was read ahead before another writer was opened',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'if (this.#hasReadAhead && !isSameWriter) return false',
    replace: '',
  },
  {
    name: 'an iteration that does not follow the log takes later commits from memory',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'return end === recent.length ? recent : recent.slice(0, end)',
    replace: 'return recent',
  },
  {
    name: 'a read by time skips a record with exactly the requested timestamp',
    file: `${WAL}/reading/selection.ts`,
    find: '({ timestampMs }) => timestampMs >= sinceMs',
    replace: '({ timestampMs }) => timestampMs > sinceMs',
  },
  {
    name: 'a reader goes past the end that the successor states',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'new SegmentScanner(opened.handle, { ...start, limit }, wantedBytes)',
    replace: 'new SegmentScanner(opened.handle, { ...start, limit: await opened.handle.size() }, wantedBytes)',
  },
  {
    name: 'a reader does not notice a writer that is opened later',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'bound === Infinity ? shared.highWatermark : bound',
    replace: 'bound',
  },
  {
    name: 'a reader skips missing records in the middle',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      this.#suspect = error\n',
    replace: `      this.#suspect = null
      if (error !== null) this.#place.advanceInside(Math.min(reading.bound, segment.successor?.baseOffset ?? Infinity))
`,
  },
  {
    name: 'a reader continues after records that it returned were rolled back',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (head.baseOffset !== place.nextOffset) return false',
    replace: 'if (head.baseOffset !== place.nextOffset) return true',
  },
  {
    name: 'a reader accepts any segment that starts at its offset',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false',
    replace: 'if (before !== null) return true',
  },
  {
    name: 'a reader continues in a segment with an equal salt without comparing its last frame',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (last.end.position <= limit && (await isThere(last, segment, log))) return last.end',
    replace: 'if (last.end.position <= limit) return last.end',
  },
  {
    name: 'a reader accepts a successor of a segment with an equal salt without comparing its last frame',
    file: `${WAL}/reading/read-place.ts`,
    find: 'return segment === undefined || last === null || (await isThere(last, segment, log))',
    replace: 'return segment === undefined || (await log.headOf(segment)).frame.headerCrc === place.salt',
  },
  {
    name: 'a reader does not compare its records when a writer is opened in its process',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'return !this.#place.hasReturned || this.#comparedAfter === this.#context.shared.openings',
    replace: 'return true',
  },
  {
    name: 'a reader does not check whether its path leads to another directory',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      await this.#context.checkDirectory()\n      this.#place.enter(opened.head, start, this.#firstOffset)\n',
    replace: '      this.#place.enter(opened.head, start, this.#firstOffset)\n',
  },
  {
    name: 'a reader that moves to another directory does not compare its records',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'else if (cursor !== null) this.#cursor = cursor.movedTo(this.#cursorContext(moved))',
    replace: 'void moved\n    void cursor',
  },
  {
    name: 'an iteration that is woken leaves its listener on the abort signal',
    file: `${WAL}/shared/signal-ending.ts`,
    find: `if (this.#waiting.delete(waker) && this.#waiting.size === 0)
      this.#signal.removeEventListener('abort', this.#onAbort)`,
    replace: 'this.#waiting.delete(waker)',
  },
  {
    name: 'a waiting call of next skips the records that the call before it left',
    file: `${WAL}/reading/log-iterator.ts`,
    find: 'reading === null || this.#at < this.#page.length || reading.selection.isOver',
    replace: 'reading === null || reading.selection.isOver',
  },
  {
    name: 'an iteration that is garbage-collected leaves its file open',
    file: `${WAL}/reading/log-iterator.ts`,
    find: '    dropped.register(this, reading.stream, this)\n',
    replace: '',
  },
  {
    name: 'a frame that verifies and holds no records is skipped',
    file: `${WAL}/reading/selection.ts`,
    find: 'if (records === null) throw notRecords(this.#path, this.frame.header)',
    replace: 'if (records === null) {\n      this.left = 0\n      return []\n    }',
  },
  {
    name: 'a reader reports damage without a second look',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'const isSeenAgain = error !== null && this.#suspect?.from === error.from && this.#suspect.path === error.path',
    replace: 'const isSeenAgain = error !== null',
  },
  {
    name: 'durableOnly does not return the records before damage',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '        found = await this.#pass(reading, reading.confirmed?.takeAll() ?? [])\n',
    replace: '',
  },
  {
    name: 'durableOnly returns a commit that another one has replaced',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'damage?.isConfirmed === true && (error === null || isSeenAgain)',
    replace: 'damage?.isConfirmed === true',
  },
  {
    name: 'a reader takes the last segment of an old listing for the last one of the log',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '?.successor === null) this.#listed = []',
    replace: '?.successor?.baseOffset === -1) this.#listed = []',
  },
  {
    name: 'a reader takes replaced segments for damage',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      isAboutSegments,\n',
    replace: '',
  },
  {
    name: 'a reader that reaches the old end of an open file does not look for more',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'let isFromBefore = this.#reading !== null',
    replace: 'let isFromBefore = false',
  },
  {
    name: 'a reader continues with commits in memory without checking the chain',
    file: `${WAL}/reading/frame-stream.ts`,
    find: '|| !cursor.isFollowedBy(recent[0])',
    replace: '',
  },
  {
    name: 'a reader that has returned a part of a commit returns it again',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'if (!isRepeated) return located',
    replace: 'if (to > 0) return located',
  },
  {
    name: 'an exact batch has a record at the end of its range',
    file: `${WAL}/reading/selection.ts`,
    find: 'Math.min(to, nextOffset)',
    replace: 'Math.min(to + 1, nextOffset)',
  },
  {
    name: 'an exact iteration returns an opaque batch that ends after its range',
    file: `${WAL}/reading/selection.ts`,
    find: 'else if (exact && to < nextOffset) this.left = 0',
    replace: 'else if (exact && to < baseOffset) this.left = 0',
  },
  {
    name: 'reading passes an opaque batch without an error',
    file: `${WAL}/reading/selection.ts`,
    find: 'if (this.#latestMs < sinceMs) return []',
    replace: 'if (this.#latestMs >= 0) return []',
  },
  {
    name: 'an opaque batch on the way to a time is an error',
    file: `${WAL}/reading/selection.ts`,
    find: 'if (this.#latestMs < sinceMs) return []',
    replace: '',
  },
]
