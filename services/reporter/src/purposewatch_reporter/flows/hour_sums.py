"""Sums of the counts of all flows by the hour, so that long times are read quickly.

Hours that are over are summed once; a batch pays nothing for it. Counts that change later, by late
events and when hours become days, put their hour back among those that are read from
`flow_counts`, in the same transaction, until it is summed again. So what is read is exact always.

INVARIANT: who changes counts knows which hours are summed, until the transaction ends: it holds a
lock on `positions`, which a batch takes first of all, and which `close_hours` waits for.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    Table,
    and_,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from purposewatch_reporter.flows import counted
from purposewatch_reporter.store.bulk import write
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.positions import summed_until
from purposewatch_reporter.store.tables import (
    decision_sums,
    event_sums,
    flow_counts,
    unsummed_hours,
)

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_OPEN = timedelta(minutes=10)
"""How long after its end an hour is summed. What comes later costs its batch a statement."""
_MOST_UNSUMMED = 500
_HOURS_AT_ONCE = 24
_hour = unsummed_hours.c.hour


class FlowDimension(StrEnum):
    """What decisions are summed by, one at a time."""

    ROLE = "role"
    CATEGORY = "data_category"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"


class HourSums:
    """The counts as tables to select from: sums where there are any, otherwise each flow's counts.

    INVARIANT: read and used in one snapshot, `Transactions.snapshot`.
    """

    def __init__(self, unsummed: Sequence[datetime]) -> None:
        self._until = unsummed[-1] if 0 < len(unsummed) <= _MOST_UNSUMMED else None
        self._unsummed = unsummed[:-1]

    @classmethod
    async def read(cls, connection: AsyncConnection) -> "HourSums":
        """Read which hours are not summed."""
        latest = select(_hour).order_by(_hour.desc()).limit(_MOST_UNSUMMED + 1)
        return cls((await connection.execute(latest)).scalars().all()[::-1])

    @property
    def are_kept(self) -> bool:
        """Whether any hour is summed."""
        return self._until is not None

    @property
    def events(self) -> Subquery:
        """As `counted.events`."""
        return _both(self._summed_events(), self._others(counted.events))

    def decisions(self, dimension: FlowDimension) -> Subquery:
        """As `counted.decisions`, with no other dimension than this one."""
        return _both(self._summed_decisions(dimension), self._others(counted.decisions))

    @property
    def summed_events(self) -> Subquery:
        """Those of `events` that are summed; the others are `other_events`."""
        return self._summed_events().subquery()

    @property
    def other_events(self) -> Subquery:
        """Those of `counted.events` whose hours are not summed."""
        return union_all(*self._others(counted.events)).subquery()

    def summed_decisions(self, dimension: FlowDimension) -> Subquery:
        """Those of `decisions` that are summed; the others are among `other_decisions`."""
        return self._summed_decisions(dimension).subquery()

    @property
    def other_decisions(self) -> Subquery:
        """Those of `counted.decisions` whose hours are not summed, with all dimensions."""
        return union_all(*self._others(counted.decisions)).subquery()

    def _summed_events(self) -> Select[Any]:
        e = event_sums.c
        columns = (e.hour, e.controller, e.publisher, e.outcome, e.kind)
        return select(*columns, e.is_other, e.count, e.accesses).where(self._is_summed(e.hour))

    def _summed_decisions(self, dimension: FlowDimension) -> Select[Any]:
        d = decision_sums.c
        columns = (d.hour, d.controller, d.value.label(str(dimension)), d.outcome, d.kind)
        of_dimension = select(*columns, d.is_other, d.count, d.accesses)
        return of_dimension.where(d.dimension == str(dimension), self._is_summed(d.hour))

    def _is_summed(self, hour: ColumnElement[datetime]) -> ColumnElement[bool]:
        if self._until is None:
            return false()
        return and_(hour < self._until, hour.not_in(self._unsummed))

    def _others(self, exact: Subquery) -> list[Select[Any]]:
        if self._until is None:
            return [select(exact)]
        others = [select(exact).where(exact.c.hour >= self._until)]
        if self._unsummed:
            others.append(select(exact).where(exact.c.hour.in_(self._unsummed)))
        return others


def _both(summed: Select[Any], others: Sequence[Select[Any]]) -> Subquery:
    names = [each.name for each in summed.selected_columns]
    same = [
        each.with_only_columns(*(each.selected_columns[name] for name in names)) for each in others
    ]
    return union_all(summed, *same).subquery()


async def hold_summed_until(connection: AsyncConnection) -> datetime | None:
    """The hour before which hours are summed; it stays until this transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE positions IN ROW SHARE MODE"))
    until: datetime | None = (await connection.execute(select(summed_until))).scalar_one()
    return until


async def mark_unsummed(
    connection: AsyncConnection, hours: Iterable[datetime], until: datetime | None
) -> None:
    """Have the hours that are summed, those before `until`, summed again: their counts changed.

    INVARIANT: the rows stay locked, so that `sum_hours` waits until these changes are committed.
    """
    late = [] if until is None else sorted({each for each in hours if each < until})
    if late:
        same = "ON CONFLICT (hour) DO UPDATE SET hour = excluded.hour"
        await write(connection, unsummed_hours, ("hour",), [late], same)


async def close_hours(connection: AsyncConnection, before: datetime) -> bool:
    """Have some hours before that time summed; whether more are left.

    INVARIANT: no batch is between its beginning and its end meanwhile. One that began earlier may
    have counted in these hours without marking them.
    """
    if connection.dialect.name == "postgresql":  # on SQLite, a transaction that writes is alone
        await connection.execute(text("SET LOCAL lock_timeout = '2s'"))  # batches wait behind it
        await connection.execute(text("LOCK TABLE positions IN EXCLUSIVE MODE"))
    until = (await connection.execute(select(summed_until))).scalar_one()
    if until is not None and until >= before:
        return False
    first = select(func.min(flow_counts.c.hour))
    if until is not None:
        first = first.where(flow_counts.c.hour >= until)
    start = (await connection.execute(first)).scalar_one()
    start = before if start is None else min(start, before)
    end = min(start + _DAY, before)
    hours = [start + number * _HOUR for number in range((end - start) // _HOUR + 1)]
    await write(connection, unsummed_hours, ("hour",), [hours], "ON CONFLICT DO NOTHING")
    return end < before


async def sum_hours(connection: AsyncConnection, hours: Sequence[datetime]) -> None:
    """Sum those of these hours that are not summed yet.

    INVARIANT: they are locked and struck off first. That waits for those who changed their counts;
    whoever does so from then on waits for this transaction, and marks them again.
    """
    locking = select(_hour).where(_hour.in_(hours)).order_by(_hour).with_for_update()
    these = (await connection.execute(locking)).scalars().all()
    if not these:
        return
    await connection.execute(delete(unsummed_hours).where(_hour.in_(these)))
    dimension, hour = decision_sums.c.dimension, decision_sums.c.hour
    of_hours = dimension.in_(map(str, FlowDimension)), hour.in_(these)
    await connection.execute(delete(decision_sums).where(*of_hours))
    await connection.execute(delete(event_sums).where(event_sums.c.hour.in_(these)))
    e, d = counted.events.c, counted.decisions.c
    events = _summed(e.hour, e.controller, e.publisher, e.outcome, e.kind, e.is_other, of=e)
    await _insert(connection, event_sums, events.where(e.hour.in_(these)))
    same = (d.hour, d.controller, d.outcome, d.kind, d.is_other)
    decisions = _summed(*same, *(d[each] for each in FlowDimension), of=d)
    c = decisions.where(d.hour.in_(these)).cte("decisions").c
    values = [
        _summed(*(c[each.name] for each in same), c[dimension].label("value"), of=c).add_columns(
            literal(str(dimension)).label("dimension")
        )
        for dimension in FlowDimension
    ]
    await _insert(connection, decision_sums, union_all(*values))


def _summed(*key: ColumnElement[Any], of: ReadOnlyColumnCollection[str, Any]) -> Select[Any]:
    count, accesses = (
        cast(func.sum(of[name]), BigInteger).label(name) for name in ("count", "accesses")
    )
    return select(*key, count, accesses).group_by(*key)


async def _insert(
    connection: AsyncConnection, table: Table, rows: Select[Any] | CompoundSelect[Any]
) -> None:
    names = [each.name for each in rows.selected_columns]
    await connection.execute(insert(table).from_select(names, rows))


class HourSummer:
    """Sums the hours that are over, and those whose counts have changed since.

    Not while the ledger is behind: batches that record old hours would mark each of them again.
    """

    def __init__(
        self, database: Database, is_caught_up: Callable[[], bool], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._is_caught_up = is_caught_up
        self._clock = clock

    async def refresh(self) -> None:
        """Sum all of them; on a ledger of an earlier version, these are many."""
        before = (self._clock() - _OPEN).replace(minute=0, second=0, microsecond=0)
        left = self._is_caught_up()
        while left:
            async with self._database.writing() as connection:
                left = await close_hours(connection, before)
            async with self._database.reading() as connection:
                closed = select(_hour).where(_hour < summed_until).order_by(_hour)
                hours = (await connection.execute(closed)).scalars().all()
            for start in range(0, len(hours), _HOURS_AT_ONCE):
                async with self._database.writing() as connection:
                    await sum_hours(connection, hours[start : start + _HOURS_AT_ONCE])
