"""What is counted: pure, from verdicts to increments of counters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from purposewatch_reporter.ledger.read import ReadVerdict
from purposewatch_reporter.store.storable import storable
from purposewatch_reporter.store.tables import NO_KIND

DecisionKey: TypeAlias = tuple[datetime, str, str, str, str, str, str, str]
StatementKey: TypeAlias = tuple[str, str, str, str]
EventKey: TypeAlias = tuple[datetime, str, str, str, str]

DECISION_COLUMNS = (
    "hour",
    "controller",
    "role",
    "data_category",
    "purpose",
    "recipient",
    "outcome",
    "kind",
)
STATEMENT_COLUMNS = ("controller", "version", "statement", "outcome")
NEAREST_MISS = "nearest_miss"
"""Stands for the outcome where a statement did not decide but came nearest."""
EVENT_COLUMNS = ("hour", "controller", "publisher", "outcome", "kind")


@dataclass(slots=True)
class Tally:
    """Increments, by the columns of the hourly tables: of events, and of their accesses."""

    decisions: Counter[DecisionKey] = field(default_factory=Counter)
    """Decisions about data categories."""
    decision_accesses: Counter[DecisionKey] = field(default_factory=Counter)
    events: Counter[EventKey] = field(default_factory=Counter)
    event_accesses: Counter[EventKey] = field(default_factory=Counter)
    statements: Counter[StatementKey] = field(default_factory=Counter)
    """Decisions by the statement that decided, or that was the nearest miss."""
    statement_accesses: Counter[StatementKey] = field(default_factory=Counter)


class Group(NamedTuple):
    """Verdicts that agree in everything that is counted by: one of them, and how many."""

    read: ReadVerdict
    number: int
    accesses: int
    """The sum of the events' counts."""


def group_by_flow(verdicts: Iterable[ReadVerdict]) -> Sequence[Group]:
    """Put together what is counted alike: equal decisions about equal flows in the same hour."""
    groups: dict[tuple[Any, ...], list[ReadVerdict]] = {}
    for read in verdicts:
        verdict = read.verdict
        time = verdict.event_time
        group = (time.toordinal(), time.hour, verdict.publisher, verdict.flow_decision)
        equal = groups.get(group)
        if equal is None:
            groups[group] = [read]
        else:
            equal.append(read)
    return tuple(
        Group(equal[0], len(equal), sum([read.verdict.count for read in equal]))
        for equal in groups.values()
    )


def tally(groups: Iterable[Group]) -> Tally:
    """Count verdicts about events that were not counted before, by the hour of the event."""
    counted = Tally()
    for read, number, accesses in groups:
        verdict = read.verdict
        data = verdict.data
        hour = verdict.event_time.replace(minute=0, second=0, microsecond=0)
        outcome, kind = str(verdict.outcome), str(verdict.kind or NO_KIND)
        event = (hour, data.controller, verdict.publisher, outcome, kind)
        counted.events[event] += number
        counted.event_accesses[event] += accesses
        for decision in verdict.categories:
            key = (
                hour,
                data.controller,
                data.role,
                storable(decision.data_category),
                data.purpose,
                data.recipient,
                str(decision.outcome),
                str(decision.kind or NO_KIND),
            )
            counted.decisions[key] += number
            counted.decision_accesses[key] += accesses
            if verdict.policy is not None and decision.statement is not None:
                statement = (
                    data.controller,
                    storable(verdict.policy.version),
                    storable(decision.statement),
                    NEAREST_MISS if decision.is_nearest_miss else str(decision.outcome),
                )
                counted.statements[statement] += number
                counted.statement_accesses[statement] += accesses
    return counted
