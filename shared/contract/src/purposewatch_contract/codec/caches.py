"""Caches of what was decoded before."""

import re
from datetime import datetime
from typing import TypeVar

from purposewatch_contract import terms
from purposewatch_contract.codec.patterns import INSTANT, unanchored
from purposewatch_policy import BoundedCache

V = TypeVar("V")

BUDGET_BYTES = 8 * 1024 * 1024
"""Of text that one cache keeps: thousands of flows."""

_OVERHEAD_BYTES = 256
_MAX_ENTRIES = 4_096

_INSTANT = re.compile(INSTANT)
_SOURCE = re.compile(unanchored(terms.SOURCE_PATTERN))
_PUBLISHER = re.compile(unanchored(terms.PUBLISHER_PATTERN))


class TextCache(BoundedCache[str | bytes, V]):
    """Values by the texts that they were decoded from, within a budget of bytes."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        super().__init__(budget)

    def put(self, key: str | bytes, value: V, cost: int = 0) -> None:
        """Add a value, which must never be changed. `cost` is the size of other text it holds."""
        super().put(key, value, len(key) + cost + _OVERHEAD_BYTES)


class TimestampCache(BoundedCache[str, datetime]):
    """Timestamps that many messages share: when a batch was accepted, when it was decided."""

    def __init__(self) -> None:
        super().__init__(_MAX_ENTRIES)

    def parse(self, text: str) -> datetime:
        """Parse and add a text that is not in the cache; raises `ValueError` for a faulty one."""
        if _INSTANT.fullmatch(text) is None:
            message = "a timestamp is not in the services' own notation"
            raise ValueError(message)
        timestamp = datetime.fromisoformat(text)
        self.put(text, timestamp)
        return timestamp


class SenderCache(BoundedCache[tuple[str, str], str]):
    """Pairs of source and publisher that match the schema."""

    def __init__(self) -> None:
        super().__init__(_MAX_ENTRIES)

    def check(self, source: str, publisher: str) -> None:
        """Check and add a pair that is not in the cache; raises `ValueError` for a faulty one."""
        if _SOURCE.fullmatch(source) is None or _PUBLISHER.fullmatch(publisher) is None:
            message = "the source or the publisher does not match the schema"
            raise ValueError(message)
        self.put((source, publisher), source)
