"""Captures what a test records, with the line of the project behind each event."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from purposewatch_client.api import capturing
from purposewatch_client.stats import Stats
from purposewatch_client.testing.places import calling_line


class Captured:
    """The events of one test, in the order in which they were recorded."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._lock = Lock()
        self._recorded: list[tuple[bytes, str | None]] = []
        self._facts: list[bytes] = []
        self._gaps: list[bytes] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events as ingest would get them."""
        return [event for event, _ in self.recorded]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The statements of facts as ingest would get them."""
        with self._lock:
            facts = list(self._facts)
        return [json.loads(fact) for fact in facts]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The gaps as ingest would get them: what could not be stated as an event."""
        with self._lock:
            gaps = list(self._gaps)
        return [json.loads(gap) for gap in gaps]

    @property
    def recorded(self) -> list[tuple[dict[str, Any], str | None]]:
        """The events, each with the line of the project that recorded it."""
        with self._lock:
            recorded = list(self._recorded)
        return [(json.loads(event), place) for event, place in recorded]

    def append(self, event: bytes, /) -> None:
        """Take an event: this is the sink of every client while the test runs."""
        place = calling_line(self._root) if self._root is not None else None
        with self._lock:
            self._recorded.append((event, place))

    def start(self) -> None:
        """Return at once: nothing is there already."""

    def append_fact(self, fact: bytes, /) -> None:
        """Take a fact."""
        with self._lock:
            self._facts.append(fact)

    def append_gap(self, gap: bytes, /) -> None:
        """Take a gap."""
        with self._lock:
            self._gaps.append(gap)

    def flush(self, _: float, /) -> bool:
        """Return at once: there is nothing to wait for."""
        return True

    def close(self, _: float, /) -> bool:
        """Return at once, too."""
        return True

    def stats(self) -> Stats:
        """Return zeros: nothing is spooled or sent."""
        return Stats()


@contextmanager
def capture(root: Path | None = None) -> Iterator[Captured]:
    """Capture the events of the process within a block. Lines are looked for below `root`."""
    captured = Captured(root)
    with capturing(captured):
        yield captured
