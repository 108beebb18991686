"""What a spool holds that is not settled, for metrics: read without taking any lock."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from purposewatch_client.spool.directory import SpoolDirectory
from purposewatch_client.spool.segment import (
    HEADER_SIZE,
    MAX_RECORD,
    End,
    read_settled,
    scan,
)

__all__ = ["Backlog", "read_backlog"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The records of all processes that share the directory."""

    bytes: int = 0
    oldest_ms: int | None = None
    """When the oldest record was written, in milliseconds since 1970; None without records."""


def read_backlog(directory: SpoolDirectory) -> Backlog:
    """The backlog at this moment; segments that are deleted meanwhile count as empty."""
    total, oldest = 0, None
    for path in directory.segments():
        with suppress(OSError):
            size, written = _unsettled(path)
            total += size
            if written is not None and (oldest is None or written < oldest):
                oldest = written
    return Backlog(total, oldest)


def _unsettled(path: Path) -> tuple[int, int | None]:
    with path.open("rb", buffering=0) as file:
        settled = read_settled(file.read(HEADER_SIZE)) or HEADER_SIZE
        size = os.fstat(file.fileno()).st_size
        file.seek(settled)
        found = scan(file.read(MAX_RECORD), End.GROWING, max_records=1, max_bytes=0)
    return max(0, size - settled), found.records[0].written_ms if found.records else None
