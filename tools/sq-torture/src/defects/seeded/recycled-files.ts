/** Defects of how recycled files are recognized and read, and what is told of the stale bytes in them. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const RECYCLED_FILES_DEFECTS: readonly Defect[] = [
  {
    name: 'stale bytes are reported as torn',
    file: `${WAL}/segments/rest.ts`,
    find: 'if (end === to && isTrailer(',
    replace: 'if (end !== to && isTrailer(',
  },
  {
    name: 'every file counts as recycled, so a last commit with a damaged header is not reported',
    file: `${WAL}/segments/rest.ts`,
    find: 'if (end === to && isTrailer(bytes.subarray(-TRAILER_BYTES), to - TRAILER_BYTES))',
    replace: 'if (isTrailer !== undefined && TRAILER_BYTES > 0)',
  },
  {
    name: 'in a recycled file nothing is reported as torn',
    file: `${WAL}/segments/rest.ts`,
    find: 'tornEnd = Math.max(tornEnd, Math.min(frameEnd(found), to))',
    replace: 'tornEnd = from',
  },
  {
    name: 'in a recycled file a torn commit ends with its first frame',
    file: `${WAL}/segments/rest.ts`,
    find: 'found = await search.first(found.position + FRAME_ALIGNMENT)',
    replace: 'found = null',
  },
  {
    name: 'in a recycled file a torn commit may end after the end of the file',
    file: `${WAL}/segments/rest.ts`,
    find: 'Math.min(frameEnd(found), to)',
    replace: 'frameEnd(found)',
  },
  {
    name: 'a trailer counts at any position and with any checksum',
    file: `${WAL}/format/recycling-trailer.ts`,
    find: 'bytes.equals(encodeTrailer(position))',
    replace: 'bytes.toString("latin1", 0, AT.position) === MAGIC && position > 0',
  },
  {
    name: 'stale bytes are shown as preallocated zeros',
    file: `${WAL}/dump.ts`,
    find: "isStale ? 'stale' : 'preallocated'",
    replace: "isStale ? 'preallocated' : 'preallocated'",
  },
  {
    name: 'recovery does not truncate stale bytes',
    file: `${WAL}/writing/recovery.ts`,
    find: 'if (found.fileBytes > found.place.position) {',
    replace: 'if (found.tornEnd > found.place.position) {',
  },
  {
    name: 'a reader in another process searches all stale bytes after each commit',
    file: `${WAL}/segments/later-frames.ts`,
    find: 'segment.head.frame.headerCrc === this.#salt ?',
    replace: 'segment.head.frame.headerCrc !== segment.head.frame.headerCrc ?',
  },
  {
    name: 'a reader in another process searches the same part of the stale bytes after each commit',
    file: `${WAL}/segments/later-frames.ts`,
    find: 'else this.#next = to === limit ? stop.position : to - FRAME_HEADER_BYTES',
    replace: 'else this.#next = stop.position',
  },
  {
    name: 'a reader in another process does not search where two parts of the stale bytes meet',
    file: `${WAL}/segments/later-frames.ts`,
    find: 'stop.position : to - FRAME_HEADER_BYTES',
    replace: 'stop.position : to',
  },
  {
    name: 'a reader in another process does not find damage again at its second look',
    file: `${WAL}/segments/later-frames.ts`,
    find: 'if (damage !== null) this.#next = from',
    replace: 'if (damage !== null) this.#next = to',
  },
]
