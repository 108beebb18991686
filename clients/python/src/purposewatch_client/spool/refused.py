"""Keeps what ingest refused, with ingest's advice, for a person to look at."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["RefusedFile"]

_NAME = "refused.jsonl"
_PREVIOUS = "refused.1.jsonl"


class RefusedFile:
    """A file of JSON lines: `reason`, `advice` and the `event`, `fact` or `gap` as it was sent.

    When it reaches half of the limit it replaces the previous one, so both together stay below the
    limit. Several processes may write to it.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes // 2

    def write(
        self, payload: bytes, reason: str, advice: Sequence[str], noun: str = "event"
    ) -> None:
        """Add one event, fact or gap. Raises `OSError`."""
        about = json.dumps({"reason": reason, "advice": list(advice)}, ensure_ascii=False)
        line = f'{about[:-1]},"{noun}":'.encode() + payload + b"}\n"
        if len(line) > self._max_bytes:
            return
        path = self._directory / _NAME
        if path.exists() and path.stat().st_size + len(line) > self._max_bytes:
            path.replace(self._directory / _PREVIOUS)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)
