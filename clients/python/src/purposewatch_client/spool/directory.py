"""The directory of a spool: its segment files, and who owns which.

A segment belongs to the process that holds the lock of its file (`flock`). A process locks its own
segments before anybody can see them. When it ends, however it ends, the kernel releases the locks,
and another process that takes a lock *adopts* the segment. So no process waits for another one, and
process ids, which differ between containers, do not matter.
"""

import errno
import fcntl
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from purposewatch_client.spool.segment import (
    DROPPED_AT,
    HEADER_SIZE,
    encode_dropped,
    new_header,
    read_dropped,
    read_settled,
)

__all__ = ["Segment", "SpoolDirectory", "SpoolFullError"]

_SUFFIX = ".seg"
_UNFINISHED = ".new"
_STALE_SECONDS = 3600


class SpoolFullError(Exception):
    """Another segment would exceed the limit of the spool."""


class Segment:
    """A segment file that this process owns."""

    def __init__(self, path: Path, fd: int, size: int, settled: int) -> None:
        self.path = path
        self.fd = fd
        self.size = size
        """Its size in bytes, as far as it is written completely."""
        self.settled = settled
        """Up to where its records are settled."""
        self.dropped: Mapping[str, int] = {}
        """What its header says of dropped events: of which there is no gap, by reason."""
        self.number = 0
        """Its place among the segments that this process wrote; 0 for one that it adopted."""

    def store_dropped(self, counts: Mapping[str, int]) -> None:
        """Write to the header how many events were dropped. That takes no room."""
        with suppress(OSError):
            os.pwrite(self.fd, encode_dropped(counts), DROPPED_AT)
        self.dropped = counts

    def release(self) -> None:
        """Give up the ownership, and leave the file to others."""
        os.close(self.fd)

    def delete(self) -> None:
        """Delete the file, then give up the ownership: nobody can adopt what is deleted."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self.fd)


class SpoolDirectory:
    """The segment files of one `source`; a directory may hold those of several."""

    def __init__(self, path: Path, source: str, *, private: bool = False) -> None:
        self.path = path
        self._tag = f"{zlib.crc32(source.encode()):08x}"
        self._private = private
        """Whether the directory is in a place where others may create it first."""

    def create(self, segment_bytes: int, max_bytes: int) -> Segment:
        """A new segment. Raises `SpoolFullError`, or `OSError` if it can't be written."""
        self._prepare()
        if self.usage() + segment_bytes > max_bytes:
            raise SpoolFullError
        name = f"{time.time_ns():020d}-{self._tag}-{os.getpid()}-{secrets.token_hex(4)}"
        unfinished = self.path / f"{name}{_UNFINISHED}"
        fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(fd, new_header()) != HEADER_SIZE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
            path = unfinished.rename(self.path / f"{name}{_SUFFIX}")
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                unfinished.unlink()
            raise
        return Segment(path, fd, HEADER_SIZE, HEADER_SIZE)

    def usage(self) -> int:
        """Bytes that all segments take."""
        return sum(size for _, size in self._files())

    def adopt(self) -> Segment | None:
        """The oldest segment that has no owner; it then belongs to this process."""
        for path in self.segments():
            segment = self._take(path)
            if segment is not None:
                return segment
        self._delete_unfinished()
        return None

    def segments(self) -> list[Path]:
        """The segment files of this source, the oldest first; empty without a directory."""
        return sorted(
            path
            for path, _ in self._files()
            if path.suffix == _SUFFIX and path.name.split("-")[1:2] == [self._tag]
        )

    def _take(self, path: Path) -> Segment | None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(fd)
            if status.st_nlink == 0:  # deleted between the opening and the lock
                os.close(fd)
                return None
            header = os.pread(fd, HEADER_SIZE, 0)
        except OSError:  # above all: another process owns it
            os.close(fd)
            return None
        settled = read_settled(header)
        # With a damaged header everything is sent again: a repeat is recognised by its id.
        if settled is None or not HEADER_SIZE <= settled <= status.st_size:
            settled = HEADER_SIZE
        segment = Segment(path, fd, status.st_size, settled)
        segment.dropped = read_dropped(header)
        return segment

    def _prepare(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._private:
            status = self.path.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                message = "the directory is not this user's own: name another `spool`"
                raise PermissionError(message)

    def _files(self) -> Iterator[tuple[Path, int]]:
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.name.endswith((_SUFFIX, _UNFINISHED)):
                        with suppress(FileNotFoundError):
                            yield Path(entry.path), entry.stat().st_size
        except FileNotFoundError:
            return

    def _delete_unfinished(self) -> None:
        """Delete what a crash left between creating a file and naming it: it holds no event."""
        for path, _ in self._files():
            if path.suffix == _UNFINISHED:
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                        path.unlink()
