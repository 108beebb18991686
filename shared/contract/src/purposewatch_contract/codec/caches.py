"""Caches of what was decoded before, each within a bound."""

import re
from datetime import datetime
from typing import Generic, TypeVar

from purposewatch_contract import terms
from purposewatch_contract.codec.patterns import INSTANT, unanchored
from purposewatch_policy import BoundedCache

T = TypeVar("T")

BUDGET_BYTES = 8 * 1024 * 1024
"""Of text that one cache keeps: thousands of flows."""

_OVERHEAD_BYTES = 256
_MAX_ENTRIES = 4_096

_INSTANT = re.compile(INSTANT)
_SOURCE = re.compile(unanchored(terms.SOURCE_PATTERN))
_PUBLISHER = re.compile(unanchored(terms.PUBLISHER_PATTERN))


class TextCache(BoundedCache[str | bytes, T], Generic[T]):
    """Values by the texts that they were decoded from, within a budget of bytes."""

    __slots__ = ()

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        super().__init__(budget)

    def put_text(self, text: str | bytes, value: T, *, extra: int = 0) -> None:
        """Add a value, which must never be changed afterwards.

        `extra` is the size of other text that the value holds.
        """
        self.put(text, value, len(text) + extra + _OVERHEAD_BYTES)


class TimestampCache(dict[str, datetime]):
    """Timestamps by their texts. Look one up by subscript; raises `ValueError` for a faulty text.

    For timestamps that many messages share: when ingest accepted a batch, when an auditor decided
    one.
    """

    def __missing__(self, text: str) -> datetime:
        """Parse a text that is not in the cache."""
        if _INSTANT.fullmatch(text) is None:
            message = "a timestamp is not in the services' own notation"
            raise ValueError(message)
        timestamp = datetime.fromisoformat(text)
        if len(self) >= _MAX_ENTRIES:
            self.clear()
        self[text] = timestamp
        return timestamp


class SenderCache(set[tuple[str, str]]):
    """Pairs of source and publisher that match the schema."""

    def check(self, source: str, publisher: str) -> None:
        """Check and add a pair that is not in the cache; raises `ValueError` for a faulty one."""
        if _SOURCE.fullmatch(source) is None or _PUBLISHER.fullmatch(publisher) is None:
            message = "the source or the publisher does not match the schema"
            raise ValueError(message)
        if len(self) >= _MAX_ENTRIES:
            self.clear()
        self.add((source, publisher))
