"""The list of findings. There are thousands at most: it is sorted as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.queries.filters import (
    FINDING_COLUMNS,
    WORST_FIRST,
    Filters,
    FindingOrder,
    FindingQuery,
)
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.store.tables import findings, triage

PAGE_FINDINGS = 50

_f, _t = findings.c, triage.c
_rank = case({str(each): rank for rank, each in enumerate(WORST_FIRST)}, value=_f.severity, else_=9)
_ORDERS = {
    FindingOrder.LATEST: (_f.last_event_time.desc(), _f.fingerprint),
    FindingOrder.SEVERITY: (_rank, _f.last_event_time.desc(), _f.fingerprint),
    FindingOrder.COUNT: (_f.count.desc(), _f.fingerprint),
    FindingOrder.FIRST: (_f.first_event_time.desc(), _f.fingerprint),
}


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Findings with their triage, and how many there are in all."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    violations: int
    accesses: int
    """What the violations stand for."""
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE_FINDINGS))


def with_triage() -> Select[Any]:
    """Findings with the status and assignee that triage gave them."""
    return select(
        *findings.c,
        func.coalesce(_t.status, str(Status.OPEN)).label("status"),
        _t.assignee,
    ).select_from(
        findings.outerjoin(
            triage,
            and_(_t.target_kind == str(Target.FINDING), _t.target_id == _f.fingerprint),
        )
    )


def matching_findings(asked: Filters) -> Select[Any]:
    """The findings that match; filters about single violations are not applied."""
    query = with_triage()
    for name, column in FINDING_COLUMNS.items():
        value = getattr(asked, name)
        if value is not None:
            query = query.where(_f[column] == str(value))
    if asked.since is not None:
        query = query.where(_f.last_event_time >= asked.since)
    if asked.until is not None:
        query = query.where(_f.first_event_time < asked.until)
    if asked.status is not None:
        query = query.where(func.coalesce(_t.status, str(Status.OPEN)) == str(asked.status))
    if asked.assignee is not None:
        query = query.where(_t.assignee == asked.assignee)
    if asked.statement is not None:
        query = query.where(_f.statement == asked.statement)
    return query


async def read_findings(connection: AsyncConnection, asked: FindingQuery) -> FindingPage:
    """One page of the findings that match."""
    matching = matching_findings(asked)
    counted = matching.subquery()
    total, amount, accesses = (
        await connection.execute(
            select(func.count(), func.sum(counted.c.count), func.sum(counted.c.accesses))
        )
    ).one()
    rows = await connection.execute(
        matching.order_by(*_ORDERS[asked.order])
        .limit(PAGE_FINDINGS)
        .offset((asked.page - 1) * PAGE_FINDINGS)
    )
    found = [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name
    return FindingPage(found, total, int(amount or 0), int(accesses or 0), asked.page)


async def choices(connection: AsyncConnection) -> dict[str, list[str]]:
    """The values that filters about findings can take: those that occur."""
    names = ("controller", "role", "category", "purpose", "recipient", "publisher", "kind")
    columns = [_f[FINDING_COLUMNS[name]] for name in names]
    found: dict[str, set[str]] = {name: set() for name in names}
    for row in await connection.execute(select(*columns).distinct()):
        for name, value in zip(names, row, strict=True):
            found[name].add(value)
    return {name: sorted(values) for name, values in found.items()}
