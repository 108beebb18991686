"""The list of flows, page by page: the newest first.

What a page costs depends neither on the number of events nor on what is asked for: flows are found
by their own columns, a bounded number is examined for what is counted of them, and only those of
the page are summed up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, literal, select, tuple_
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

_WINDOW = 2_500
_MOST_EXAMINED = 5_000
_f, _d, _n, _t = flows.c, flow_decisions.c, flow_counts.c, flow_totals.c
_PLACE = (_f.first_recorded_time, _f.id)
_NEWEST_FIRST = tuple(column.desc() for column in _PLACE)
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
    connection: AsyncConnection, asked: FlowFilters, *, after: FlowPlace | None, size: int
) -> tuple[Sequence[FlowRow], FlowPlace | None]:
    """Up to so many flows behind a place, and where the next page begins.

    A page ends early, maybe without any flow, once many flows were examined: what is rare is then
    on a later one. Carried counts are not of any flow that was observed, and not in the list.
    """
    found: list[Row[Any]] = []
    examined = 0
    while len(found) <= size and examined < _MOST_EXAMINED:
        end = await _end_of_window(connection, asked, after)
        query = _matching(asked).where(*_between(after, end)).order_by(*_NEWEST_FIRST)
        found += (await connection.execute(query.limit(size + 1 - len(found)))).all()
        after, examined = end, examined + _WINDOW
        if end is None:
            break
    counts = await read_counts_of(
        connection, [row.id for row in found[:size]], since=asked.since, until=asked.until
    )
    rows = [
        FlowRow(ledger_flow(row), row.first_recorded_time, counts.get(row.id, ()))
        for row in found[:size]
    ]
    return rows, rows[-1].place if len(found) > size else after


async def _end_of_window(
    connection: AsyncConnection, asked: FlowFilters, after: FlowPlace | None
) -> FlowPlace | None:
    """The last of the flows that are examined at once; `None` if there is no other behind it.

    What is counted of each is looked up, so they are few. The flows' own columns are read quickly.
    """
    if _counted(asked) is None:
        return None
    query = _of_dimensions(select(*_PLACE), asked).where(*_between(after, None))
    row = (
        await connection.execute(query.order_by(*_NEWEST_FIRST).offset(_WINDOW - 1).limit(1))
    ).one_or_none()
    return None if row is None else FlowPlace(*row)


def _between(after: FlowPlace | None, end: FlowPlace | None) -> list[ColumnElement[bool]]:
    """Behind a place, up to and with the end."""
    place = tuple_(*_PLACE)
    wanted: list[ColumnElement[bool]] = []
    if after is not None:
        wanted.append(place < tuple_(literal(after[0], UtcTime), literal(after[1])))
    if end is not None:
        wanted.append(place >= tuple_(literal(end[0], UtcTime), literal(end[1])))
    return wanted


async def read_flow_row(connection: AsyncConnection, flow_id: bytes) -> FlowRow | None:
    """One flow with its counts over all time."""
    row = (await connection.execute(select(flows).where(_f.id == flow_id))).one_or_none()
    if row is None:
        return None
    counts = await read_counts_of(connection, [flow_id])
    return FlowRow(ledger_flow(row), row.first_recorded_time, counts.get(flow_id, ()))


def _matching(asked: FlowFilters) -> Select[Any]:
    query = _of_dimensions(select(flows), asked)
    counted = _counted(asked)
    return query if counted is None else query.where(counted)


def _of_dimensions(query: Select[Any], asked: FlowFilters) -> Select[Any]:
    """Flows whose own columns match."""
    query = query.where(~_f.is_carried, _f.id.not_in(_UNUSED))
    for name in DIMENSIONS:
        value = getattr(asked, name)
        if value is not None:
            query = query.where(_f[name] == value)
    if asked.category is not None:
        query = query.where(_f.categories.contains(f'"{asked.category}"', autoescape=True))
    return query


def _counted(asked: FlowFilters) -> ColumnElement[bool] | None:
    """Whether something is counted of a flow that matches; `None` if any flow does."""
    wanted: list[ColumnElement[bool]] = []
    if asked.outcome is not None:
        wanted.append(_d.outcome == asked.outcome)
    if asked.kind is not None:
        wanted.append(_d.kind == asked.kind)
    found = select(_d.id).where(_d.flow_id == _f.id, _d.counts_events, *wanted)
    if asked.since is not None or asked.until is not None:
        found = found.join(flow_counts, _n.decision_id == _d.id)
        if asked.publisher is not None:
            found = found.where(_n.publisher == asked.publisher)
        if asked.since is not None:
            found = found.where(_n.hour >= asked.since)
        if asked.until is not None:
            found = found.where(_n.hour < asked.until)
    elif asked.publisher is not None:
        found = found.join(flow_totals, _t.decision_id == _d.id)
        found = found.where(_t.publisher == asked.publisher)
    elif not wanted:
        return None
    return found.exists()
