"""The stored gaps: which ids were counted, a row for each name, and counts by day."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import Gap
from purposewatch_reporter.store.bulk import add, insert_into
from purposewatch_reporter.store.tables import gap_days, gap_ids, gaps

OTHER_NAMES = "(other)"
"""Stands for all names of a publisher and kind beyond the limit."""

_PRUNE_SIZE = 1_000
_g = gaps.c


@dataclass(frozen=True, slots=True)
class GapLimits:
    """How much is kept of gaps."""

    names: int = 500
    """Distinct names of one publisher and kind."""
    kept: timedelta = timedelta(days=400)
    """How long the counts of a day are kept, and a name that does not occur any more."""


DEFAULT_LIMITS = GapLimits()


class NamedGap(NamedTuple):
    """What gaps are counted by."""

    publisher: str
    controller: str | None
    kind: str
    name: str

    @property
    def id(self) -> str:
        """128 bits in hex."""
        text = "\0".join((self.publisher, self.controller or "", self.kind, self.name))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


async def record_gaps(
    connection: AsyncConnection, found: Sequence[Gap], limits: GapLimits, now: datetime
) -> Counter[tuple[str, str]]:
    """Count the gaps whose ids are new; return the counts by kind and publisher.

    INVARIANT: the number of names stays exact because all gaps of a publisher are in one partition,
    whose position the caller has locked.
    """
    new = await _claim_ids(connection, found, now)
    if not new:
        return Counter()
    names = await _bounded_names(connection, new, limits.names)
    counted: Counter[tuple[str, str]] = Counter()
    rows: dict[str, dict[str, Any]] = {}
    days: Counter[tuple[str, datetime]] = Counter()
    for gap, named in zip(new, names, strict=True):
        counted[str(gap.kind), gap.publisher] += gap.count
        row = rows.setdefault(named.id, _row(named, gap, now))
        row["count"] += gap.count
        row["first_time"] = min(row["first_time"], gap.time)
        row["last_time"] = max(row["last_time"], gap.time)
        if gap.time >= now - limits.kept:
            day = gap.time.replace(hour=0, minute=0, second=0, microsecond=0)
            days[named.id, day] += gap.count
    await _add(connection, [rows[key] for key in sorted(rows)])
    await add(connection, gap_days, ("gap_id", "day"), count=days)
    return counted


async def _claim_ids(
    connection: AsyncConnection, found: Iterable[Gap], now: datetime
) -> Sequence[Gap]:
    """The first gap of each id that was not recorded before."""
    by_hash: dict[bytes, Gap] = {}
    for gap in found:
        name = f"{gap.publisher}\0{gap.id}".encode()
        by_hash.setdefault(hashlib.blake2b(name, digest_size=16).digest(), gap)
    if not by_hash:
        return ()
    rows = [{"id_hash": name, "recorded_time": now} for name in sorted(by_hash)]
    insert = insert_into(connection, gap_ids).on_conflict_do_nothing().returning(gap_ids.c.id_hash)
    claimed = set((await connection.execute(insert, rows)).scalars())
    return [gap for name, gap in by_hash.items() if name in claimed]


async def _bounded_names(
    connection: AsyncConnection, new: Sequence[Gap], most: int
) -> list[NamedGap]:
    """What each gap is counted under; names beyond the limit have one row for all."""
    publishers = sorted({gap.publisher for gap in new})
    of_publishers = select(_g.publisher, _g.kind, _g.name).where(_g.publisher.in_(publishers))
    known = {
        tuple(row)
        for row in await connection.execute(
            of_publishers.where(_g.name.in_(sorted({gap.name for gap in new}))).distinct()
        )
    }
    counted = await connection.execute(
        select(_g.publisher, _g.kind, func.count(_g.name.distinct()))
        .where(_g.publisher.in_(publishers), _g.name != OTHER_NAMES)
        .group_by(_g.publisher, _g.kind)
    )
    used = Counter({(publisher, kind): number for publisher, kind, number in counted})
    names = []
    for gap in new:
        publisher, kind, name = gap.publisher, str(gap.kind), gap.name
        if (publisher, kind, name) not in known and name != OTHER_NAMES:
            if used[publisher, kind] < most:
                used[publisher, kind] += 1
                known.add((publisher, kind, name))
            else:
                name = OTHER_NAMES
        names.append(NamedGap(publisher, gap.controller, kind, name))
    return names


def _row(named: NamedGap, gap: Gap, now: datetime) -> dict[str, Any]:
    return {
        "id": named.id,
        **named._asdict(),
        "count": 0,
        "first_time": gap.time,
        "last_time": gap.time,
        "first_recorded_time": now,
        "last_recorded_time": now,
    }


async def _add(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    insert = insert_into(connection, gaps)
    more = insert.excluded
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=[_g.id],
            set_={
                "count": _g.count + more.count,
                "first_time": case(
                    (more.first_time < _g.first_time, more.first_time), else_=_g.first_time
                ),
                "last_time": case(
                    (more.last_time > _g.last_time, more.last_time), else_=_g.last_time
                ),
                "last_recorded_time": more.last_recorded_time,
            },
        ),
        rows,
    )


async def prune_gap_ids(connection: AsyncConnection, before: datetime) -> int:
    """Forget some of the ids recorded before that time; the number forgotten."""
    old = select(gap_ids.c.id_hash).where(gap_ids.c.recorded_time < before).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(gap_ids).where(gap_ids.c.id_hash.in_(old)))
    return int(result.rowcount)


async def prune_gaps(connection: AsyncConnection, before: datetime) -> int:
    """Delete some names last recorded before that time; the number deleted."""
    old = select(_g.id).where(_g.last_recorded_time < before).limit(_PRUNE_SIZE)
    names = list((await connection.execute(old.with_for_update())).scalars())
    await connection.execute(delete(gap_days).where(gap_days.c.gap_id.in_(names)))
    result = await connection.execute(delete(gaps).where(_g.id.in_(names)))
    return int(result.rowcount)


async def prune_gap_days(connection: AsyncConnection, before: datetime) -> int:
    """Delete the counts of some days before that time; the number deleted."""
    oldest = select(func.min(gap_days.c.day)).where(gap_days.c.day < before).scalar_subquery()
    result = await connection.execute(delete(gap_days).where(gap_days.c.day == oldest))
    return int(result.rowcount)
