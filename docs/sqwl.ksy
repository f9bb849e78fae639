meta:
  id: sqwl
  title: Segment of a write-ahead log (SQWL), version 1
  file-extension: wal
  license: Apache-2.0
  ks-version: '0.11'
  endian: le
doc: |
  The layout of one segment file, as docs/wal-format.md specifies it. It names every byte, but cannot tell which bytes
  are valid, since a grammar computes no checksums and sees only one file. Where a segment ends follows from its
  checksums, or is stated by the next segment. Bytes after that end are ignored, even if they are a whole frame. So:

  - To parse only the valid part of a segment, cut the file at that end first. Then `frames` are its frames, and `rest`
    is empty.
  - If the file was not cut, `frames` ends at the first frame that does not follow the one before it, as far as that can
    be checked without checksums: marker, position, previousCrc, offset, and whether the frame is complete. All later
    bytes are `rest`. Then a frame in `frames` may be invalid: its commit may have failed, or its body may be damaged or
    only half written. The parser fails if it cannot parse the body.
doc-ref: docs/wal-format.md
seq:
  - id: header
    type: segment_header
  - id: frames
    type: frame
    repeat: until
    repeat-until: _.is_last
    doc: The first is OPEN.
  - id: rest
    size-eos: true
    doc: Bytes after the last frame.
enums:
  frame_type:
    1: open
    2: records
    3: mark
    4: seal
types:
  log_start:
    doc: The whole file log-start, 20 bytes, which is no segment.
    seq:
      - id: magic
        contents: SQLS
      - id: version
        type: u2
        valid: 1
      - id: zeros
        size: 2
      - id: offset
        type: u8
        doc: All records before this offset are deleted.
      - id: checksum
        type: u4
        doc: Of the bytes before, seeded with that of the topic, a slash and the partition.
  recycling_trailer:
    doc: The last 16 bytes of a recycled file. Bytes between the last frame and it are those of an earlier segment.
    seq:
      - id: magic
        contents: ["SQSTALE", 0x0a]
      - id: position
        type: u4
        doc: Where the trailer begins in the file.
      - id: checksum
        type: u4
        doc: Of the bytes before.
  segment_header:
    doc: 32 bytes.
    seq:
      - id: magic
        contents: SQWL
      - id: version
        type: u2
        valid: 1
      - id: len_topic
        type: u2
        doc: Length of the whole topic. OPEN has all of it.
      - id: topic_start
        size: 20
        doc: The first 20 bytes of the topic; a shorter topic is padded with zeros.
      - id: partition
        type: u4
  frame_header:
    doc: 40 bytes. It checks nothing itself, because the frame before also parses it, to see whether a frame follows.
    seq:
      - id: marker
        size: 2
      - id: type
        type: u1
        enum: frame_type
      - id: attributes
        type: u1
        doc: In RECORDS a sum of 1 (metadata), 2 (an opaque batch) and 4 (values may be missing). 0 in the other types.
      - id: len_body
        type: u4
        doc: Without the padding. At most 2^30 + 24 in RECORDS, and 2^20 + 8 in the other types.
      - id: base_offset
        type: u8
        doc: Offset of the first record; in a frame without records, offset of the next record.
      - id: record_count
        type: u4
      - id: position
        type: u4
        doc: Where this frame begins in the file.
      - id: durable_position
        type: u4
        doc: Everything before this position was durable when the frame was built.
      - id: previous_crc
        type: u4
        doc: header_crc of the frame before; in OPEN the CRC-32 of the segment header.
      - id: body_crc
        type: u4
        doc: CRC-32 of the body, without the padding.
      - id: header_crc
        type: u4
        doc: CRC-32 of the 36 bytes before it, seeded with the salt of the segment.
    instances:
      has_metadata:
        value: (attributes & 1) != 0
      is_opaque:
        value: (attributes & 2) != 0
      may_lack_values:
        value: (attributes & 4) != 0
      is_marked:
        value: marker == [0x46, 0x52]
        doc: FR.
      next_offset:
        value: base_offset + record_count
      len_padding:
        value: (8 - len_body % 8) % 8
      end:
        value: position + 40 + len_body + len_padding
  frame:
    seq:
      - id: header
        type: frame_header
        valid:
          expr: _.is_marked
      - id: body
        size: header.len_body
        type:
          switch-on: header.type
          cases:
            frame_type::open: open_body
            frame_type::records: records_body
            frame_type::seal: seal_body
        doc: Not parsed in a MARK, where it is zeros, and in a type that version 1 does not know.
      - id: padding
        size: header.len_padding
        doc: Zeros.
    instances:
      next_header:
        io: _root._io
        pos: header.end
        type: frame_header
        if: header.type != frame_type::seal and header.end + 40 <= _root._io.size
        doc: The 40 bytes where the next frame's header must be; they may be something else. Nothing follows a SEAL.
      is_last:
        value: |
          header.type == frame_type::seal or header.end + 40 > _root._io.size
          or not next_header.is_marked
          or next_header.position != header.end
          or next_header.previous_crc != header.header_crc
          or next_header.base_offset != header.next_offset
          or next_header.end > _root._io.size
  open_body:
    doc: Which segment this is, and where the one before it validly ends.
    seq:
      - id: segment_id
        size: 8
        doc: Random.
      - id: created_ms
        type: u8
        doc: Milliseconds since 1970, by a clock that may be wrong.
      - id: previous_base_offset
        type: u8
        doc: 2^64 - 1 if there is no segment before; languages without unsigned integers show a different number.
      - id: previous_end
        type: u4
        doc: Position after the last valid frame of the segment before.
      - id: previous_last_position
        type: u4
        doc: Position of that frame.
      - id: previous_last_crc
        type: u4
        doc: Its header_crc.
      - id: len_topic
        type: u2
      - id: topic
        type: str
        size: len_topic
        encoding: ASCII
    instances:
      has_previous:
        value: previous_last_position != 0
        doc: No frame is at position 0, so the field is 0 if and only if there is no segment before.
  records_body:
    doc: One batch.
    seq:
      - id: len_metadata
        type: u4
        if: _parent.header.has_metadata
      - id: metadata
        size: len_metadata
        if: _parent.header.has_metadata
        doc: Bytes of the caller that belong to the batch.
      - id: opaque
        type: opaque_batch
        if: _parent.header.is_opaque
      - id: records
        type: record(_parent.header.base_offset + _index, _parent.header.may_lack_values)
        repeat: expr
        repeat-expr: "_parent.header.is_opaque ? 0 : _parent.header.record_count"
  opaque_batch:
    doc: A batch whose records only its producer can read. It takes as many offsets as the header counts records.
    seq:
      - id: min_timestamp_ms
        type: u8
      - id: max_timestamp_ms
        type: u8
      - id: payload
        size-eos: true
  record:
    params:
      - id: offset
        type: u8
      - id: may_lack_value
        type: bool
    seq:
      - id: len_record
        type: u4
        doc: Of the whole record, this field included.
      - id: timestamp_ms
        type: u8
        doc: Milliseconds since 1970.
      - id: len_key
        type: s4
        doc: -1 if there is no key. An empty key is a key.
      - id: len_value
        type: u4
      - id: num_headers
        type: u4
      - id: key
        size: len_key
        if: len_key >= 0
      - id: value
        size: len_value
        if: has_value
      - id: headers
        type: record_header
        repeat: expr
        repeat-expr: num_headers
    instances:
      has_value:
        value: not may_lack_value or len_value != 0xffffffff
        doc: An empty value is a value.
  record_header:
    seq:
      - id: len_key
        type: u4
      - id: key
        type: str
        size: len_key
        encoding: UTF-8
      - id: len_value
        type: u4
      - id: value
        size: len_value
  seal_body:
    doc: |
      A summary of the segment's records, and an index. A frame has an entry if it is 64 KiB or more after the last
      frame that has one.
    seq:
      - id: min_timestamp_ms
        type: u8
      - id: max_timestamp_ms
        type: u8
      - id: entries
        type: index_entry
        repeat: expr
        repeat-expr: (_io.size - 24) / 16
        doc: At most one for every 65536 bytes before this SEAL. If there are more, these bytes are not an index.
      - id: position
        type: u4
        doc: Position of this SEAL, so that it can be found from the end of the segment.
      - id: magic
        contents: SQIX
  index_entry:
    seq:
      - id: offset_delta
        type: u4
        doc: Offset of the frame's first record, minus the base offset of the segment.
      - id: position
        type: u4
        doc: Position of that frame.
      - id: max_timestamp_ms
        type: u8
        doc: Largest timestamp of the segment's records before that position; 0 if there are none.
