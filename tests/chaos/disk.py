"""A disk under a reporter's SQLite that can be filled up, and emptied again."""

from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

COMPLAINTS = ("database or disk is full", "disk I/O error")
"""What SQLite says when there is no room: the second when the kernel reports "file too large"."""

_SIZE = "64m"
_BLOCK = 1024 * 1024


class Disk(Protocol):
    """Somewhere for the database, whose space can be taken away."""

    directory: Path

    def fill(self) -> None:
        """Leave no room."""

    def make_room(self) -> None:
        """Give back what `fill` took."""


def small_disk(directory: Path, stack: ExitStack, writer: Callable[[], int]) -> Disk:
    """Return a real file system of its own where this process may mount one, else a quota.

    `writer` gives the id of the process that writes to it.
    """
    directory.mkdir()
    if os.geteuid() != 0:
        return Quota(directory, writer)
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "purposewatch-chaos", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return Quota(directory, writer)
    # lazily: whoever still has a file open loses sight of it, but not of the file
    stack.callback(subprocess.run, ["umount", "-l", str(directory)], check=True)
    return SmallDisk(directory)


class SmallDisk:
    """A mounted file system that a filler takes all the space of."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filler = directory / "filler"

    def fill(self) -> None:
        """Leave no room for a single byte."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (_BLOCK, 4096, 1):
                try:
                    while filler.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        """Remove the filler."""
        self._filler.unlink(missing_ok=True)


class Quota:
    """In place of a full disk: the kernel lets the process write nothing beyond a file's end.

    A process that is started meanwhile is free of it.
    """

    def __init__(self, directory: Path, writer: Callable[[], int]) -> None:
        self.directory = directory
        self._writer = writer

    def fill(self) -> None:
        """Limit the size of every file to that of the largest one there is."""
        sizes = [path.stat().st_size for path in self.directory.iterdir()]
        self._limit(max(sizes, default=0))

    def make_room(self) -> None:
        """Lift the limit."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, soft: int) -> None:
        resource.prlimit(self._writer(), resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
