"""Reload what was loaded from a directory, or from one file, when it changes on disk.

Polling by content works where file-system events do not: a Kubernetes ConfigMap swaps symbolic
links, a network file system sends no events. A faulty new state keeps the last good one in use.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from purposewatch_runtime.logs import get_logger

T = TypeVar("T")

_log = get_logger(__name__)


def fingerprint(source: Path) -> str:
    """A digest of the names and contents of every YAML file below `source`, or of that file."""
    digest = hashlib.sha256()
    for path in [source] if source.is_file() else sorted(source.rglob("*.yaml")):
        digest.update(str(path.relative_to(source)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class FileReloader(Generic[T]):
    """The current value of `load(source)`, replaced by every good change on disk.

    The first load must succeed: its error is raised to the caller. Later errors go to
    `on_result(error)`, successes to `on_result(None)`.
    """

    def __init__(
        self,
        source: Path,
        load: Callable[[Path], T],
        *,
        interval: float,
        on_result: Callable[[Exception | None], None],
        name: str = "policy directory",
    ) -> None:
        self.name = name
        self._source = source
        self._load = load
        self._interval = interval
        self._on_result = on_result
        self._fingerprint = fingerprint(source)
        self._failing = False
        self.current: T = load(source)
        self._task: asyncio.Task[None] | None = None

    def refresh(self) -> bool:
        """Check the files once; returns whether `current` was replaced."""
        try:
            seen = fingerprint(self._source)
            if seen == self._fingerprint:
                if self._failing:  # the faulty change was reverted
                    self._failing = False
                    self._on_result(None)
                return False
            value = self._load(self._source)
            if fingerprint(self._source) != seen:
                return False  # still being written; the next check sees the complete state
        except Exception as error:  # noqa: BLE001 - whatever is wrong on disk, the last good state stays
            _log.error("reload failed; the last good version stays in use", error=str(error))
            self._failing = True
            self._on_result(error)
            return False
        self._fingerprint = seen
        self._failing = False
        self.current = value
        self._on_result(None)
        _log.info("reloaded", source=self._source.name, digest=seen[:12])
        return True

    async def start(self) -> None:
        """Begin to check."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop checking; `current` stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await asyncio.to_thread(self.refresh)
