"""The list of gaps. The limit on names bounds it, so it is sorted as a whole."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import GapKind
from purposewatch_reporter.findings.queries.filters import Text
from purposewatch_reporter.store.tables import gap_days, gaps

PAGE_GAPS = 50

_g = gaps.c
_WEEK = timedelta(days=7)


class GapOrder(StrEnum):
    """In which order gaps are listed."""

    LATEST = "latest"
    COUNT = "count"
    FIRST = "first"


_ORDERS = {
    GapOrder.LATEST: (_g.last_time.desc(), _g.id),
    GapOrder.COUNT: (_g.count.desc(), _g.id),
    GapOrder.FIRST: (_g.first_recorded_time.desc(), _g.id),
}


class GapQuery(BaseModel):
    """A page of the list; all given filters must match."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: GapKind | None = None
    publisher: Text | None = None
    controller: Text | None = None
    name: Text | None = None
    order: GapOrder = GapOrder.LATEST
    page: int = Field(default=1, ge=1, le=10_000)

    def given(self) -> dict[str, str]:
        """The filters that are set."""
        names = ("kind", "publisher", "controller", "name")
        values = ((name, getattr(self, name)) for name in names)
        return {name: str(value) for name, value in values if value is not None}

    def address(self, **changes: Any) -> str:
        """The address of the list with some values changed or (None) left out."""
        order = None if self.order is GapOrder.LATEST else str(self.order)
        wanted = {**self.given(), "order": order, **changes}
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"/gaps?{query}" if query else "/gaps"


@dataclass(frozen=True, slots=True)
class Trend:
    """How often a gap occurred in the last seven days, today included, and in those before."""

    week: int = 0
    week_before: int = 0


@dataclass(frozen=True, slots=True)
class GapPage:
    """Gaps, and how many match in all."""

    rows: Sequence[Mapping[str, Any]]
    trends: Mapping[str, Trend]
    """By the gap's id."""
    total: int
    count: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE_GAPS))


async def read_gap_page(connection: AsyncConnection, asked: GapQuery, now: datetime) -> GapPage:
    """One page of the gaps that match."""
    matching = select(gaps)
    for name, value in asked.given().items():
        matching = matching.where(_g[name] == value)
    counted = matching.subquery()
    sums = select(func.count(), cast(func.coalesce(func.sum(counted.c.count), 0), BigInteger))
    total, count = (await connection.execute(sums)).one()
    found = await connection.execute(
        matching.order_by(*_ORDERS[asked.order])
        .limit(PAGE_GAPS)
        .offset((asked.page - 1) * PAGE_GAPS)
    )
    rows = [dict(row._mapping) for row in found]  # noqa: SLF001 - its public name
    trends = await read_trends(connection, (row["id"] for row in rows), now)
    return GapPage(rows, trends, total, count, asked.page)


async def read_trends(
    connection: AsyncConnection, ids: Iterable[str], now: datetime
) -> defaultdict[str, Trend]:
    """The trends of these gaps."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - _WEEK + timedelta(days=1)
    days = await connection.execute(
        select(gap_days).where(gap_days.c.gap_id.in_(list(ids)), gap_days.c.day >= start - _WEEK)
    )
    trends: defaultdict[str, Trend] = defaultdict(Trend)
    for gap_id, day, count in days:
        known = trends[gap_id]
        if day >= start:
            trends[gap_id] = Trend(known.week + count, known.week_before)
        else:
            trends[gap_id] = Trend(known.week, known.week_before + count)
    return trends


async def gap_choices(connection: AsyncConnection) -> dict[str, list[str]]:
    """The publishers and controllers that gaps have."""
    found: dict[str, set[str]] = {"publisher": set(), "controller": set()}
    rows = await connection.execute(select(_g.publisher, _g.controller).distinct())
    for publisher, controller in rows:
        found["publisher"].add(publisher)
        if controller is not None:
            found["controller"].add(controller)
    return {name: sorted(values) for name, values in found.items()}
