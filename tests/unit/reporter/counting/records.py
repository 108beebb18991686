"""Counting rules for tests, and a plain count over a list of all events to hold them to."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from purposewatch_reporter.counting.active_rules import ActiveRules
from purposewatch_reporter.counting.record import CountingLimits, RuleRecorder
from purposewatch_reporter.counting.rule import Counted, CountedPer, CountingRule, Hierarchy
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import counting_alerts


@dataclass(frozen=True)
class Event:
    """What a rule may see of an event."""

    time: datetime
    publisher: str
    subject: str
    purpose: str
    count: int


@dataclass(frozen=True)
class Peak:
    """The highest count of a rule's windows."""

    rule: str
    publisher: str | None
    count: int


def rules_of(text: str, directory: Path) -> ActiveRules:
    """The rules of a file with this text; its terms are looked up nowhere."""
    file = directory / "counting.yaml"
    file.write_text(text, "utf-8")
    none = Hierarchy({}).vocabularies
    return ActiveRules(file, lambda: none, most_subjects=10_000, reload_seconds=1)


def recorder_of(text: str, directory: Path, limits: CountingLimits | None = None) -> RuleRecorder:
    """A recorder with these rules."""
    return RuleRecorder(rules_of(text, directory), limits or CountingLimits())


def plain_peaks(rules: Iterable[CountingRule], events: Sequence[Event]) -> set[Peak]:
    """Count every window of every rule over the whole list; the highest that exceed."""
    peaks = set()
    for rule in rules:
        [purpose] = rule.pattern.terms["purposes"]
        by_publisher: defaultdict[str | None, list[Event]] = defaultdict(list)
        for event in events:
            if event.purpose == purpose or event.purpose.startswith(f"{purpose}."):
                whole = rule.per is CountedPer.CONTROLLER
                by_publisher[None if whole else event.publisher].append(event)
        for publisher, counted in by_publisher.items():
            highest = max(_window_counts(rule, counted))
            if highest > rule.more_than:
                peaks.add(Peak(rule.name, publisher, highest))
    return peaks


def _window_counts(rule: CountingRule, events: Sequence[Event]) -> Iterable[int]:
    step = timedelta(seconds=rule.window_seconds // 10)
    start = min(event.time for event in events).replace(hour=0, minute=0, second=0, microsecond=0)
    window = start - 10 * step
    while window <= max(event.time for event in events):
        inside = [event for event in events if window <= event.time < window + 10 * step]
        yield {
            Counted.EVENTS: len(inside),
            Counted.ACCESSES: sum(event.count for event in inside),
            Counted.SUBJECTS: len({event.subject for event in inside}),
        }[rule.counted]
        window += step


async def stored_peaks(database: Database) -> set[Peak]:
    """The highest counts of the alerts in the database."""
    async with database.reading() as connection:
        rows = await connection.execute(select(counting_alerts))
        return {Peak(row.rule, row.publisher, row.peak_count) for row in rows}
