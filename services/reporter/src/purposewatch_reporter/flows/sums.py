"""Sums of what was counted, by decision and publisher."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Result, Select, and_, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.flow import Amount, Sum
from purposewatch_reporter.store.tables import flow_counts, flow_totals

_MANY_DIVIDED = 0.1
_LOOKUPS = 500

A = TypeVar("A", bound=Amount)


async def read_sums(
    connection: AsyncConnection, since: datetime | None, until: datetime | None, kind: type[A]
) -> Mapping[bytes, tuple[A, ...]]:
    """The sums by decision, one for each publisher."""
    if until is None and since is not None:
        return await _read_since(connection, since, kind)
    return await _read(connection, _between(since, until, kind), kind)


def _of_all_time(kind: type[Amount]) -> Select[Any]:
    """The sums over all time, which are kept. Reading times takes as long as all the rest."""
    t = flow_totals.c
    times = (t.first_time, t.last_time) if kind is Sum else ()
    return select(t.decision_id, t.publisher, t.count, t.accesses, *times)


def _between(since: datetime | None, until: datetime | None, kind: type[Amount]) -> Select[Any]:
    """The sums by decision and publisher."""
    if since is None and until is None:
        return _of_all_time(kind)
    t = flow_counts.c
    query = select(
        t.decision_id,
        t.publisher,
        cast(func.sum(t.count), BigInteger),
        cast(func.sum(t.accesses), BigInteger),
        *((func.min(t.first_time), func.max(t.last_time)) if kind is Sum else ()),
    ).group_by(t.publisher, t.decision_id)  # else SQLite looks up all hours of each decision
    if since is not None:
        query = query.where(t.hour >= since.astimezone(UTC))
    if until is not None:
        query = query.where(t.hour < until.astimezone(UTC))
    return query


async def _read_since(
    connection: AsyncConnection, since: datetime, kind: type[A]
) -> Mapping[bytes, tuple[A, ...]]:
    """The sums since a time: what was first counted since is counted in `flow_totals`.

    So they take no longer for more hours, unless many decisions were reached before as well.
    """
    t = flow_totals.c
    is_divided = and_(t.first_time < since, t.last_time >= since)
    shares = select(func.count(), func.count(case((is_divided, 1)))).select_from(flow_totals)
    total, divided = (await connection.execute(shares)).one()
    if divided > total * _MANY_DIVIDED:
        return await _read(connection, _between(since, None, kind), kind)
    found = await _read(connection, _of_all_time(kind).where(t.first_time >= since), kind)
    names = (await connection.execute(select(t.decision_id).where(is_divided))).scalars()
    wanted = list(dict.fromkeys(names))
    for start in range(0, len(wanted), _LOOKUPS):
        some = flow_counts.c.decision_id.in_(wanted[start : start + _LOOKUPS])
        by_hour = await _read(connection, _between(since, None, kind).where(some), kind)
        for decision, sums in by_hour.items():
            whole = found.get(decision, ())
            known = {each.publisher for each in whole}
            found[decision] = (*whole, *(each for each in sums if each.publisher not in known))
    return found


async def read_sums_of(
    connection: AsyncConnection,
    decision_ids: Sequence[bytes],
    since: datetime | None,
    until: datetime | None,
) -> Mapping[bytes, tuple[Sum, ...]]:
    """The sums of some decisions, one for each publisher."""
    query = _between(since, until, Sum)
    is_wanted: ColumnElement[bool] = query.selected_columns[0].in_(decision_ids)
    return await _read(connection, query.where(is_wanted), Sum)


async def _read(
    connection: AsyncConnection, query: Select[Any], kind: type[A]
) -> dict[bytes, tuple[A, ...]]:
    return await asyncio.to_thread(_by_decision, await connection.execute(query), kind)


def _by_decision(result: Result[Any], kind: type[A]) -> dict[bytes, tuple[A, ...]]:
    found: dict[bytes, tuple[A, ...]] = {}
    rows: Sequence[Sequence[Any]] = result.all()
    for decision, *of_publisher in rows:
        found[decision] = (*found.get(decision, ()), kind(*of_publisher))
    return found
