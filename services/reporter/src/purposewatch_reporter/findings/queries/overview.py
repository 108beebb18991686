"""The figures of the overview, from the exact counts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import BigInteger, ColumnElement, Subquery, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSums
from purposewatch_reporter.store.tables import findings, triage

TOP = 8

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
    sums = await HourSums.read(connection)
    bars, accesses = await _bars(connection, sums.events, span, since)
    top = partial(_top, connection, since)
    return Figures(
        since=since,
        bars=bars,
        events=sum(bar.permitted + bar.violation + bar.unknown for bar in bars),
        violations=sum(bar.violation for bar in bars),
        unknown=sum(bar.unknown for bar in bars),
        accesses=accesses,
        other=await _other(connection, sums.events, since, since + span.length),
        by_kind=await top(sums.events, "kind"),
        by_role=await top(sums.decisions(FlowDimension.ROLE), FlowDimension.ROLE),
        by_recipient=await top(sums.decisions(FlowDimension.RECIPIENT), FlowDimension.RECIPIENT),
        by_publisher=await top(sums.events, "publisher"),
    )


def _start_of_bar(now: datetime, span: Span) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // span.bar * span.bar


async def _bars(
    connection: AsyncConnection, events: Subquery, span: Span, since: datetime
) -> tuple[list[Bar], Mapping[str, int]]:
    """The bars, and the accesses by outcome that their events stand for."""
    e = events.c
    query = (
        select(e.hour, e.outcome, _sum(e.count), _sum(e.accesses))
        .where(e.hour >= since, e.hour < since + span.length)
        .group_by(e.hour, e.outcome)
    )
    counted: defaultdict[tuple[int, str], int] = defaultdict(int)
    accesses = dict.fromkeys(map(str, Outcome), 0)
    for hour, outcome, count, of_outcome in await connection.execute(query):
        counted[(hour - since) // span.bar, outcome] += count
        accesses[outcome] += of_outcome
    bars = [
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
    return bars, accesses


async def _other(
    connection: AsyncConnection, events: Subquery, since: datetime, until: datetime
) -> int:
    """Events that were counted under `(other)`."""
    e = events.c
    query = select(func.coalesce(_sum(e.count), 0)).where(
        e.hour >= since, e.hour < until, e.is_other
    )
    return int((await connection.execute(query)).scalar_one())


async def _top(
    connection: AsyncConnection, since: datetime, counted: Subquery, name: str
) -> list[tuple[str, int]]:
    """The values with the most violations: events, or decisions about data categories."""
    c = counted.c
    amount = _sum(c.count).label("amount")
    query = (
        select(c[name], amount)
        .where(c.hour >= since, c.outcome == str(Outcome.VIOLATION))
        .group_by(c[name])
        .order_by(amount.desc(), c[name])
        .limit(TOP)
    )
    return [(value, number) for value, number in await connection.execute(query)]


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)


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
