"""The stored counters of counting rules: their slices, and the data subjects of each slice."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into, write
from purposewatch_reporter.store.tables import counter_slices, counter_subjects, counters

SliceKey: TypeAlias = tuple[bytes, int]
"""A counter and a slice."""
Slices: TypeAlias = dict[bytes, dict[int, int]]
"""The counts of slices, by counter."""

_PRUNE_SIZE = 50
"""Slices, each of which may have thousands of subjects."""

_SUBJECT = ("counter_id", "slice", "subject")
_s = counter_slices.c
_EXPIRY = "expires_time = excluded.expires_time"


async def lock_counters(
    connection: AsyncConnection, rules: Mapping[bytes, str], expires: Mapping[bytes, datetime]
) -> None:
    """Lock these counters, new ones included, until the transaction ends.

    INVARIANT: in sorted order, so that two reporters can't wait for each other. Whoever holds the
    lock sees every slice of the counter, so that two batches that fill one window together can't
    both miss it.
    """
    ids = sorted(rules)
    names, times = [rules[each] for each in ids], [expires[each] for each in ids]
    then = f"ON CONFLICT (id) DO UPDATE SET {_EXPIRY}"
    await write(connection, counters, ("id", "rule", "expires_time"), [ids, names, times], then)


async def known_counters(
    connection: AsyncConnection, ids: Collection[bytes], rules: Collection[str]
) -> tuple[set[bytes], Mapping[str, int]]:
    """Which of these counters exist, and how many each of the rules has."""
    found = await connection.execute(select(counters.c.id).where(counters.c.id.in_(ids)))
    numbers = await connection.execute(
        select(counters.c.rule, func.count().label("number"))
        .where(counters.c.rule.in_(rules))
        .group_by(counters.c.rule)
    )
    return set(found.scalars()), {row.rule: row.number for row in numbers}


async def load_slices(
    connection: AsyncConnection, ids: Collection[bytes], first: int, last: int
) -> Slices:
    """The slices of these counters from the first to the last."""
    rows = await connection.execute(
        select(_s.counter_id, _s.slice, _s.count).where(
            _s.counter_id.in_(ids), _s.slice.between(first, last)
        )
    )
    found: defaultdict[bytes, dict[int, int]] = defaultdict(dict)
    for counter, slice_, count in rows:
        found[counter][slice_] = count
    return found


async def add_subjects(
    connection: AsyncConnection, subjects: Iterable[tuple[bytes, int, bytes]]
) -> Sequence[SliceKey]:
    """Add distinct subjects to slices; the slice of each that was not there."""
    rows = sorted(subjects)
    if not rows:
        return ()
    if connection.dialect.name == "sqlite":  # its driver returns nothing of many rows
        added = await connection.execute(
            insert_into(connection, counter_subjects)
            .on_conflict_do_nothing()
            .returning(counter_subjects.c.counter_id, counter_subjects.c.slice),
            [dict(zip(_SUBJECT, row, strict=True)) for row in rows],
        )
    else:
        values = list(zip(*rows, strict=True))
        then = "ON CONFLICT DO NOTHING RETURNING counter_id, slice"
        added = await write(connection, counter_subjects, _SUBJECT, values, then)
    return [(counter, slice_) for counter, slice_ in added]


async def add_to_slices(
    connection: AsyncConnection, counts: Mapping[SliceKey, int], expires: Mapping[bytes, datetime]
) -> None:
    """Add to the counts of slices."""
    keys = sorted(counts)
    if not keys:
        return
    values: list[Sequence[object]] = [
        [counter for counter, _ in keys],
        [slice_ for _, slice_ in keys],
        [counts[key] for key in keys],
        [expires[counter] for counter, _ in keys],
    ]
    await write(
        connection,
        counter_slices,
        ("counter_id", "slice", "count", "expires_time"),
        values,
        "ON CONFLICT (counter_id, slice) DO UPDATE SET "
        f'"count" = counter_slices."count" + excluded."count", {_EXPIRY}',
    )


async def count_subjects(
    connection: AsyncConnection, counter: bytes, first: int, last: int, *, most: int
) -> int:
    """The distinct subjects of the slices from the first to the last; no more than `most`."""
    c = counter_subjects.c
    distinct = (
        select(c.subject)
        .where(c.counter_id == counter, c.slice.between(first, last))
        .distinct()
        .limit(most)
        .subquery()
    )
    return int(await connection.scalar(select(func.count()).select_from(distinct)) or 0)


async def prune_counters(connection: AsyncConnection, now: datetime) -> int:
    """Delete some slices and counters that have expired; the number deleted."""
    old = (
        select(_s.counter_id, _s.slice)
        .where(_s.expires_time < now)
        .limit(_PRUNE_SIZE)
        .with_for_update(skip_locked=True)
    )
    slices = [tuple(row) for row in await connection.execute(old)]
    if slices:
        c = counter_subjects.c
        await connection.execute(
            delete(counter_subjects).where(tuple_(c.counter_id, c.slice).in_(slices))
        )
        await connection.execute(
            delete(counter_slices).where(tuple_(_s.counter_id, _s.slice).in_(slices))
        )
        return len(slices)
    unused = select(counters.c.id).where(counters.c.expires_time < now).limit(_PRUNE_SIZE)
    gone = await connection.execute(delete(counters).where(counters.c.id.in_(unused)))
    return int(gone.rowcount)
