"""The list of flows, page by page: the newest first.

What a page costs does not depend on the number of events: flows are found by their own columns and
by whether anything of them matches, and only those of the page are summed up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.flow import FlowCount, LedgerFlow
from purposewatch_reporter.flows.queries import ledger_flow, read_counts_of
from purposewatch_reporter.parameters import Key, key_parts, read_cursor, read_key, write_cursor
from purposewatch_reporter.store.tables import (
    UtcTime,
    flow_counts,
    flow_decisions,
    flow_totals,
    flows,
)

DIMENSIONS = (
    *("controller", "role", "operation", "purpose", "recipient", "source", "location"),
    "legal_basis",
)
"""Filters that are columns of a flow."""

_SHORT = timedelta(days=2)
_f, _d, _n, _t = flows.c, flow_decisions.c, flow_counts.c, flow_totals.c
_other = flows.alias()
_UNUSED = select(_other.c.id).where(
    _other.c.is_other, ~select(_d.id).where(_d.flow_id == _other.c.id).exists()
)
"""The rows `(other)` of controllers whose flows are within the limit."""


class FlowPlace(NamedTuple):
    """A flow's place in the list."""

    first_recorded_time: datetime
    id: bytes


def write_place(place: FlowPlace) -> str:
    """A place as it stands in an address."""
    return write_cursor(key_parts(Key(place.first_recorded_time, place.id.hex())))


def read_place(cursor: str) -> FlowPlace:
    """The place that was written; ValueError for anything else."""
    time, name = read_key(read_cursor(cursor))
    return FlowPlace(time, bytes.fromhex(name))


@dataclass(frozen=True, slots=True)
class FlowFilters:
    """Which flows, and what of them is counted; all that are given must match."""

    controller: str | None = None
    role: str | None = None
    operation: str | None = None
    purpose: str | None = None
    recipient: str | None = None
    source: str | None = None
    location: str | None = None
    legal_basis: str | None = None
    category: str | None = None
    outcome: str | None = None
    kind: str | None = None
    publisher: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow with its counts, in the time that was asked for."""

    flow: LedgerFlow
    first_recorded_time: datetime
    counts: Sequence[FlowCount]
    """Of every decision and publisher, whatever the filters say about these."""

    @property
    def place(self) -> FlowPlace:
        """Where it is in the list."""
        return FlowPlace(self.first_recorded_time, self.flow.id)

    @property
    def events(self) -> int:
        """Of all decisions."""
        return sum(count.events for count in self.counts)

    @property
    def accesses(self) -> int:
        """What the events stand for."""
        return sum(count.accesses for count in self.counts)

    @property
    def first_time(self) -> datetime | None:
        """Of the earliest event."""
        return min((count.first_time for count in self.counts), default=None)

    @property
    def last_time(self) -> datetime | None:
        """Of the latest event."""
        return max((count.last_time for count in self.counts), default=None)

    @property
    def publishers(self) -> Sequence[str]:
        """In alphabetical order."""
        return sorted({name for count in self.counts for name in count.publishers})


async def read_flow_list(
    connection: AsyncConnection,
    asked: FlowFilters,
    *,
    after: FlowPlace | None,
    size: int,
    now: datetime,
) -> tuple[Sequence[FlowRow], FlowPlace | None]:
    """So many flows behind a place, and where the next page begins.

    Carried counts are not of any flow that was observed, and not in the list.
    """
    place = (_f.first_recorded_time, _f.id)
    query = _matching(connection, asked, now).where(~_f.is_carried, _f.id.not_in(_UNUSED))
    if after is not None:
        query = query.where(tuple_(*place) < tuple_(literal(after[0], UtcTime), literal(after[1])))
    query = query.order_by(*(column.desc() for column in place)).limit(size + 1)
    found = (await connection.execute(query)).all()
    counts = await read_counts_of(
        connection, [row.id for row in found[:size]], since=asked.since, until=asked.until
    )
    rows = [
        FlowRow(ledger_flow(row), row.first_recorded_time, counts.get(row.id, ()))
        for row in found[:size]
    ]
    return rows, rows[-1].place if len(found) > size else None


async def read_flow_row(connection: AsyncConnection, flow_id: bytes) -> FlowRow | None:
    """One flow with its counts over all time."""
    row = (await connection.execute(select(flows).where(_f.id == flow_id))).one_or_none()
    if row is None:
        return None
    counts = await read_counts_of(connection, [flow_id])
    return FlowRow(ledger_flow(row), row.first_recorded_time, counts.get(flow_id, ()))


def _matching(connection: AsyncConnection, asked: FlowFilters, now: datetime) -> Select[Any]:
    query = select(flows)
    for name in DIMENSIONS:
        value = getattr(asked, name)
        if value is not None:
            query = query.where(_f[name] == value)
    if asked.category is not None:
        query = query.where(_f.categories.contains(f'"{asked.category}"', autoescape=True))
    decided = []
    if asked.outcome is not None:
        decided.append(_d.outcome == asked.outcome)
    if asked.kind is not None:
        decided.append(_d.kind == asked.kind)
    counted = _counted(asked)
    if not decided and not counted:
        return query
    found: Select[Any] = select(_d.flow_id).where(*decided, _d.counts_events)
    if asked.since is not None or asked.until is not None:
        found = found.join(flow_counts, and_(_n.decision_id == _d.id, *counted))
    elif counted:
        found = found.join(flow_totals, and_(_t.decision_id == _d.id, *counted))
    if connection.dialect.name == "sqlite" and not _is_short(asked, now):
        # it does not choose by itself: from a flow to what is counted of it ends at the first row
        return query.where(found.where(_d.flow_id == _f.id).exists())
    return query.where(_f.id.in_(found))


def _counted(asked: FlowFilters) -> list[ColumnElement[bool]]:
    """What must be counted of a flow."""
    is_timed = asked.since is not None or asked.until is not None
    counted: list[ColumnElement[bool]] = []
    if asked.publisher is not None:
        counted.append((_n if is_timed else _t).publisher == asked.publisher)
    if asked.since is not None:
        counted.append(_n.hour >= asked.since)
    if asked.until is not None:
        counted.append(_n.hour < asked.until)
    return counted


def _is_short(asked: FlowFilters, now: datetime) -> bool:
    """Whether little is counted in the time that is asked for."""
    if asked.since is None:
        return False
    return (asked.until or now) - asked.since <= _SHORT
