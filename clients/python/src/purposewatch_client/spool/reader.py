"""Reads batches of records from a segment, and keeps what is settled."""

import os
from dataclasses import dataclass

from purposewatch_client.spool.directory import Segment
from purposewatch_client.spool.segment import (
    MAX_RECORD,
    SETTLED_AT,
    End,
    Record,
    encode_cell,
    scan,
)

__all__ = ["Batch", "BatchLimits", "read_batch", "settle"]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be."""

    events: int
    bytes: int
    """Of the request's body: brackets and commas included."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that follow one another, and what was skipped between them."""

    records: list[Record]
    position: int
    """Up to where the segment is settled once these records are."""
    damaged: int
    torn: bool


def read_batch(segment: Segment, limits: BatchLimits, *, growing: bool) -> Batch:
    """The next records that are not settled. A record that is being written is left for later."""
    size = segment.size if growing else os.fstat(segment.fd).st_size
    wanted = limits.bytes + MAX_RECORD + 1
    available = size - segment.settled
    buffer = os.pread(segment.fd, min(wanted, available), segment.settled)
    last = End.GROWING if growing else End.FINAL
    end = End.MORE if len(buffer) < available else last
    found = scan(buffer, end, max_records=limits.events, max_bytes=limits.bytes - 1)
    return Batch(found.records, segment.settled + found.consumed, found.damaged, found.torn)


def settle(segment: Segment, position: int) -> None:
    """Note, on disk, that everything before this position is settled."""
    os.pwrite(segment.fd, encode_cell(position), SETTLED_AT)
    segment.settled = position
