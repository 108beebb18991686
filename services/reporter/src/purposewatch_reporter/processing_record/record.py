"""A record of processing activities, as article 30 GDPR asks for it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from purposewatch_policy import CompiledPolicy, Dimension, Statement
from purposewatch_reporter.processing_record.details import ControllerDetails


@dataclass(frozen=True, slots=True)
class Scope:
    """What a record is about."""

    controller: str
    since: datetime | None
    """The first time whose events count; `None` for all that the flow ledger has."""
    until: datetime | None
    """The first time whose events do not count any more."""
    generated_time: datetime


@dataclass(slots=True)
class Tally:
    """How often something happened."""

    events: int = 0
    accesses: int = 0
    """What the events stand for."""
    violations: int = 0
    unknown: int = 0
    first_time: datetime | None = None
    last_time: datetime | None = None

    def add(self, other: "Tally") -> None:
        """Add what another one counted."""
        self.events += other.events
        self.accesses += other.accesses
        self.violations += other.violations
        self.unknown += other.unknown
        self.first_time = _earlier(self.first_time, other.first_time)
        self.last_time = _later(self.last_time, other.last_time)


class DeclaredTerm(NamedTuple):
    """A term that statements about an activity name."""

    term: str
    without: tuple[str, ...]
    """What lies below it and is excepted."""
    is_seen: bool
    """Whether an event of the activity named it or something below it."""


class ObservedTerm(NamedTuple):
    """A term that events of an activity named."""

    term: str
    events: int
    is_declared: bool
    """Whether a statement about the activity covers it in its dimension."""


class ActivityStatus(StrEnum):
    """Whether an activity was declared and seen; each has a text below `status`."""

    CONFIRMED = "confirmed"
    NEVER_SEEN = "never_seen"
    NEVER_DECLARED = "never_declared"


@dataclass(frozen=True, slots=True)
class Activity:
    """What is done with the data of one role of data subjects for one purpose.

    Role and purpose are those that statements name. What the events named may lie below them.
    """

    role: str | None
    """`None` where the statements restrict no role."""
    purpose: str
    statements: tuple[Statement, ...]
    """The permits that cover role and purpose."""
    declared: Mapping[Dimension, tuple[DeclaredTerm, ...]]
    observed: Mapping[Dimension, tuple[ObservedTerm, ...]]
    """By dimension of terms, the most frequent first."""
    not_stated: Mapping[Dimension, int]
    """Events that leave out what a flow may leave out."""
    retention_days: tuple[int, int] | None
    """The shortest and the longest retention that events stated."""
    publishers: tuple[str, ...]
    tally: Tally

    @property
    def status(self) -> ActivityStatus:
        """Whether it was declared and seen."""
        if not self.statements:
            return ActivityStatus.NEVER_DECLARED
        return ActivityStatus.CONFIRMED if self.tally.events else ActivityStatus.NEVER_SEEN


class FlowKey(NamedTuple):
    """A flow by what every event states, one data category at a time."""

    role: str
    data_category: str
    purpose: str
    recipient: str
    operation: str


@dataclass(frozen=True, slots=True)
class UndeclaredFlow:
    """A flow that was seen, and that no permit covers."""

    key: FlowKey
    kinds: tuple[str, ...]
    """Of the violations that were found, in alphabetical order."""
    publishers: tuple[str, ...]
    tally: Tally


class StrandKey(NamedTuple):
    """Whose data go for what to whom."""

    role: str
    purpose: str
    recipient: str


@dataclass(frozen=True, slots=True)
class ProcessingRecord:
    """What a controller declared, beside what was observed of it."""

    scope: Scope
    details: ControllerDetails | None
    """What the operator states about the controller."""
    compiled: CompiledPolicy | None
    """The version that counts as declared: in force at the end of the time, else the latest."""
    activities: Sequence[Activity]
    never_seen: Sequence[Statement]
    """Permits that cover no flow that was seen, in file order."""
    never_declared: Sequence[UndeclaredFlow]
    """The most frequent first."""
    strands: Mapping[StrandKey, Tally]
    total: Tally
    other: Tally
    """Of the total, what the flow ledger counted beyond its limit: its flows are not known."""
    carried: Tally
    """Of the total, what was counted before there was a flow ledger: likewise."""
    publishers: tuple[str, ...] = field(default=())


def _earlier(first: datetime | None, second: datetime | None) -> datetime | None:
    return second if first is None else first if second is None else min(first, second)


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return second if first is None else first if second is None else max(first, second)
