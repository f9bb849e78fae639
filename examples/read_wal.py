#!/usr/bin/env python3
"""Prints the records of a log on disk: python3 read_wal.py DIR, where DIR is the directory TOPIC/PARTITION.

An independent reader of format version 1, written from docs/wal-format.md alone. It needs only Python 3.10 or later.
Comments refer to headings and rules of that page. It prints a line of JSON for each record, in order:

    {"offset": 0, "timestampMs": 1700000000000, "key": "6b", "value": "", "headers": [["6e616d65", "76"]]}

Keys, values, and keys and values of headers are in hexadecimal; a record without a key has "key": null. Nothing more is
printed if the log ends with its last frame, or with zeros or stale bytes after it. Otherwise a last line, {"end": ...}, says how the
log ends, and sets the exit code: "torn" (0; an unfinished write follows), "corrupt" (1), or "unsupported" (3; a newer
version of the format). "file" could be read up to "position", "nextOffset" is the offset of the next record there, and
the damage reaches at least to "until". The exit code is 2 if a file cannot be read. No file is written.

It holds one segment at a time in memory. No writer may be open at the same time: reading a log that is being written
takes more ("What readers must do").
"""
import json
import re
import sys
from collections import namedtuple
from itertools import chain, pairwise
from pathlib import Path
from struct import Struct
from zlib import crc32

SEGMENT_HEADER = Struct("<4sHH20sI")
FRAME_HEADER = Struct("<2sBBIQIIIIII")
OPEN_BODY = Struct("<QQQIIIH")
RECORD = Struct("<IQiII")
OPAQUE_TIMES = Struct("<QQ")
LOG_START = Struct("<4sHHQI")
OPEN, RECORDS, MARK, SEAL = 1, 2, 3, 4
METADATA, OPAQUE, NULL_VALUES = 1, 2, 4
KNOWN_ATTRIBUTES = (0, METADATA, OPAQUE, METADATA | OPAQUE, NULL_VALUES, METADATA | NULL_VALUES)
MAX_METADATA_LENGTH = 65536
MAX_OFFSET = MAX_TIME = 2**53 - 1
MAX_POSITION = 2**32 - 1
EXIT_CODES = {"torn": 0, "corrupt": 1, "unsupported": 3}

# The verified head of a segment: its file, its OPEN frame, and what OPEN states about the segment before.
Head = namedtuple("Head", "file open previous_base_offset previous_end previous_last_position previous_last_crc")


class Frame(namedtuple("Frame", "marker type attributes body_length base_offset record_count position "
                                "durable_position previous_crc body_crc header_crc")):
    @property
    def body(self):
        return slice(self.position + 40, self.position + 40 + self.body_length)

    @property
    def end(self):
        return (self.body.stop + 7) // 8 * 8

    @property
    def next_offset(self):
        return self.base_offset + self.record_count

    @property
    def is_known(self):
        fits = self.body_length <= (2**30 + 24 if self.type == RECORDS else 2**20 + 8) and self.end <= MAX_POSITION
        known = self.attributes in (KNOWN_ATTRIBUTES if self.type == RECORDS else (0,))
        return 1 <= self.type <= 4 and known and self.next_offset <= MAX_OFFSET and fits


class Ended(Exception):
    """The log does not end with its last frame. `kind` is a key of EXIT_CODES."""

    def __init__(self, kind, file, position, **more):
        self.kind = kind
        self.report = {"end": kind, "file": file.name, "position": position, **more}


def verified(data, position, salt, limit):
    """The frame header at a position, or None if it does not verify (rule 3). Other rules are not checked."""
    if limit - position < 40:
        return None
    frame = Frame(*FRAME_HEADER.unpack_from(data, position))
    header_crc = crc32(data[position : position + 36], salt)
    return frame if (frame.marker, frame.position, frame.header_crc) == (b"FR", position, header_crc) else None


def is_intact(data, frame):
    """Whether the body has its checksum and the padding is zero."""
    return crc32(data[frame.body]) == frame.body_crc and not any(data[frame.body.stop : frame.end])


def is_recycled(data, place):
    """Whether the file held another segment before, and bytes of it may be from a position on ("Recycled files")."""
    position = len(data) - 16
    start = b"SQSTALE\n" + max(position, 0).to_bytes(4, "little")
    return position >= place and data[position:] == start + crc32(start).to_bytes(4, "little")


def read_head(file):
    """The head of a segment, by "The head: segment header and OPEN"."""

    def require(holds, reason, kind="corrupt"):
        if not holds:
            raise Ended(kind, file, 0, reason=reason)

    with open(file, "rb") as handle:
        data = memoryview(handle.read(512))
    require(len(data) >= 32 and data[:4] == b"SQWL", "it does not begin with a segment header")
    _, version, _, _, partition = SEGMENT_HEADER.unpack_from(data)
    require(version == 1, f"version {version}", "unsupported")
    header_crc = crc32(data[:32])
    frame = verified(data, 32, header_crc, len(data))
    require(frame is not None, "its OPEN frame does not verify")
    require(frame.is_known, "a first frame of an unknown type or attribute", "unsupported")
    is_open = (frame.type, frame.record_count, frame.previous_crc) == (OPEN, 0, header_crc)
    require(is_open and frame.end <= len(data), "its first frame is not a complete OPEN")
    body = data[frame.body]
    require(is_intact(data, frame) and len(body) >= 38, "the body of OPEN is damaged")
    _, _, base_offset, end, last_position, last_crc, topic_length = OPEN_BODY.unpack_from(body)
    require(len(body) == 38 + topic_length, "the topic does not end with the body of OPEN")
    directory = file.absolute().parent
    require(body[38:] == directory.parent.name.encode(), "it belongs to another topic")
    require(str(partition) == directory.name, "it belongs to another partition")
    require(frame.base_offset == int(file.stem), "its base offset differs from its name")
    return Head(file, frame, base_offset, end, last_position, last_crc)


def check_statement(head, data, successor):
    """Checks the end that the successor's OPEN states, by "Where a log ends, and what is damage"."""
    end, position = successor.previous_end, successor.previous_last_position
    last = head.open if position == 32 else verified(data, position, head.open.header_crc, len(data))
    holds = successor.previous_base_offset == head.open.base_offset and len(data) >= end
    holds = holds and last is not None and last.header_crc == successor.previous_last_crc
    if not holds or last.end != end or last.next_offset != successor.open.base_offset:
        raise Ended("corrupt", head.file, 0, reason=f"it does not end as {successor.file.name} states")


def decode_body(body, frame):
    """The batch of a frame, if it is more than records, and its records. Raises ValueError if they do not fill its body exactly (rule 8)."""
    at = 0

    def take(length):
        nonlocal at
        if at + length > len(body):
            raise ValueError("the records exceed their frame")
        at += length
        return body[at - length : at]

    metadata = opaque = None
    if frame.attributes & METADATA:
        metadata_length = int.from_bytes(take(4), "little")
        if not 1 <= metadata_length <= MAX_METADATA_LENGTH:
            raise ValueError(f"{metadata_length} bytes of metadata")
        metadata = take(metadata_length).hex()
    if frame.attributes & OPAQUE:
        min_timestamp, max_timestamp = OPAQUE_TIMES.unpack(take(16))
        if not min_timestamp <= max_timestamp <= MAX_TIME:
            raise ValueError("the times of an opaque batch are invalid")
        payload = body[at:].hex()
        opaque = {"minTimestampMs": min_timestamp, "maxTimestampMs": max_timestamp, "payload": payload}
    if frame.attributes & (METADATA | OPAQUE):
        yield {"batch": frame.base_offset, "recordCount": frame.record_count, "metadata": metadata, "opaque": opaque}
    if opaque is not None:
        return
    for offset in range(frame.base_offset, frame.next_offset):
        begin = at
        length, timestamp, key_length, value_length, header_count = RECORD.unpack(take(24))
        if key_length < -1 or timestamp > MAX_TIME:
            raise ValueError(f"record {offset} has an invalid field")
        key = None if key_length == -1 else take(key_length).hex()
        has_value = not frame.attributes & NULL_VALUES or value_length != 2**32 - 1
        value = take(value_length).hex() if has_value else None
        headers = [[take(int.from_bytes(take(4), "little")).hex() for _ in range(2)] for _ in range(header_count)]
        if at - begin != length:
            raise ValueError(f"the length of record {offset} is not that of its fields")
        yield {"offset": offset, "timestampMs": timestamp, "key": key, "value": value, "headers": headers}
    if at != len(body):
        raise ValueError("the records do not fill their frame")


def read_segment(head, successor):
    """The records of a segment, by "The next frame"; the successor is None for the last segment."""
    limit = head.file.stat().st_size if successor is None else successor.previous_end
    if limit > MAX_POSITION:
        raise Ended("unsupported", head.file, MAX_POSITION, reason=f"a file of {limit} bytes")
    with open(head.file, "rb") as handle:
        data = memoryview(handle.read(limit))
    if successor is not None:
        check_statement(head, data, successor)
    before, salt = head.open, head.open.header_crc
    while True:
        place, next_offset = before.end, before.next_offset
        if place == limit or successor is None and not any(data[place:]):  # Preallocated zeros.
            return
        frame = None if before.type == SEAL else verified(data, place, salt, limit)
        if frame is None:
            break
        if not frame.is_known:
            raise Ended("unsupported", head.file, place, nextOffset=next_offset, reason="an unknown type or attribute")
        follows = (frame.previous_crc, frame.base_offset) == (before.header_crc, next_offset) and frame.type != OPEN
        if not follows or (frame.record_count > 0) != (frame.type == RECORDS) or frame.durable_position > place:
            break
        if frame.end > limit or (frame.type != MARK and not is_intact(data, frame)):
            break
        if frame.type == RECORDS:
            try:
                yield from list(decode_body(data[frame.body], frame))  # All records of a frame, or none.
            except ValueError as error:
                raise Ended("corrupt", head.file, place, until=frame.end, nextOffset=next_offset, reason=str(error))
        before = frame
    # Reading stopped before the end: see "Where a log ends, and what is damage".
    if successor is not None and next_offset == successor.open.base_offset:
        return  # The damage is only in frames without records.
    tries = (verified(data, position, salt, limit) for position in range(place, limit, 8))
    found = [frame for frame in tries if frame is not None]
    confirming = next((frame for frame in found if frame.durable_position > place), None)
    if confirming is None and successor is None:
        if not found and is_recycled(data, place):
            return  # Stale bytes.
        raise Ended("torn", head.file, place, nextOffset=next_offset)
    until, by = (limit, "the next segment") if confirming is None else (confirming.position, "a later frame")
    reason = f"damaged, but confirmed by {by}"
    raise Ended("corrupt", head.file, place, until=until, nextOffset=next_offset, reason=reason)


def read_log_start(directory):
    """The offset before which all records are deleted, by "The log start"."""
    file = directory.absolute() / "log-start"
    data = file.read_bytes() if file.exists() else None
    if data is None:
        return 0
    if len(data) < 8 or data[:4] != b"SQLS":
        raise Ended("corrupt", file, 0, until=len(data), nextOffset=0, reason="it is no log start")
    if data[4:6] != b"\1\0":
        raise Ended("unsupported", file, 4, reason="another version of the log start")
    partition = f"{file.parent.parent.name}/{file.parent.name}"
    if len(data) != LOG_START.size or LOG_START.unpack(data)[4] != crc32(data[:16], crc32(partition.encode())):
        raise Ended("corrupt", file, 0, until=len(data), nextOffset=0, reason="its checksum is wrong")
    offset = LOG_START.unpack(data)[3]
    if offset > MAX_OFFSET:
        raise Ended("unsupported", file, 8, reason="a log start offset over 2^53 - 1")
    return offset


def kept(line, start):
    """What is left of a line when all records before an offset are deleted; None if nothing is."""
    if "offset" in line:
        return line if line["offset"] >= start else None
    base, next_offset = line["batch"], line["batch"] + line["recordCount"]
    if next_offset <= start:
        return None
    first = base if line["opaque"] else max(base, start)  # An opaque batch cannot be cut.
    return {**line, "batch": first, "recordCount": next_offset - first}


def read_log(directory):
    start = read_log_start(directory)
    files = sorted(file for file in directory.iterdir() if re.fullmatch(r"[0-9]{20}\.wal", file.name))
    if files and int(files[-1].stem) > MAX_OFFSET:
        raise Ended("unsupported", files[-1], 0, reason="a base offset over 2^53 - 1")
    while len(files) > 1 and int(files[1].stem) <= start:  # All its records are deleted.
        del files[0]
    for head, successor in pairwise(chain(map(read_head, files), [None])):
        for line in read_segment(head, successor):
            if (left := kept(line, start)) is not None:
                yield left


if __name__ == "__main__":
    try:
        for record in read_log(Path(sys.argv[1])):
            print(json.dumps(record))
    except Ended as ended:
        print(json.dumps(ended.report))
        sys.exit(EXIT_CODES[ended.kind])
    except (OSError, IndexError) as error:
        print(f"{error}\nusage: read_wal.py DIR", file=sys.stderr)
        sys.exit(2)
