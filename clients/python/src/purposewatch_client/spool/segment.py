"""The format of a segment file. Pure: bytes in, bytes out.

A header, then records. A record is a marker, a checksum, the length, the kind, the time at which it
was written, and the payload. The checksum covers what follows it. The marker begins with a byte
that UTF-8 never has, so a reader finds the next record behind damage. The header holds two cells
that are overwritten in place: up to where the records are settled, and how many events were dropped
for want of room, which takes none.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from zlib import crc32

__all__ = [
    "DROPPED_AT",
    "EVENT",
    "FACT",
    "GAP",
    "HEADER_SIZE",
    "MAX_PAYLOAD",
    "MAX_RECORD",
    "SETTLED_AT",
    "End",
    "Record",
    "Scan",
    "encode_cell",
    "encode_dropped",
    "encode_record",
    "new_header",
    "read_dropped",
    "read_settled",
    "scan",
]

_MAGIC = b"PWSPOOL1"
_CELL = struct.Struct(">QI")
_CELL_VALUE = struct.Struct(">Q")
SETTLED_AT = len(_MAGIC)
"""Where the cell with the settled position is."""
_REASONS = ("full", "disk_full", "unwritable", "too_large")
_DROPPED = struct.Struct(">4QI")
_DROPPED_VALUES = struct.Struct(">4Q")
DROPPED_AT = SETTLED_AT + _CELL.size
"""Where the cell with the numbers of dropped events is."""
HEADER_SIZE = DROPPED_AT + _DROPPED.size

_MARKER = b"\xffPWR"
_BODY = struct.Struct(">IBQ")  # length, kind, milliseconds since 1970
_CRC = struct.Struct(">I")
_pack_body, _pack_crc = _BODY.pack, _CRC.pack  # for every event, so looked up once
_PREFIX_SIZE = len(_MARKER) + _CRC.size + _BODY.size
MAX_PAYLOAD = 64 * 1024
MAX_RECORD = _PREFIX_SIZE + MAX_PAYLOAD


EVENT = 0
GAP = 1
FACT = 2
"""The kinds of records, by what they hold."""


class End(Enum):
    """What the end of a buffer is."""

    GROWING = "growing"
    """The end of a file that is still written to: an unfinished record may be completed."""
    MORE = "more"
    """The file goes on."""
    FINAL = "final"
    """The end of the file, and nobody writes to it any more."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    kind: int
    written_ms: int
    payload: bytes


@dataclass(slots=True)
class Scan:
    """What a buffer holds."""

    records: list[Record] = field(default_factory=list)
    consumed: int = 0
    """Up to where the buffer was read; continue from there."""
    damaged: int = 0
    """Places at which something that is not a record was skipped."""
    torn: bool = False
    """Whether the file ends with an unfinished record, which was skipped."""


def new_header() -> bytes:
    """The header of a segment without records."""
    return _MAGIC + encode_cell(HEADER_SIZE) + encode_dropped({})


def encode_cell(value: int) -> bytes:
    """A number that is overwritten in place, with its checksum."""
    encoded = _CELL_VALUE.pack(value)
    return encoded + _CRC.pack(crc32(encoded))


def read_settled(header: bytes) -> int | None:
    """The settled position; None if this is not a header, or the cell is damaged."""
    if not header.startswith(_MAGIC) or len(header) < HEADER_SIZE:
        return None
    value: int
    value, checksum = _CELL.unpack_from(header, SETTLED_AT)
    return value if checksum == crc32(_CELL_VALUE.pack(value)) else None


def encode_dropped(counts: Mapping[str, int]) -> bytes:
    """How many events were dropped, by reason, to be overwritten in place."""
    encoded = _DROPPED_VALUES.pack(*[counts.get(reason, 0) for reason in _REASONS])
    return encoded + _CRC.pack(crc32(encoded))


def read_dropped(header: bytes) -> dict[str, int]:
    """How many events were dropped, by reason; none if the cell is damaged."""
    if len(header) < HEADER_SIZE:
        return {}
    *counts, checksum = _DROPPED.unpack_from(header, DROPPED_AT)
    if checksum != crc32(_DROPPED_VALUES.pack(*counts)):
        return {}
    return {reason: count for reason, count in zip(_REASONS, counts, strict=True) if count}


def encode_record(payload: bytes, written_ms: int, kind: int = EVENT) -> bytes:
    """One record."""
    body = _pack_body(len(payload), kind, written_ms) + payload
    return _MARKER + _pack_crc(crc32(body)) + body


def scan(buffer: bytes, end: End, *, max_records: int, max_bytes: int) -> Scan:
    """Read records until one of the limits, or the end, is reached.

    `max_bytes` limits the sum of the payloads, with a separator each; one record is read whatever
    its size. A buffer that
    ends with `MORE` must be larger than the largest record, or nothing may be consumed of it.
    """
    found = Scan()
    size = 0
    while found.consumed < len(buffer) and len(found.records) < max_records:
        record = _record_at(buffer, found.consumed)
        if record is None:
            if not _skip_damage(buffer, end, found):
                break
            continue
        size += len(record.payload) + 1
        if size > max_bytes and found.records:
            break
        found.records.append(record)
        found.consumed += _PREFIX_SIZE + len(record.payload)
    return found


def _record_at(buffer: bytes, at: int) -> Record | None:
    """The whole and undamaged record that starts there."""
    body_at = at + len(_MARKER) + _CRC.size
    start = at + _PREFIX_SIZE
    if len(buffer) < start or not buffer.startswith(_MARKER, at):
        return None
    length, kind, written_ms = _BODY.unpack_from(buffer, body_at)
    if length > MAX_PAYLOAD or start + length > len(buffer):
        return None
    (checksum,) = _CRC.unpack_from(buffer, at + len(_MARKER))
    if checksum != crc32(memoryview(buffer)[body_at : start + length]):
        return None
    return Record(kind, written_ms, buffer[start : start + length])


def _skip_damage(buffer: bytes, end: End, found: Scan) -> bool:
    """Go on to the next record behind damage; whether there is something to go on with."""
    next_at = buffer.find(_MARKER, found.consumed + 1)
    while next_at >= 0 and _record_at(buffer, next_at) is None:
        next_at = buffer.find(_MARKER, next_at + 1)
    if next_at >= 0:
        found.damaged += 1
        found.consumed = next_at
        return True
    if end is End.FINAL:
        found.torn = True
        found.consumed = len(buffer)
    elif end is End.MORE and len(buffer) - found.consumed > MAX_RECORD:
        # no record that starts here can reach beyond the buffer, so all this is damaged
        found.damaged += 1
        found.consumed = len(buffer) - MAX_RECORD
    return False
