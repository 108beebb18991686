"""Statements of facts, and which of them is in force at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class FactStatement:
    """That a fact about a subject holds, or does not, from a time on. All times have a zone."""

    value: bool
    effective_from: datetime
    until: datetime | None
    """When it expires: from then on the fact is not stated."""
    stated: datetime
    """When it was stated: the message's `time`."""
    statement: str
    """The message's id."""
    source: str
    """The message's source."""
    evidence: str | None = None

    def holds_at(self, at: datetime) -> bool | None:
        """Return the value at a time at which it is in force; `None` when it has expired."""
        return self.value if self.until is None or at < self.until else None

    @property
    def rank(self) -> tuple[datetime, datetime, str]:
        """Return what orders statements of one fact: of those that have begun, the last counts.

        INVARIANT: content alone decides, so that repeats, compaction and the order of arrival
        change nothing. A correction is stated later, with the same effective time.
        """
        return self.effective_from, self.stated, statement_digest(self.source, self.statement)


def statement_digest(source: str, statement: str) -> str:
    """Return 128 bits in hex that identify the statement with this source and id."""
    return sha256(f"{source}\n{statement}".encode()).hexdigest()[:32]


def statement_in_force(statements: Iterable[FactStatement], at: datetime) -> FactStatement | None:
    """Return which of the statements of one fact is in force at a time (with zone), if any.

    A statement that has expired still counts, as one by which the fact is not stated: an earlier
    one does not take effect again.
    """
    begun = (each for each in statements if each.effective_from <= at)
    return max(begun, key=lambda each: each.rank, default=None)
