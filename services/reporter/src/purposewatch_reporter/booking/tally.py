"""What is counted: pure, from verdicts to increments of counters."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from purposewatch_reporter.booking.read import ReadVerdict, storable
from purposewatch_reporter.store.tables import NO_KIND

DecisionKey: TypeAlias = tuple[datetime, str, str, str, str, str, str, str]
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
EVENT_COLUMNS = ("hour", "controller", "publisher", "outcome", "kind")


@dataclass(slots=True)
class Tally:
    """Increments, by the columns of the hourly tables."""

    decisions: Counter[DecisionKey] = field(default_factory=Counter)
    """Decisions about data categories."""
    events: Counter[EventKey] = field(default_factory=Counter)


def tally(verdicts: Iterable[ReadVerdict]) -> Tally:
    """Count verdicts about events that were not counted before, by the hour of the event."""
    counted = Tally()
    for read in verdicts:
        verdict = read.verdict
        data = verdict.data
        hour = read.event_time.replace(minute=0, second=0, microsecond=0)
        kind = str(verdict.kind or NO_KIND)
        counted.events[hour, data.controller, verdict.publisher, str(verdict.outcome), kind] += 1
        for decision in verdict.categories:
            counted.decisions[
                hour,
                data.controller,
                data.role,
                storable(decision.data_category),
                data.purpose,
                data.recipient,
                str(decision.outcome),
                str(decision.kind or NO_KIND),
            ] += 1
    return counted
