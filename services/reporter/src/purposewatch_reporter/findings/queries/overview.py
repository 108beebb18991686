"""The figures of the overview, from the exact counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Subquery, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSums
from purposewatch_reporter.store.tables import findings, triage

TOP = 8

_Counts: TypeAlias = dict[tuple[Any, ...], tuple[int, ...]]
"""Events and accesses, by some columns."""
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """How far the overview looks back, and how wide a bar of its chart is."""

    name: str
    length: timedelta
    bar: timedelta


SPANS = {
    span.name: span
    for span in (
        Span("24h", _DAY, _HOUR),
        Span("7d", 7 * _DAY, 6 * _HOUR),
        Span("30d", 30 * _DAY, _DAY),
        Span("90d", 90 * _DAY, 3 * _DAY),
    )
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The events of a stretch of time, by outcome."""

    start: datetime
    end: datetime
    permitted: int
    violation: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the overview shows about a span."""

    since: datetime
    bars: Sequence[Bar]
    events: int
    violations: int
    unknown: int
    accesses: Mapping[str, int]
    """What the events of each outcome stand for."""
    other: int
    """Events about flows beyond the limit: their roles and recipients are `(other)`."""
    by_kind: Sequence[tuple[str, int]]
    by_role: Sequence[tuple[str, int]]
    by_recipient: Sequence[tuple[str, int]]
    by_publisher: Sequence[tuple[str, int]]


async def read_figures(connection: AsyncConnection, span: Span, now: datetime) -> Figures:
    """Count what happened in the span that ends with the current bar, in one snapshot."""
    since = _start_of_bar(now, span) - span.length + span.bar
    until = since + span.length
    sums = await HourSums.read(connection)
    summed = sums.summed_events
    by_hour, by_rest = await _counted(
        connection,
        sums.other_events,
        [(summed, ("hour", "outcome")), (summed, ("outcome", "kind", "publisher", "is_other"))],
        (since, until),
    )
    by_role, by_recipient = await _counted(
        connection,
        sums.other_decisions,
        [
            (sums.summed_decisions(each), ("outcome", str(each)))
            for each in (FlowDimension.ROLE, FlowDimension.RECIPIENT)
        ],
        (since, until),
        only=Outcome.VIOLATION,
    )
    bars = _bars(by_hour, span, since)
    accesses = Counter(dict.fromkeys(map(str, Outcome), 0))
    for (_, outcome), (_, number) in by_hour.items():
        accesses[outcome] += number
    return Figures(
        since=since,
        bars=bars,
        events=sum(bar.permitted + bar.violation + bar.unknown for bar in bars),
        violations=sum(bar.violation for bar in bars),
        unknown=sum(bar.unknown for bar in bars),
        accesses=accesses,
        other=sum(count for (*_, is_other), (count, _) in by_rest.items() if is_other),
        by_kind=_top(by_rest, 1),
        by_role=_top(by_role, 1),
        by_recipient=_top(by_recipient, 1),
        by_publisher=_top(by_rest, 2),
    )


def _start_of_bar(now: datetime, span: Span) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // span.bar * span.bar


async def _counted(
    connection: AsyncConnection,
    others: Subquery,
    summed: Sequence[tuple[Subquery, tuple[str, ...]]],
    between: tuple[datetime, datetime],
    *,
    only: Outcome | None = None,
) -> list[_Counts]:
    """The counts of each of the summed tables by some columns, with those of the other hours.

    The counts of flows of these are read once for all of them, which takes longest.
    """
    names = tuple(dict.fromkeys(name for _, by in summed for name in by))
    rest = await _grouped(connection, others, names, between, only)
    found = []
    for table, by in summed:
        counts = await _grouped(connection, table, by, between, only)
        places = [names.index(name) for name in by]
        for key, (count, accesses) in rest.items():
            part = tuple(key[place] for place in places)
            before = counts.get(part, (0, 0))
            counts[part] = (before[0] + count, before[1] + accesses)
        found.append(counts)
    return found


async def _grouped(
    connection: AsyncConnection,
    table: Subquery,
    names: Sequence[str],
    between: tuple[datetime, datetime],
    only: Outcome | None,
) -> _Counts:
    since, until = between
    c = table.c
    by = [c[name] for name in names]
    sums = [cast(func.sum(each), BigInteger) for each in (c.count, c.accesses)]
    query = select(*by, *sums).where(c.hour >= since, c.hour < until).group_by(*by)
    if only is not None:
        query = query.where(c.outcome == str(only))
    return {tuple(row[:-2]): tuple(row[-2:]) for row in await connection.execute(query)}


def _bars(by_hour: _Counts, span: Span, since: datetime) -> list[Bar]:
    counted: Counter[tuple[int, str]] = Counter()
    for (hour, outcome), (count, _) in by_hour.items():
        counted[(hour - since) // span.bar, outcome] += count
    return [
        Bar(
            since + number * span.bar,
            since + (number + 1) * span.bar,
            *(
                counted[number, str(outcome)]
                for outcome in (Outcome.PERMITTED, Outcome.VIOLATION, Outcome.UNKNOWN)
            ),
        )
        for number in range(span.length // span.bar)
    ]


def _top(counts: _Counts, place: int) -> list[tuple[str, int]]:
    """The values at that place of the keys with the most violations: of events or decisions."""
    found: Counter[str] = Counter()
    for key, (count, _) in counts.items():
        if key[0] == str(Outcome.VIOLATION):
            found[key[place]] += count
    return sorted(found.items(), key=lambda each: (-each[1], each[0]))[:TOP]


async def open_findings(
    connection: AsyncConnection, username: str
) -> tuple[Mapping[str, int], int]:
    """How many findings are open, by severity; and how many that aren't done are somebody's."""
    status = func.coalesce(triage.c.status, str(Status.OPEN))
    joined = findings.outerjoin(
        triage,
        (triage.c.target_kind == str(Target.FINDING))
        & (triage.c.target_id == findings.c.fingerprint),
    )
    by_severity = await connection.execute(
        select(findings.c.severity, func.count().label("findings"))
        .select_from(joined)
        .where(status == str(Status.OPEN))
        .group_by(findings.c.severity)
    )
    mine = await connection.execute(
        select(func.count())
        .select_from(triage)
        .where(
            triage.c.assignee == username,
            triage.c.status.in_([str(Status.OPEN), str(Status.ACKNOWLEDGED)]),
        )
    )
    found = {row.severity: row.findings for row in by_severity}
    return found, mine.scalar_one()
