/** Recycled files: a segment written over another one. */
import { encodeTrailer, TRAILER_BYTES } from '../wal/format/recycling-trailer.ts'

/** The bytes of a file that held `earlier`, and over whose beginning `now` was written. */
export function writtenOver(earlier: Uint8Array, now: Uint8Array): Buffer {
  const file = Buffer.from(earlier)
  file.set(now.subarray(0, file.length))
  return Buffer.concat([file, now.subarray(file.length)])
}

/** A file that a segment left, with a trailer over its last bytes. */
export function withTrailer(earlier: Uint8Array): Buffer {
  const file = Buffer.from(earlier)
  file.set(encodeTrailer(file.length - TRAILER_BYTES), file.length - TRAILER_BYTES)
  return file
}
