"""The figures of the overview, from the exact counts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.store.tables import findings, hourly_counts, hourly_verdicts, triage

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
    by_kind: Sequence[tuple[str, int]]
    by_role: Sequence[tuple[str, int]]
    by_recipient: Sequence[tuple[str, int]]
    by_publisher: Sequence[tuple[str, int]]


async def read_figures(connection: AsyncConnection, span: Span, now: datetime) -> Figures:
    """Count what happened in the span that ends with the current bar."""
    since = _start_of_bar(now, span) - span.length + span.bar
    bars, accesses = await _bars(connection, span, since)
    return Figures(
        since=since,
        bars=bars,
        events=sum(bar.permitted + bar.violation + bar.unknown for bar in bars),
        violations=sum(bar.violation for bar in bars),
        unknown=sum(bar.unknown for bar in bars),
        accesses=accesses,
        by_kind=await _top(connection, hourly_verdicts.c.kind, since),
        by_role=await _top(connection, hourly_counts.c.role, since),
        by_recipient=await _top(connection, hourly_counts.c.recipient, since),
        by_publisher=await _top(connection, hourly_verdicts.c.publisher, since),
    )


def _start_of_bar(now: datetime, span: Span) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // span.bar * span.bar


async def _bars(
    connection: AsyncConnection, span: Span, since: datetime
) -> tuple[list[Bar], Mapping[str, int]]:
    """The bars, and the accesses by outcome that their events stand for."""
    t = hourly_verdicts.c
    query = (
        select(t.hour, t.outcome, cast(func.sum(t.count), BigInteger).label("count"))
        .add_columns(cast(func.sum(t.accesses), BigInteger))
        .where(t.hour >= since, t.hour < since + span.length)
        .group_by(t.hour, t.outcome)
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


async def _top(
    connection: AsyncConnection, column: Column[str], since: datetime
) -> list[tuple[str, int]]:
    """The values with the most violations; of roles and recipients those of data categories."""
    table = column.table
    amount = cast(func.sum(table.c.count), BigInteger)
    query = (
        select(column, amount)
        .where(table.c.hour >= since, table.c.outcome == str(Outcome.VIOLATION))
        .group_by(column)
        .order_by(amount.desc(), column)
        .limit(TOP)
    )
    return [(name, count) for name, count in await connection.execute(query)]


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
