"""Appends records to the spool, in the calling thread."""

import errno
import os
import time
from collections import deque
from threading import RLock

from purposewatch_client.errors import NotRecordedError
from purposewatch_client.spool.directory import Segment, SpoolDirectory, SpoolFullError
from purposewatch_client.spool.segment import (
    EVENT,
    HEADER_SIZE,
    MAX_PAYLOAD,
    encode_record,
)

__all__ = ["SpoolWriter"]

_RETRY_SECONDS = 0.1
"""For this long after a failure nothing is tried again: a full spool must not cost time."""


class SpoolWriter:
    """The segments that one process writes. May be used by several threads at once.

    A signal handler or a finaliser may record an event while its thread writes one. So the lock is
    re-entrant, and within it every step leaves the writer usable.

    INVARIANT: a caller's thread closes no file, so none can write to a number that was given to
    another file. The sender closes a segment once it has a successor.
    """

    def __init__(
        self, directory: SpoolDirectory, *, segment_bytes: int, max_bytes: int, fsync: bool
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._fsync = fsync
        self._lock = RLock()
        self._rotating = False
        self._failure: tuple[float, NotRecordedError] | None = None
        self._current: Segment | None = None
        self.segments: deque[Segment] = deque()
        """Those with unsettled records, the oldest first; the last one is written to."""
        self.created = 0
        """How many segments there were so far."""
        self.recorded = 0
        self.dropped: dict[str, int] = {}
        self._unreported: dict[str, int] = {}
        """Of those dropped, here or by a process that ended, for which there is no gap yet.

        INVARIANT: the header of the segment that is written to, if there is one, says the same.
        """

    def append(self, payload: bytes, kind: int = EVENT) -> None:
        """Write one record. Raises `NotRecordedError`; then nothing is written."""
        if len(payload) > MAX_PAYLOAD:
            reason = "too_large"
            raise NotRecordedError(reason, f"the event exceeds {MAX_PAYLOAD} bytes")
        record = encode_record(payload, time.time_ns() // 1_000_000, kind)
        size = len(record)
        with self._lock:
            segment = self._current
            if segment is None or (
                segment.size + size > self._segment_bytes and not self._rotating
            ):
                segment = self._rotate()
            try:
                written = os.write(segment.fd, record)
                if written != size:
                    self._cut(segment, written)
                    reason = "disk_full"
                    raise NotRecordedError(reason, "the disk is full")
                segment.size += size
                if self._fsync:
                    os.fdatasync(segment.fd)
            except OSError as error:
                raise _not_recorded(error) from error
            self.recorded += 1

    def count_dropped(self, reason: str) -> None:
        """Note that an event was dropped."""
        with self._lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1
            self.count_unreported(reason, 1)

    def unreported(self) -> dict[str, int]:
        """How many events were dropped, by reason, for which there is no gap yet."""
        with self._lock:
            return dict(self._unreported)

    def count_unreported(self, reason: str, change: int) -> None:
        """Note that so many more events, or fewer, were dropped for which there is no gap."""
        with self._lock:
            counts = self._unreported
            counts[reason] = counts.get(reason, 0) + change
            if not counts[reason]:
                del counts[reason]
            if self._current is not None:
                self._current.store_dropped(counts)

    def position(self) -> tuple[int, int]:
        """Where the next record will be written: the number of the segment, and its size."""
        with self._lock:
            return self.created, self.segments[-1].size if self.segments else HEADER_SIZE

    def detach(self) -> list[Segment]:
        """Give up all segments; the next record starts another one. For the sender."""
        with self._lock:
            segments = list(self.segments)
            self.segments.clear()
            if self._current is not None:  # whoever adopts it reports what was dropped
                self._unreported = {}
            self._current = None
        return segments

    def _cut(self, segment: Segment, written: int) -> None:
        """Remove the part of a record for which there was room."""
        if os.lseek(segment.fd, 0, os.SEEK_CUR) == segment.size + written:
            os.ftruncate(segment.fd, segment.size)
            os.lseek(segment.fd, segment.size, os.SEEK_SET)

    def _rotate(self) -> Segment:
        """The next segment."""
        now = time.monotonic()
        if self._failure is not None and now < self._failure[0]:
            raise self._failure[1]
        self._rotating = True
        try:
            segment = self._directory.create(self._segment_bytes, self._max_bytes)
        except SpoolFullError:
            reason = "full"
            raise self._failed(
                now, NotRecordedError(reason, f"the spool has reached {self._max_bytes} bytes")
            ) from None
        except OSError as error:
            raise self._failed(now, _not_recorded(error)) from error
        finally:
            self._rotating = False
        self._failure = None
        if self._unreported:
            segment.store_dropped(self._unreported)
            if self._current is not None:
                self._current.store_dropped({})
        self.created += 1
        segment.number = self.created
        self.segments.append(segment)
        self._current = segment
        return segment

    def _failed(self, now: float, error: NotRecordedError) -> NotRecordedError:
        self._failure = (now + _RETRY_SECONDS, error)
        return error


def _not_recorded(error: OSError) -> NotRecordedError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return NotRecordedError(
        "disk_full" if full else "unwritable", f"the spool can't be written: {error.strerror}"
    )
