/** Defects of how segment files are listed, scanned, verified and retained. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const SEGMENTS_DEFECTS: readonly Defect[] = [
  {
    name: 'only the last byte distinguishes preallocated zeros from a torn tail',
    file: `${WAL}/segments/scan.ts`,
    find: 'while (end > 0 && bytes[end - 1] === 0) end--',
    replace: 'if (bytes[end - 1] === 0) end = 0',
  },
  {
    name: 'a reader ignores the log start',
    file: `${WAL}/segments/log-start.ts`,
    find: 'start ?? (names.includes(LOG_START_NAME) ? await readLogStart(fs, partition) : 0)',
    replace: 'start ?? 0',
  },
  {
    name: 'a reader of another process reads the rest of a log that is being reset',
    file: `${WAL}/segments/log-start.ts`,
    find: 'if (reset !== null) return listedLog([reset], 0)',
    replace: '',
  },
  {
    name: 'the checksum of a log start is not compared',
    file: `${WAL}/segments/log-start.ts`,
    find: 'if (found !== expected)',
    replace: 'if (false)',
  },
  {
    name: 'the log start of another log is used',
    file: `${WAL}/segments/log-start.ts`,
    find: "checksum(Buffer.from(`${topic}/${partition}`, 'latin1'))",
    replace: 'topic.length * partition * 0',
  },
  {
    name: 'a segment that begins at the log start is not part of the log',
    file: `${WAL}/segments/log-start.ts`,
    find: 'successor.baseOffset > start',
    replace: 'successor.baseOffset > start + 1',
  },
  {
    name: 'a segment that holds a retained record is deleted',
    file: `${WAL}/segments/retention.ts`,
    find: 'nextOffset <= belowOffset',
    replace: 'nextOffset <= belowOffset + 1n',
  },
  {
    name: 'a segment that holds an offset to keep is deleted',
    file: `${WAL}/segments/retention.ts`,
    find: 'segment.nextOffset > policy.keepFromOffset',
    replace: 'segment.nextOffset - 1n > policy.keepFromOffset',
  },
  {
    name: 'a truncation while segments are deleted is not seen',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: 'while (this.#plan?.cuts !== this.#cuts) {',
    replace: 'while (this.#plan === null) {',
  },
  {
    name: 'a deletion takes what is appended after a truncation for what it is to delete',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: '    this.#end = Math.min(this.#end, ended.lowestCutSince(this.#cuts))\n',
    replace: '',
  },
  {
    name: 'a deletion begins only after the turn of its call',
    file: `${WAL}/writer.ts`,
    find: `      const deletion = await this.#group.inTurn(begin)
      await before`,
    replace: `      await this.#group.inTurn(() => Promise.resolve())
      await before
      const deletion = await begin()`,
  },
  {
    name: 'what was decided about an active segment is used for the next one',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: 'known?.cuts === this.#cuts && known.active === this.#log.active()',
    replace: 'known !== null',
  },
  {
    name: 'a change of a name counts as durable if it began before a sync ended',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'this.#durableChanges = Math.max(this.#durableChanges, changes)',
    replace: 'this.#durableChanges = this.#changes',
  },
  {
    name: 'retention by age compares the smallest timestamp of a segment',
    file: `${WAL}/segments/retention.ts`,
    find: '{ state, nextOffset, maxTimestampMs }: SegmentInfo',
    replace: '{ state, nextOffset, minTimestampMs: maxTimestampMs }: SegmentInfo',
  },
  {
    name: 'retention by age trusts a clock that is far ahead of the log',
    file: `${WAL}/segments/wall-clock.ts`,
    find: 'if (laterMs - earlierMs > maxAgeMs + MAX_SILENCE_MS) return earlierMs',
    replace: 'if (false) return earlierMs',
  },
  {
    name: 'retention by age trusts a clock that jumps ahead while the log is open',
    file: `${WAL}/segments/wall-clock.ts`,
    find: 'nowMs - expectedMs <= MAX_LEAD_MS',
    replace: 'nowMs - expectedMs < Infinity',
  },
  {
    name: 'the body of a SEAL is used without a check of its checksum',
    file: `${WAL}/segments/summary.ts`,
    find: 'checksum(body) === seal.bodyCrc ?',
    replace: 'true ?',
  },
  {
    name: 'recovery treats the last commit as confirmed',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'this.#confirmedTo = Math.max(this.#confirmedTo, frame.header.durablePosition)',
    replace: 'this.#confirmedTo = Math.max(this.#confirmedTo, frameEnd(frame.header))',
  },
  {
    name: 'the chain of frames is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'header.previousCrc !== this.#previousCrc',
    replace: 'false',
  },
  {
    name: 'a frame may skip offsets',
    file: `${WAL}/segments/scan.ts`,
    find: 'if (header.baseOffset !== this.#nextOffset) {',
    replace: 'if (header.baseOffset < this.#nextOffset) {',
  },
  {
    name: 'the checksum of a body is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'bodyCrc !== header.bodyCrc',
    replace: 'false',
  },
  {
    name: 'the padding of a frame is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'bytes[at] !== 0',
    replace: 'false',
  },
  {
    name: 'a frame of an unknown type counts as torn',
    file: `${WAL}/segments/scan.ts`,
    find: 'throw new UnsupportedFormatError({ path: this.#handle.path, position: this.#position, found: unknown })',
    replace: 'return this.#stopAt(unknown)',
  },
  {
    name: 'frames may follow a SEAL',
    file: `${WAL}/segments/scan.ts`,
    find: 'if (this.#sealed)',
    replace: 'if (false)',
  },
  {
    name: 'a read allocates as much memory as the length in a header says',
    file: `${WAL}/segments/scan.ts`,
    find: 'Buffer.allocUnsafe(Math.min(length, this.#limit - position))',
    replace: 'Buffer.allocUnsafe(length)',
  },
  {
    name: 'the search for a confirming frame skips every second position',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'nextMarker(window, at + FRAME_ALIGNMENT)',
    replace: 'nextMarker(window, at + 2 * FRAME_ALIGNMENT)',
  },
  {
    name: 'the search for a confirming frame ends after the first chunk',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'this.#unread = start + roundUp(bytesRead - FRAME_HEADER_BYTES + 1)',
    replace: 'this.#unread = to',
  },
  {
    name: 'a frame that confirms only what is already intact counts as confirmation',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'durablePosition > (of ?? from))',
    replace: 'durablePosition >= (of ?? from))',
  },
  {
    name: 'each search for a confirming frame starts from the beginning',
    file: `${WAL}/segments/frame-search.ts`,
    find: '    const readBefore = this.#unread\n',
    replace: `    this.#unread = from
    this.#headers = []
    this.#passed = 0
    const readBefore = this.#unread
`,
  },
  {
    name: 'a search concludes from outdated bytes that there is no confirming frame',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'if (found !== null || readBefore <= from) return found',
    replace: 'return found',
  },
  {
    name: 'a segment may be larger than the largest position',
    file: `${WAL}/segments/segment-end.ts`,
    find: 'link === null && fileBytes > MAX_POSITION',
    replace: 'false',
  },
  {
    name: 'a long body is read into memory before its checksum is verified',
    file: `${WAL}/segments/scan.ts`,
    find: 'needed > LARGE_FRAME_BYTES) await',
    replace: 'needed < 0) await',
  },
  {
    name: 'adjacent unconfirmed commits are not merged',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'if (last?.memory === memory && last.end === start) last.end += length',
    replace: 'if (last?.memory === memory && last.end === start && length === 0) last.end += length',
  },
  {
    name: 'the last frame that a link names is not compared',
    file: `${WAL}/segments/segment-end.ts`,
    find: 'if (last === null || last.headerCrc !== link.lastCrc) throw',
    replace: 'if (last === null) throw',
  },
  {
    name: 'the last frame that a link names may be missing',
    file: `${WAL}/segments/segment-end.ts`,
    find: 'if (last === null || last.headerCrc !== link.lastCrc) throw',
    replace: 'if (last === null) return { limit: link.end, last: open }\n  if (last.headerCrc !== link.lastCrc) throw',
  },
  {
    name: 'a segment may be shorter than its successor states',
    file: `${WAL}/segments/segment-end.ts`,
    find: 'fileBytes < link.end',
    replace: 'false',
  },
  {
    name: 'a segment file may have the name of another segment',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'frame.baseOffset !== baseOffset',
    replace: 'false',
  },
  {
    name: 'a segment may be in the directory of another partition',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'if (open.topic !== partition.topic || segmentHeader.partition !== partition.partition) {',
    replace: 'if (open.topic !== partition.topic) {',
  },
  {
    name: 'the body of OPEN is not checked',
    file: `${WAL}/segment.ts`,
    find: 'checksum(body) === frame.bodyCrc ? decodeOpenBody(body) : null',
    replace: 'decodeOpenBody(body)',
  },
  {
    name: 'durableOnly returns the last commit, which is unconfirmed',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'frameEnd(header) > this.#confirmedTo',
    replace: 'header.position > this.#confirmedTo',
  },
  {
    name: 'a MARK counts as confirmation of everything before it',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'Math.max(this.#confirmedTo, header.durablePosition)',
    replace: 'Math.max(this.#confirmedTo, header.position)',
  },
  {
    name: 'a reader gives up after several segments were deleted, even if they are different ones',
    file: `${WAL}/segments/segment-listing.ts`,
    find: 'error.path === this.#path ? this.#inSuccession + 1 : 1',
    replace: 'this.#inSuccession + 1',
  },
  {
    name: 'a symbolic link in place of a topic or partition is followed',
    file: `${WAL}/segments/directory-links.ts`,
    find: `if (stat.kind === 'link') throw linkError(path)`,
    replace: '',
  },
]
