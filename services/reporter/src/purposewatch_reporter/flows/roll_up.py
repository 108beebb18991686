"""Sum hourly counts up to days once they are old enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, collate, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.hour_sums import hold_summed_until, mark_unsummed
from purposewatch_reporter.flows.record import Count, add_counts
from purposewatch_reporter.store.tables import flow_counts

_DECISIONS = 200
_DAY = timedelta(days=1)
_n = flow_counts.c
_KEY = ("hour", "decision_id", "publisher")


async def roll_up(connection: AsyncConnection, before: datetime) -> int:
    """Sum up some of the hourly counts of one whole day before that time; 0 when done.

    Late events of such a day are counted by the hour again, and summed up by the next call.

    INVARIANT: exact with any number of reporters. A row is deleted by whoever has it locked, with
    the values that the lock showed; a batch that meets it then inserts it anew. Locks are taken in
    the order of the keys, as batches take them, the row of the day first.
    """
    summed_until = await hold_summed_until(connection)
    until = before.replace(hour=0, minute=0, second=0, microsecond=0)
    oldest = select(func.min(_n.hour)).where(_n.hours == 1, _n.hour < until)
    hour = (await connection.execute(oldest)).scalar_one()
    if hour is None:
        return 0
    day = hour.replace(hour=0)
    of_day = (_n.hours == 1, _n.hour >= day, _n.hour < day + _DAY)
    some = select(_n.decision_id).where(*of_day).distinct().order_by(_n.decision_id)
    decisions = (await connection.execute(some.limit(_DECISIONS))).scalars().all()
    hourly = (*of_day, _n.decision_id.in_(decisions))
    keys = await connection.execute(select(_n.decision_id, _n.publisher).where(*hourly).distinct())
    await _open_days(connection, day, [tuple(key) for key in keys])
    moved = await _move(connection, day, hourly)
    hours = [day + number * timedelta(hours=1) for number in range(24)]
    await mark_unsummed(connection, hours, summed_until)
    return moved


async def _open_days(
    connection: AsyncConnection, day: datetime, keys: Sequence[tuple[bytes, str]]
) -> None:
    """Lock the rows of the day, and insert those that are missing; they are not hourly then."""
    nothing = Count(0, 0, day + _DAY, day)
    counts = {(day, *key): nothing for key in keys}
    await add_counts(
        connection, flow_counts, ("hour", "decision_id", "publisher"), counts, hours=24
    )


async def _move(connection: AsyncConnection, day: datetime, hourly: Sequence[Any]) -> int:
    """Add the hourly rows to those of the day, and delete them."""
    keys = (_n.hour, _n.decision_id, _n.publisher)
    in_order = (*keys[:2], collate(_n.publisher, "C") if _is_postgresql(connection) else keys[2])
    sums = (_n["count"], _n.accesses, _n.first_time, _n.last_time)
    locked = select(*keys, *sums).where(*hourly).order_by(*in_order).with_for_update()
    rows = (await connection.execute(locked)).all()
    days: dict[tuple[datetime, bytes, str], Count] = {}
    for _, decision, publisher, *of_hour in rows:
        count = Count(*of_hour)
        before = days.setdefault((day, decision, publisher), count)
        if before is not count:
            before.add(count)
    if rows:
        gone = delete(flow_counts).where(*(key == bindparam(f"of_{key.name}") for key in keys))
        names = [f"of_{key.name}" for key in keys]
        await connection.execute(gone, [dict(zip(names, row, strict=False)) for row in rows])
    await add_counts(connection, flow_counts, _KEY, days, hours=24)
    return max(1, len(rows))


def _is_postgresql(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"
