"""Where this service stands in the topics that it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import Marks
from purposewatch_reporter.store.fingerprints import mark_values, marks_of
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import positions

_LOCK = (
    select(positions)
    .where(
        positions.c.topic == bindparam("topic"),
        positions.c.partition.in_(bindparam("partitions", expanding=True)),
    )
    .order_by(positions.c.partition)
    .with_for_update()
)
_SAVE = (
    update(positions)
    .where(
        positions.c.topic == bindparam("of_topic"),
        positions.c.partition == bindparam("of_partition"),
    )
    .values(
        {name: bindparam(f"new_{name}") for name in ("next_offset", "page", *mark_values(Marks()))}
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """The next offset to read of a partition, and which of its lives that is about."""

    next_offset: int = 0
    page: int = 0
    marks: Marks = field(default_factory=Marks)


def _place(row: Row[Any]) -> Place:
    return Place(row.next_offset, row.page, marks_of(row))


async def load_places(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, Place]:
    """Where the service stands; at the beginning of a partition that was never read."""
    rows = await connection.execute(select(positions).where(positions.c.topic == topic))
    known = {row.partition: _place(row) for row in rows}
    return {partition: known.get(partition, Place()) for partition in partitions}


async def load_positions(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """The next offset to read per partition; 0 for one that was never read."""
    places = await load_places(connection, topic, partitions)
    return {partition: place.next_offset for partition, place in places.items()}


async def lock_places(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, Place]:
    """Where the service stands; nobody else changes it before this transaction ends.

    INVARIANT: rows are locked in sorted order, so that two reporters can't wait for each other.
    """
    wanted = sorted(partitions)
    which = {"topic": topic, "partitions": wanted}
    found = {row.partition: _place(row) for row in await connection.execute(_LOCK, which)}
    if len(found) < len(wanted):
        missing = [
            {"topic": topic, "partition": partition, "next_offset": 0, "page": 0}
            for partition in wanted
            if partition not in found
        ]
        await connection.execute(
            insert_into(connection, positions).on_conflict_do_nothing(), missing
        )
        found = {row.partition: _place(row) for row in await connection.execute(_LOCK, which)}
    return found


async def save_places(connection: AsyncConnection, topic: str, places: Mapping[int, Place]) -> None:
    """Store where the service stands in locked partitions."""
    await connection.execute(
        _SAVE,
        [
            {
                "of_topic": topic,
                "of_partition": partition,
                "new_next_offset": place.next_offset,
                "new_page": place.page,
                **{f"new_{name}": value for name, value in mark_values(place.marks).items()},
            }
            for partition, place in sorted(places.items())
        ],
    )
