/** Defects of encoding and decoding. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const FORMAT_DEFECTS: readonly Defect[] = [
  {
    name: 'a part of a record may change its length between its check and its copy',
    file: `${WAL}/format/record.ts`,
    find: '    if (bytesIn(part) !== bytes) return false\n',
    replace: '',
  },
  {
    name: 'the length of a byte array is read from a property that its owner can override',
    file: `${WAL}/format/given-bytes.ts`,
    find: 'return byteLength.call(array)',
    replace: 'return array.length',
  },
  {
    name: 'the padding of a frame is not zeroed',
    file: `${WAL}/format/records-frame.ts`,
    find: '    buffer.fill(0, bodyEnd, end)\n',
    replace: '',
  },
  {
    name: 'a commit confirms nothing before it',
    file: `${WAL}/format/records-frame.ts`,
    find: 'durablePosition: place.position,',
    replace: 'durablePosition: 0,',
  },
  {
    name: 'a frame confirms the frames before it in the same write',
    file: `${WAL}/format/records-frame.ts`,
    find: 'durablePosition: place.position,',
    replace: 'durablePosition: place.position + at,',
  },
  {
    name: 'both MARKs of a pair are in one sector',
    file: `${WAL}/format/seal.ts`,
    find: 'Math.ceil((place.position + FRAME_HEADER_BYTES) / MARK_BOUNDARY_BYTES) * MARK_BOUNDARY_BYTES',
    replace: 'place.position + FRAME_HEADER_BYTES',
  },
  {
    name: 'the first MARK of a pair confirms the log',
    file: `${WAL}/format/frame.ts`,
    find: 'header.durablePosition < header.position)',
    replace: 'header.durablePosition <= header.position)',
  },
  {
    name: 'the salt is left out of checksums',
    file: `${WAL}/format/frame.ts`,
    find: 'return crc32(bytes, seed)',
    replace: 'return crc32(bytes)',
  },
  {
    name: 'the checksum of a header is not checked',
    file: `${WAL}/format/frame.ts`,
    find: 'checksum(source.subarray(at, at + AT.headerCrc), salt) !== headerCrc',
    replace: 'false',
  },
  {
    name: 'the position in a header is not checked',
    file: `${WAL}/format/frame.ts`,
    find: ' || source.readUInt32LE(at + AT.position) !== position) return null',
    replace: ') return null',
  },
  {
    name: 'the index of a SEAL may have any number of entries',
    file: `${WAL}/format/seal.ts`,
    find: 'indexBytes > maxIndexBytes || ',
    replace: '',
  },
  {
    name: 'the length of a body has no limit',
    file: `${WAL}/format/frame.ts`,
    find: 'if (header.bodyLength > longest) {',
    replace: 'if (header.bodyLength < 0) {',
  },
  {
    name: 'a frame may end beyond the largest position',
    file: `${WAL}/format/frame.ts`,
    find: 'return end > MAX_POSITION ?',
    replace: 'return end < 0 ?',
  },
  {
    name: 'an unknown attribute is ignored',
    file: `${WAL}/format/frame.ts`,
    find: '(attributes & ~ALL_ATTRIBUTES) === 0 && ',
    replace: '',
  },
  {
    name: 'metadata may be longer than its body',
    file: `${WAL}/format/batch-body.ts`,
    find: ' || at > body.length) return null',
    replace: ') return null',
  },
  {
    name: 'the times of an opaque batch are not checked',
    file: `${WAL}/format/batch-body.ts`,
    find: '  if (minTimestampMs > maxTimestampMs || !Number.isSafeInteger(maxTimestampMs)) return null\n',
    replace: '',
  },
  {
    name: 'the times of an opaque batch are left out of the summary',
    file: `${WAL}/format/batch-body.ts`,
    find: 'if (content.records === null) return content.opaque',
    replace: 'if (content.records === null) return { minTimestampMs: 0, maxTimestampMs: 0 }',
  },
  {
    name: 'a part of a batch has other metadata',
    file: `${WAL}/format/batch-body.ts`,
    find: 'return Buffer.concat([lead, part])',
    replace: "return Buffer.concat([lead, part]).fill('x', 4, lead.length)",
  },
  {
    name: 'a missing value is read as an empty one',
    file: `${WAL}/format/record.ts`,
    find: 'value: hasValue ? body.subarray(keyEnd, valueEnd) : null,',
    replace: 'value: body.subarray(keyEnd, valueEnd),',
  },
  {
    name: 'a missing value is allowed in every frame',
    file: `${WAL}/format/record.ts`,
    find: 'return (attributes & Attribute.NULL_VALUES) !== 0',
    replace: 'return attributes >= 0',
  },
]
