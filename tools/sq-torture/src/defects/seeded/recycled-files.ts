/** Defects of how recycled files are recognized, and what is told of the stale bytes in them. */
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
]
