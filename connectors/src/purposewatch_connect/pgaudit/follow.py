"""Follows a log file as `tail -F` does, and remembers how far it was read.

The position is stored after what was read is in the spool. After a crash the same entries are read
again, in a batch that ends where it ended before, and give events with the same ids.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

from purposewatch_connect.pgaudit.entries import LogFormat
from purposewatch_runtime.logs import get_logger

MAX_CHUNK = 1024 * 1024
"""An entry is at most as long; a longer one is skipped and counted."""

_HEAD = 256
_SUFFIXES = ("", "[.-][0-9]*")
"""Of the log's name, and of those that logrotate and others give to its predecessors."""

_COMPRESSED = frozenset({".gz", ".xz", ".bz2", ".zst", ".lz4"})

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file was read. The file is known by its inode and how it begins."""

    inode: int
    offset: int
    head: str
    head_bytes: int
    batch_end: int | None = None
    """Where the batch ends that was read from here and may have been published."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were read together."""

    entries: tuple[str, ...]
    position: Position
    """Where reading goes on once they are published."""
    skipped: int = 0
    """Entries that were too long."""
    unread: int = 0
    """Bytes of the file behind them."""


class LogFollower:
    """Reads entries from a file, its predecessors if it was rotated, and its successors.

    The last part of `path` may hold `*` and `?`, for logs with a date in their names.
    """

    def __init__(self, path: Path, state: Path, log_format: LogFormat) -> None:
        self._path = path
        self._state = state
        self.format = log_format
        self._position = _load(state)
        self._size_before = -1

    def poll(self) -> Batch | None:
        """Return what is new; `None` if there is nothing.

        A batch that was not committed is returned again: the same one, also by another process.
        """
        while True:
            file = self._current()
            if file is None:
                return None
            successor = self._successor(file)
            batch = self._read(file, at_rest=successor is not None)
            if batch is not None or successor is None:
                return batch
            _log.info("log file rotated", file=successor.name)
            self._position = _begin(successor)
            self._size_before = -1

    def commit(self, batch: Batch) -> None:
        """Remember that a batch was published."""
        self._store(batch.position)

    def _store(self, position: Position) -> None:
        temporary = self._state.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(position), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._state)
        self._position = position

    def _read(self, file: Path, *, at_rest: bool) -> Batch | None:
        position = self._position
        assert position is not None  # noqa: S101 - set by `_current`
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            opened.seek(position.offset)
            is_again = position.batch_end is not None
            end = position.batch_end or position.offset + MAX_CHUNK
            content = opened.read(end - position.offset)
            head_bytes = min(_HEAD, size)
            if position.head_bytes < head_bytes:
                opened.seek(0)
                head = _digest(opened.read(head_bytes))
                position = Position(position.inode, position.offset, head, head_bytes)
        at_rest = at_rest or is_again or size == self._size_before
        self._size_before = size
        ends = list(self.format.split(content, at_rest=at_rest))
        skipped = 0
        if not ends and len(content) == MAX_CHUNK:
            ends, skipped = [content.rfind(b"\n") + 1 or MAX_CHUNK], 1
        if not ends:
            return None
        begins = [0, *ends[:-1]]
        entries = [
            content[begin:end].decode("utf-8", "replace")
            for begin, end in zip(begins, ends, strict=True)
        ]
        offset = position.offset + ends[-1]
        if not is_again and not skipped:
            self._store(replace(position, batch_end=offset))
        return Batch(
            () if skipped else tuple(entries),
            Position(position.inode, offset, position.head, position.head_bytes),
            skipped,
            size - offset,
        )

    def _current(self) -> Path | None:
        """The file to read on in; sets the position in it."""
        files = self._files()
        if self._position is None:
            named = [file for file in files if self._is_named(file)]
            if not named:
                return None
            self._position = _begin(named[0])
            return named[0]
        for file in files:
            status = file.stat()
            if status.st_ino == self._position.inode:
                needed = self._position.batch_end or self._position.offset
                if status.st_size < needed or not _begins_alike(file, self._position):
                    _log.warning("log file truncated", file=file.name)
                    self._position = _begin(file)
                return file
        if not files:
            return None
        _log.error("log file lost: entries may be missing", file=self._path.name)
        self._position = _begin(files[-1])
        return files[-1]

    def _successor(self, file: Path) -> Path | None:
        files = self._files()
        later = files[files.index(file) + 1 :] if file in files else files
        return later[0] if later else None

    def _files(self) -> Sequence[Path]:
        """Every file of this log, the oldest first; rotated ones have a suffix to the name."""
        found = {
            path: path.stat().st_mtime_ns
            for suffix in _SUFFIXES
            for path in self._path.parent.glob(self._path.name + suffix)
            if path.is_file() and path.suffix not in _COMPRESSED
        }
        return sorted(found, key=lambda path: (found[path], path.name))

    def _is_named(self, file: Path) -> bool:
        return file.match(self._path.name)


def _begin(file: Path) -> Position:
    return Position(file.stat().st_ino, 0, _digest(b""), 0)


def _begins_alike(file: Path, position: Position) -> bool:
    with file.open("rb") as opened:
        return _digest(opened.read(position.head_bytes)) == position.head


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _load(state: Path) -> Position | None:
    try:
        return Position(**json.loads(state.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
