"""Where encoded events, facts and gaps go."""

import json
from threading import Lock
from typing import Any, Protocol

from purposewatch_client.stats import Stats

__all__ = ["MemorySink", "Sink"]


class Sink(Protocol):
    """Takes encoded events, facts and gaps."""

    def append(self, event: bytes, /) -> None:
        """Take one event, a JSON object. Raises `NotRecordedError` if it can't."""

    def start(self) -> None:
        """Deliver from now on what is there already; else that begins with the first event."""

    def append_fact(self, fact: bytes, /) -> None:
        """Take one fact, a JSON object. Raises `NotRecordedError` if it can't."""

    def append_gap(self, gap: bytes, /) -> None:
        """Take one gap, a JSON object. Raises `NotRecordedError` if it can't."""

    def flush(self, timeout: float, /) -> bool:
        """Wait until everything that was taken is delivered; whether it is."""

    def close(self, timeout: float, /) -> bool:
        """Flush, then release what is held."""

    def stats(self) -> Stats:
        """What became of the events."""


class MemorySink:
    """Keeps events in memory, for tests: no file, no thread, no network."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._encoded: list[bytes] = []
        self._facts: list[bytes] = []
        self._gaps: list[bytes] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far, decoded, in the order in which they were recorded."""
        with self._lock:
            encoded = list(self._encoded)
        return [json.loads(event) for event in encoded]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The statements of facts so far, likewise."""
        with self._lock:
            encoded = list(self._facts)
        return [json.loads(fact) for fact in encoded]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The gaps so far, likewise."""
        with self._lock:
            encoded = list(self._gaps)
        return [json.loads(gap) for gap in encoded]

    def clear(self) -> None:
        """Forget all events, facts and gaps."""
        with self._lock:
            self._encoded.clear()
            self._facts.clear()
            self._gaps.clear()

    def append(self, event: bytes, /) -> None:
        """See `Sink`."""
        with self._lock:
            self._encoded.append(event)

    def start(self) -> None:
        """See `Sink`: nothing is there already."""

    def append_fact(self, fact: bytes, /) -> None:
        """See `Sink`."""
        with self._lock:
            self._facts.append(fact)

    def append_gap(self, gap: bytes, /) -> None:
        """See `Sink`."""
        with self._lock:
            self._gaps.append(gap)

    def flush(self, _: float, /) -> bool:
        """See `Sink`: there is nothing to wait for."""
        return True

    def stats(self) -> Stats:
        """See `Sink`."""
        with self._lock:
            return Stats(recorded=len(self._encoded))

    def close(self, _: float, /) -> bool:
        """See `Sink`."""
        return True
