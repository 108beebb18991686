"""The figures of the overview, from the exact counts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, desc, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.store.tables import (
    findings,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flows,
    triage,
)

TOP = 8

_d, _k, _n = flow_decisions.c, flow_decision_categories.c, flow_counts.c
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
    """Count what happened in the span that ends with the current bar."""
    since = _start_of_bar(now, span) - span.length + span.bar
    bars, accesses = await _bars(connection, span, since)
    events = _violations(since, of_categories=False)
    categories = _violations(since, of_categories=True)
    return Figures(
        since=since,
        bars=bars,
        events=sum(bar.permitted + bar.violation + bar.unknown for bar in bars),
        violations=sum(bar.violation for bar in bars),
        unknown=sum(bar.unknown for bar in bars),
        accesses=accesses,
        other=await _other(connection, since, since + span.length),
        by_kind=await _top(connection, events, _d.kind),
        by_role=await _top(connection, categories, flows.c.role),
        by_recipient=await _top(connection, categories, flows.c.recipient),
        by_publisher=await _top(connection, events, _n.publisher),
    )


def _start_of_bar(now: datetime, span: Span) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // span.bar * span.bar


async def _bars(
    connection: AsyncConnection, span: Span, since: datetime
) -> tuple[list[Bar], Mapping[str, int]]:
    """The bars, and the accesses by outcome that their events stand for."""
    query = (
        select(_n.hour, _d.outcome, cast(func.sum(_n.count), BigInteger).label("count"))
        .add_columns(cast(func.sum(_n.accesses), BigInteger))
        .select_from(flow_counts.join(flow_decisions))
        .where(_n.hour >= since, _n.hour < since + span.length, _d.counts_events)
        .group_by(_n.hour, _d.outcome)
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


async def _other(connection: AsyncConnection, since: datetime, until: datetime) -> int:
    """Events that were counted under `(other)`."""
    others = (
        select(_d.id)
        .join(flows, flows.c.id == _d.flow_id)
        .where(flows.c.is_other, _d.counts_events)
    )
    query = select(cast(func.coalesce(func.sum(_n.count), 0), BigInteger)).where(
        _n.hour >= since, _n.hour < until, _n.decision_id.in_(others)
    )
    return int((await connection.execute(query)).scalar_one())


def _violations(since: datetime, *, of_categories: bool) -> Select[Any]:
    """The sum of violations since a time: events, or decisions about data categories."""
    if of_categories:
        counted = flow_counts.join(flow_decisions).join(flows)
        counted = counted.join(flow_decision_categories, _k.decision_id == _d.id)
        found = (_k.outcome == str(Outcome.VIOLATION), _d.counts_categories)
    else:
        counted = flow_counts.join(flow_decisions)
        found = (_d.outcome == str(Outcome.VIOLATION), _d.counts_events)
    amount = cast(func.sum(_n.count), BigInteger).label("amount")
    return select(amount).select_from(counted).where(_n.hour >= since, *found)


async def _top(
    connection: AsyncConnection, amount: Select[Any], column: ColumnElement[str]
) -> list[tuple[str, int]]:
    """The values with the most violations; of roles and recipients those of data categories."""
    query = amount.add_columns(column).group_by(column).order_by(desc("amount"), column).limit(TOP)
    return [(name, count) for count, name in await connection.execute(query)]


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
