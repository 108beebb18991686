"""Which values of facts verdicts used, and how many would use another one now."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Select,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_reporter.store.bulk import insert_rows, is_among
from purposewatch_reporter.store.facts import chunks, history_hash
from purposewatch_reporter.store.tables import fact_uses, facts

_f, _u = facts.c, fact_uses.c
_NONE = (0, 0)
"""Neither events nor accesses."""
_STORE = (
    update(facts)
    .where(_f.id == bindparam("of_id"))
    .values(
        affected_events=bindparam("new_affected_events"),
        affected_accesses=bindparam("new_affected_accesses"),
    )
)


class _Queries(NamedTuple):
    affected: Select[Any]
    """How many verdicts of the histories would use another value, by statement."""
    stored: Select[Any]
    """The counts that are stored of the histories."""


@cache
def _queries(dialect: str) -> _Queries:
    """The queries about histories.

    From each statement to the next: what is in force is the last in this order that has begun. Of
    statements that begin at the same time, all but the last get a span without length.
    """
    in_order = (_f.effective_from, _f.stated_time, _f.statement_digest)
    next_from = func.lead(_f.effective_from).over(partition_by=_f.history, order_by=in_order)
    spans = (
        select(
            _f.id,
            _f.history,
            _f.controller,
            _f.fact,
            _f.value,
            _f.effective_from,
            _f.until,
            next_from.label("next_from"),
        )
        .where(is_among(dialect, _f.history, "histories"))
        .cte("spans")
    )
    s = spans.c
    value_now = case((or_(s.until.is_(None), _u.event_time < s.until), s.value), else_=null())
    affected = (
        select(s.id, s.controller, s.fact, func.count(), cast(func.sum(_u.accesses), BigInteger))
        .join_from(
            spans,
            fact_uses,
            and_(
                _u.history == s.history,
                _u.event_time >= s.effective_from,
                or_(s.next_from.is_(None), _u.event_time < s.next_from),
            ),
        )
        .where(_u.value.is_distinct_from(value_now))
        .group_by(s.id, s.controller, s.fact)
    )
    stored = select(_f.id, _f.affected_events, _f.affected_accesses).where(
        is_among(dialect, _f.history, "histories"), _f.affected_events > 0
    )
    return _Queries(affected, stored)


class LateFact(NamedTuple):
    """A statement that would change verdicts which were reached before it arrived."""

    controller: str
    fact: str


def use_rows(
    verdicts: Iterable[tuple[DecodedVerdict, int]], now: datetime
) -> list[Mapping[str, Any]]:
    """The rows of verdicts, each given with the log epoch of its event."""
    return list(_use_rows(verdicts, now))


def _use_rows(
    verdicts: Iterable[tuple[DecodedVerdict, int]], now: datetime
) -> Iterator[Mapping[str, Any]]:
    for verdict, log_epoch in verdicts:
        for finding in verdict.facts:
            yield {
                "history": history_hash(verdict.subject, verdict.data.controller, finding.fact),
                "event_time": verdict.event_time,
                "partition": verdict.partition,
                "log_epoch": log_epoch,
                "event_offset": verdict.offset,
                "value": finding.value,
                "recorded_time": now,
                "accesses": verdict.count,
            }


async def record_uses(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], since: datetime
) -> list[LateFact]:
    """Store the uses; return the statements that have become late by them.

    A statement that was recorded before `since` was known to the auditor when it decided. One that
    was recorded later may have overtaken the verdicts on their way here.
    The caller has locked the positions of the facts topic: no statement is recorded meanwhile.
    """
    await insert_rows(connection, fact_uses, rows)
    recent: set[bytes] = set()
    is_one = is_among(connection.dialect.name, _f.history, "histories")
    query = select(_f.history).where(is_one, _f.recorded_time >= since)
    for some in chunks(sorted({row["history"] for row in rows})):
        recent.update((await connection.execute(query, {"histories": some})).scalars())
    return await count_affected(connection, recent) if recent else []


async def count_affected(
    connection: AsyncConnection, histories: Collection[bytes]
) -> list[LateFact]:
    """Count again which verdicts would use another value; return what has become late by that.

    INVARIANT: the counts follow from the statements and uses that are stored, whatever the order in
    which they were, so that a rebuilt ledger has the same.
    """
    became_late: list[LateFact] = []
    queries = _queries(connection.dialect.name)
    for some in chunks(sorted(histories)):
        which = {"histories": some}
        found = list(await connection.execute(queries.affected, which))
        affected = {name: (events, accesses) for name, _, _, events, accesses in found}
        stored = {
            name: tuple(counts) for name, *counts in await connection.execute(queries.stored, which)
        }
        changed = {
            name: affected.get(name, _NONE)
            for name in sorted(affected.keys() | stored.keys())
            if affected.get(name, _NONE) != stored.get(name, _NONE)
        }
        if changed:
            names = ("of_id", "new_affected_events", "new_affected_accesses")
            rows = [
                dict(zip(names, (name, *counts), strict=True)) for name, counts in changed.items()
            ]
            await connection.execute(_STORE, rows)
        became_late += [
            LateFact(controller, fact) for name, controller, fact, *_ in found if name not in stored
        ]
    return became_late


async def prune_uses(connection: AsyncConnection, before: datetime) -> int:
    """Forget the uses of one batch recorded before that time; the number forgotten."""
    oldest = select(func.min(_u.recorded_time)).where(_u.recorded_time < before).scalar_subquery()
    result = await connection.execute(delete(fact_uses).where(_u.recorded_time == oldest))
    return int(result.rowcount)
