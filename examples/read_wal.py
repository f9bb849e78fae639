#!/usr/bin/env python3
"""Prints the records of a log on disk: python3 read_wal.py DIR, where DIR is a partition's directory, TOPIC/PARTITION.

An independent reader of format version 1, written from docs/wal-format.md alone, with nothing but Python 3.10 and its
standard library. Headings and rules named here are that page's. One JSON object a line for each record, in order:

    {"offset": 0, "timestampMs": 1700000000000, "key": "6b", "value": "", "headers": [["6e616d65", "76"]]}

Keys, values, and names and values of headers are hexadecimal digits; a record without a key has "key": null. Nothing
more is printed where the log ends with its last frame, or zeros behind it. Otherwise a last line says how it ends,
{"end": ...}, which sets the exit code: "torn" (0; the rest of an unfinished write follows), "corrupt" (1), or
"unsupported" (3; written by somebody who knew more). "position" is where "file" could be read to, "nextOffset" the
offset there, and "until" how far damage reaches at least. It exits with 2 where files cannot be read; it writes none.

It holds one segment at a time in memory. Nobody may write the log meanwhile: a reader beside a writer has more to do
("What readers must do").
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
OPEN, RECORDS, MARK, SEAL = 1, 2, 3, 4
MAX_OFFSET = MAX_TIME = 2**53 - 1
MAX_POSITION = 2**32 - 1
EXIT_CODES = {"torn": 0, "corrupt": 1, "unsupported": 3}

# A segment whose head verified: its file, its OPEN, and what that states of the segment before.
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
        return 1 <= self.type <= 4 and self.attributes == 0 and self.next_offset <= MAX_OFFSET and fits


class Ended(Exception):
    """The log ends, and not with its last frame: `kind` is a key of EXIT_CODES."""

    def __init__(self, kind, file, position, **more):
        self.kind = kind
        self.report = {"end": kind, "file": file.name, "position": position, **more}


def verified(data, position, salt, limit):
    """The frame header at a position where it verifies (rule 3), else None. Nothing else about it is judged."""
    if limit - position < 40:
        return None
    frame = Frame(*FRAME_HEADER.unpack_from(data, position))
    header_crc = crc32(data[position : position + 36], salt)
    return frame if (frame.marker, frame.position, frame.header_crc) == (b"FR", position, header_crc) else None


def is_whole(data, frame):
    return crc32(data[frame.body]) == frame.body_crc and not any(data[frame.body.stop : frame.end])


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
    require(frame is not None, "no OPEN verifies")
    require(frame.is_known, "a first frame of an unknown kind", "unsupported")
    is_open = (frame.type, frame.record_count, frame.previous_crc) == (OPEN, 0, header_crc)
    require(is_open and frame.end <= len(data), "the first frame is not a whole OPEN")
    body = data[frame.body]
    require(is_whole(data, frame) and len(body) >= 38, "the body of OPEN is damaged")
    _, _, base_offset, end, last_position, last_crc, topic_length = OPEN_BODY.unpack_from(body)
    require(len(body) == 38 + topic_length, "the topic does not fill OPEN")
    directory = file.absolute().parent
    require(body[38:] == directory.parent.name.encode(), "it is a segment of another topic")
    require(str(partition) == directory.name, "it is a segment of another partition")
    require(frame.base_offset == int(file.stem), "its base offset is not the one in its name")
    return Head(file, frame, base_offset, end, last_position, last_crc)


def check_statement(head, data, successor):
    """What the successor's OPEN states of a segment's end, by "Where a log ends, and what is damage"."""
    end, position = successor.previous_end, successor.previous_last_position
    last = head.open if position == 32 else verified(data, position, head.open.header_crc, len(data))
    holds = successor.previous_base_offset == head.open.base_offset and len(data) >= end
    holds = holds and last is not None and last.header_crc == successor.previous_last_crc
    if not holds or last.end != end or last.next_offset != successor.open.base_offset:
        raise Ended("corrupt", head.file, 0, reason=f"it does not end as {successor.file.name} states")


def decode_records(body, frame):
    """The records of a frame. Raises ValueError where the body is not made of exactly these (rule 8)."""
    at = 0

    def take(length):
        nonlocal at
        if at + length > len(body):
            raise ValueError("the records go beyond their frame")
        at += length
        return body[at - length : at]

    for offset in range(frame.base_offset, frame.next_offset):
        begin = at
        length, timestamp, key_length, value_length, header_count = RECORD.unpack(take(24))
        if key_length < -1 or timestamp > MAX_TIME:
            raise ValueError(f"record {offset} has an invalid field")
        key = None if key_length == -1 else take(key_length).hex()
        value = take(value_length).hex()
        headers = [[take(int.from_bytes(take(4), "little")).hex() for _ in range(2)] for _ in range(header_count)]
        if at - begin != length:
            raise ValueError(f"record {offset} is not filled by its parts")
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
        if place == limit or successor is None and not any(data[place:]):  # Zeros are written ahead.
            return
        frame = None if before.type == SEAL else verified(data, place, salt, limit)
        if frame is None:
            break
        if not frame.is_known:
            raise Ended("unsupported", head.file, place, nextOffset=next_offset, reason="a frame of an unknown kind")
        follows = (frame.previous_crc, frame.base_offset) == (before.header_crc, next_offset) and frame.type != OPEN
        if not follows or (frame.record_count > 0) != (frame.type == RECORDS) or frame.durable_position > place:
            break
        if frame.end > limit or (frame.type != MARK and not is_whole(data, frame)):
            break
        if frame.type == RECORDS:
            try:
                yield from list(decode_records(data[frame.body], frame))  # All of a frame, or nothing of it.
            except ValueError as error:
                raise Ended("corrupt", head.file, place, until=frame.end, nextOffset=next_offset, reason=str(error))
        before = frame
    # A stop, by "Where a log ends, and what is damage".
    if successor is not None and next_offset == successor.open.base_offset:
        return  # Only frames without records are damaged.
    found = (verified(data, position, salt, limit) for position in range(place, limit, 8))
    proof = next((frame for frame in found if frame is not None and frame.durable_position > place), None)
    if proof is None and successor is None:
        raise Ended("torn", head.file, place, nextOffset=next_offset)
    until, who = (limit, "the successor states") if proof is None else (proof.position, "a later frame proves")
    raise Ended("corrupt", head.file, place, until=until, nextOffset=next_offset, reason=f"damaged, as {who}")


def read_log(directory):
    files = sorted(file for file in directory.iterdir() if re.fullmatch(r"[0-9]{20}\.wal", file.name))
    if files and int(files[-1].stem) > MAX_OFFSET:
        raise Ended("unsupported", files[-1], 0, reason="a base offset over 2^53 - 1")
    for head, successor in pairwise(chain(map(read_head, files), [None])):
        yield from read_segment(head, successor)


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
