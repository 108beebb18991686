"""Raise the notice about windows that exceed a rule, and store what it is about."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_reporter.alerts.notices import NoticeKind, notice_fingerprint, raise_notice
from purposewatch_reporter.counting.rule import Counted, CountingRule
from purposewatch_reporter.counting.windows import slice_of, start_of
from purposewatch_reporter.store.bulk import write
from purposewatch_reporter.store.tables import counting_alerts

_PEAK = "excluded.peak_count > counting_alerts.peak_count"
_UPSERT = f"""ON CONFLICT (fingerprint, episode) DO UPDATE SET
pattern = excluded.pattern, more_than = excluded.more_than,
window_seconds = excluded.window_seconds, severity = excluded.severity,
counted = excluded.counted,
first_window_time = CASE WHEN excluded.first_window_time < counting_alerts.first_window_time
    THEN excluded.first_window_time ELSE counting_alerts.first_window_time END,
last_window_time = CASE WHEN excluded.last_window_time > counting_alerts.last_window_time
    THEN excluded.last_window_time ELSE counting_alerts.last_window_time END,
peak_window_time = CASE WHEN {_PEAK}
    THEN excluded.peak_window_time ELSE counting_alerts.peak_window_time END,
peak_is_bound = CASE WHEN {_PEAK}
    THEN excluded.peak_is_bound ELSE counting_alerts.peak_is_bound END,
peak_count = CASE WHEN {_PEAK} THEN excluded.peak_count ELSE counting_alerts.peak_count END,
last_recorded_time = excluded.last_recorded_time"""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A window in which more matched than the rule allows."""

    first: int
    count: int
    is_bound: bool
    """Whether the count is a lower bound."""


@dataclass(slots=True)
class Matched:
    """What a batch adds to one counter."""

    rule: CountingRule
    controller: str
    publisher: str
    """Empty for all publishers together."""
    verdicts: list[DecodedVerdict] = field(default_factory=list)

    @property
    def id(self) -> bytes:
        """The counter's id."""
        return self.rule.counter_id(self.controller, self.publisher)

    def by_slice(self) -> Mapping[int, Sequence[DecodedVerdict]]:
        """The verdicts by the slice that their event's own time is in."""
        slices: defaultdict[int, list[DecodedVerdict]] = defaultdict(list)
        for verdict in self.verdicts:
            slices[slice_of(verdict.event_time, self.rule.slice_seconds)].append(verdict)
        return slices


async def raise_exceeded(
    connection: AsyncConnection, counted: Matched, exceeded: Sequence[Exceeded], now: datetime
) -> None:
    """Raise the notice about these windows, and store what it is about."""
    rule = counted.rule
    key = "/".join(each for each in (rule.name, counted.controller, counted.publisher) if each)
    peak = max(exceeded, key=lambda each: each.count)
    starts = [start_of(each.first, rule.slice_seconds) for each in exceeded]
    peak_start = start_of(peak.first, rule.slice_seconds)
    episode = await raise_notice(
        connection,
        kind=NoticeKind.COUNTING_RULE,
        key=key,
        controller=counted.controller,
        summary=_summary(counted, peak, peak_start),
        severity=rule.severity,
        now=now,
        count=len(counted.verdicts),
    )
    row: dict[str, Any] = {
        "fingerprint": notice_fingerprint(NoticeKind.COUNTING_RULE, key),
        "episode": episode.number,
        "rule": rule.name,
        "controller": counted.controller,
        "publisher": counted.publisher or None,
        "counted": str(rule.counted),
        "pattern": json.dumps(rule.pattern.as_json()),
        "more_than": rule.more_than,
        "window_seconds": rule.window_seconds,
        "severity": str(rule.severity),
        "first_window_time": min(starts),
        "last_window_time": max(starts),
        "peak_window_time": peak_start,
        "peak_count": peak.count,
        "peak_is_bound": peak.is_bound,
        "first_recorded_time": now,
        "last_recorded_time": now,
    }
    values = [[value] for value in row.values()]
    await write(connection, counting_alerts, tuple(row), values, _UPSERT)


_NOUNS = {
    Counted.EVENTS: "events",
    Counted.ACCESSES: "accesses",
    Counted.SUBJECTS: "data subjects",
}


def _summary(counted: Matched, peak: Exceeded, start: datetime) -> str:
    rule = counted.rule
    who = f"`{counted.publisher}`" if counted.publisher else "all publishers together"
    least = "at least " if peak.is_bound else ""
    minutes = rule.window_seconds // 60
    note = f" {rule.note}" if rule.note else ""
    return (
        f"Rule `{rule.name}`: {least}{peak.count} {_NOUNS[rule.counted]} by {who} within {minutes} "
        f"min from {start:%Y-%m-%dT%H:%M:%SZ} (UTC); {rule.more_than} are allowed.{note}"
    )
